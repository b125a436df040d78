//! Pictures in a PDF.

use docgenie_document::{geometry::Rect, slot::Pdf};
use docgenie_runtime::{
    extension::{Blend, Picture},
    stage::StageFailure,
};
use hayro::{hayro_interpret::util::TransformExt, hayro_syntax, kurbo::Affine};
use lopdf::{Document, Object, ObjectId, Stream, dictionary};

use super::NOT_PLACED;
use crate::raster::BAD_PDF;

/// A picture and its place.
pub(super) struct Placing<'a> {
    pub(super) page: u32,
    /// The picture's edges in points, as the page is displayed.
    pub(super) rect: Rect,
    pub(super) picture: &'a Picture,
}

/// The PDF with these pictures above what its pages have.
pub(super) fn with_pictures(
    pdf: &Pdf,
    placings: &[Placing<'_>],
    blend: Blend,
) -> Result<Pdf, StageFailure> {
    let transforms = display_transforms(pdf)?;
    let mut document = Document::load_mem(&pdf.0).map_err(|error| failed(&error))?;
    let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
    let state = document.add_object(dictionary! {
        "Type" => "ExtGState",
        "BM" => match blend {
            Blend::Normal => "Normal",
            Blend::Multiply => "Multiply",
        },
    });
    for (number, page) in pages.iter().enumerate() {
        let own: Vec<_> = placings
            .iter()
            .filter(|it| it.page as usize == number)
            .collect();
        let Some(transform) = transforms.get(number).filter(|_| !own.is_empty()) else {
            continue;
        };
        let mut painting = String::from("\nQ\n");
        for placing in own {
            let image =
                add_image(&mut document, placing.picture).map_err(|error| failed(&error))?;
            // Names that no other resource of the document has: dictionaries may be shared.
            let (name, state_name) = (format!("Placed{}", image.0), format!("Placing{}", state.0));
            document
                .add_xobject(*page, name.as_str(), image)
                .and_then(|()| document.add_graphics_state(*page, state_name.as_str(), state))
                .map_err(|error| failed(&error))?;
            let matrix = matrix(transform, &placing.rect).map(|value| format!("{value:.5}"));
            let matrix = matrix.join(" ");
            painting.push_str(&format!("q /{state_name} gs {matrix} cm /{name} Do Q\n"));
        }
        enclose(&mut document, *page, painting).map_err(|error| failed(&error))?;
    }
    let mut bytes = Vec::with_capacity(pdf.0.len() + (64 << 10));
    document.save_to(&mut bytes).map_err(|error| {
        StageFailure::new(NOT_PLACED, "the PDF cannot be written").because(&error)
    })?;
    Ok(Pdf(bytes))
}

/// For each page the way from its own space to the page as it is displayed.
fn display_transforms(pdf: &Pdf) -> Result<Vec<Affine>, StageFailure> {
    let pdf = hayro_syntax::Pdf::new(pdf.0.clone()).map_err(|error| {
        let mut failure = StageFailure::new(BAD_PDF, "the PDF cannot be read");
        failure.problem.causes.push(format!("{error:?}"));
        failure
    })?;
    let pages = pdf.pages().iter();
    Ok(pages
        .map(|page| page.initial_transform(true).to_kurbo())
        .collect())
}

/// From the unit square, in which PDF paints images with their top at 1, to the page's own space.
fn matrix(display: &Affine, rect: &Rect) -> [f64; 6] {
    let placed = Affine::new([rect.width(), 0.0, 0.0, -rect.height(), rect.x0, rect.y1]);
    (display.inverse() * placed).as_coeffs()
}

/// Paints after what the page has, whatever graphics state that leaves behind.
fn enclose(document: &mut Document, page: ObjectId, painting: String) -> lopdf::Result<()> {
    let before = document.get_page_contents(page).into_iter();
    let save = document.add_object(Stream::new(dictionary! {}, b"q\n".to_vec()));
    let painting = document.add_object(Stream::new(dictionary! {}, painting.into_bytes()));
    let contents = [save].into_iter().chain(before).chain([painting]);
    let contents: Vec<Object> = contents.map(Object::Reference).collect();
    document
        .get_object_mut(page)?
        .as_dict_mut()?
        .set("Contents", contents);
    Ok(())
}

fn add_image(document: &mut Document, picture: &Picture) -> lopdf::Result<ObjectId> {
    let pixels = picture.rgba.chunks_exact(4);
    let (mut colours, mut alpha) = (Vec::new(), Vec::new());
    for pixel in pixels {
        colours.extend_from_slice(&pixel[..3]);
        alpha.push(pixel[3]);
    }
    let opaque = alpha.iter().all(|value| *value == 255);
    let image = |colour_space: &str| {
        dictionary! {
            "Type" => "XObject",
            "Subtype" => "Image",
            "Width" => i64::from(picture.width),
            "Height" => i64::from(picture.height),
            "ColorSpace" => colour_space,
            "BitsPerComponent" => 8,
        }
    };
    let mut colours = Stream::new(image("DeviceRGB"), colours);
    colours.compress()?;
    if !opaque {
        let mut mask = Stream::new(image("DeviceGray"), alpha);
        mask.compress()?;
        let mask = document.add_object(mask);
        colours.dict.set("SMask", Object::Reference(mask));
    }
    Ok(document.add_object(colours))
}

fn failed(error: &lopdf::Error) -> StageFailure {
    StageFailure::new(NOT_PLACED, "no picture can be put onto the PDF").because(error)
}
