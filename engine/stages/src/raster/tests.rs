use docgenie_document::geometry::Rect;
use lopdf::{Document, Object, Stream, dictionary};

use super::*;

/// A one-page PDF that shows black rectangles `[x, y, width, height]` in PDF's own coordinates,
/// origin at the bottom left of the unrotated page.
fn pdf_of_rectangles(width: f32, height: f32, rotate: i64, rectangles: &[[f32; 4]]) -> Pdf {
    let mut pdf = Document::with_version("1.5");
    let drawn = rectangles
        .iter()
        .map(|[x, y, w, h]| format!("{x} {y} {w} {h} re f\n"));
    let content = Stream::new(dictionary! {}, drawn.collect::<String>().into_bytes());
    let content = pdf.add_object(content);
    let pages = pdf.new_object_id();
    let page = pdf.add_object(dictionary! {
        "Type" => "Page",
        "Parent" => pages,
        "MediaBox" => vec![0.into(), 0.into(), Object::Real(width), Object::Real(height)],
        "Rotate" => rotate,
        "Contents" => content,
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    pdf.set_object(pages, tree);
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    pdf.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    Pdf(bytes)
}

/// The box around all pixels darker than mid grey, as `[x0, y0, x1, y1]`.
fn dark_pixels(bitmap: &Bitmap) -> [f64; 4] {
    let mut found = [f64::INFINITY, f64::INFINITY, 0.0, 0.0];
    for (position, &grey) in bitmap.data.iter().enumerate() {
        if grey < 128 {
            let (x, y) = (
                position as u32 % bitmap.width,
                position as u32 / bitmap.width,
            );
            let (x, y) = (f64::from(x), f64::from(y));
            found = [
                found[0].min(x),
                found[1].min(y),
                found[2].max(x + 1.0),
                found[3].max(y + 1.0),
            ];
        }
    }
    found
}

fn drawn(pdf: &Pdf, dpi: u32, colour: Colour) -> (PixelGrid, Bitmap) {
    let images = page_images(pdf, dpi, colour).unwrap();
    let image = &images.0[0];
    let bitmap = Bitmap::from_png(&image.png).unwrap();
    assert_eq!(
        (bitmap.width, bitmap.height),
        (image.grid.width, image.grid.height)
    );
    (image.grid, bitmap)
}

/// A rectangle at a known place of the page as displayed is found where the grid says.
fn check_place(page: (f32, f32), rotate: i64, in_pdf: [f32; 4], displayed: [f64; 4], dpi: u32) {
    let pdf = pdf_of_rectangles(page.0, page.1, rotate, &[in_pdf]);
    let (grid, bitmap) = drawn(&pdf, dpi, Colour::Grey);
    let [x0, y0, x1, y1] = displayed;
    let expected = grid.to_pixels(&Rect::new(x0, y0, x1, y1).unwrap());
    let found = dark_pixels(&bitmap);
    for (found_edge, expected_edge) in found.iter().zip(expected) {
        assert!(
            (found_edge - expected_edge).abs() <= 1.0,
            "{page:?} rotated {rotate} at {dpi} dpi: {found:?} instead of {expected:?}"
        );
    }
}

#[test]
fn pixels_stand_where_the_grid_says() {
    for dpi in [36, 72, 96, 150, 199] {
        for (width, height) in [(595.276, 841.89), (100.3, 200.7), (842.0, 595.0)] {
            let (right, bottom) = (f64::from(width) - 7.3, f64::from(height) - 11.7);
            let in_pdf = [40.5, 11.7, width - 47.8, 60.25];
            let displayed = [40.5, bottom - 60.25, right, bottom];
            check_place((width, height), 0, in_pdf, displayed, dpi);
        }
    }
}

#[test]
fn rotated_pages_stand_upright() {
    let page = (300.0, 500.0);
    let in_pdf = [20.0, 30.0, 100.0, 40.0];
    for (rotate, displayed) in [
        (0, [20.0, 430.0, 120.0, 470.0]),
        (90, [30.0, 20.0, 70.0, 120.0]),
        (180, [180.0, 30.0, 280.0, 70.0]),
        (270, [430.0, 180.0, 470.0, 280.0]),
    ] {
        check_place(page, rotate, in_pdf, displayed, 150);
    }
}

#[test]
fn sizes_are_the_nearest_whole_pixels() {
    for (width, height, dpi, expected) in [
        (595.276, 841.89, 150, (1240, 1754)),
        (595.276, 841.89, 300, (2480, 3508)),
        (612.0, 792.0, 72, (612, 792)),
        (0.4, 0.4, 36, (1, 1)),
    ] {
        let (grid, _) = drawn(&pdf_of_rectangles(width, height, 0, &[]), dpi, Colour::Rgb);
        assert_eq!(
            (grid.width, grid.height),
            expected,
            "{width} × {height} at {dpi}"
        );
    }
}

#[test]
fn the_page_fills_the_image() {
    for (width, height) in [(100.3, 200.7), (595.276, 841.89)] {
        let pdf = pdf_of_rectangles(width, height, 0, &[[0.0, 0.0, width, height]]);
        let (grid, bitmap) = drawn(&pdf, 150, Colour::Grey);
        let size = [0.0, 0.0, f64::from(grid.width), f64::from(grid.height)];
        assert_eq!(dark_pixels(&bitmap), size);
    }
}

#[test]
fn grey_is_the_colour_image_in_grey() {
    let pdf = pdf_of_rectangles(90.0, 70.0, 0, &[[10.0, 10.0, 33.3, 21.7]]);
    let (_, rgb) = drawn(&pdf, 150, Colour::Rgb);
    let (_, grey) = drawn(&pdf, 150, Colour::Grey);
    assert_eq!(rgb.channels, Channels::Rgb);
    assert_eq!(rgb.into_grey(), grey);
}

#[test]
fn same_pdf_same_bytes() {
    let pdf = pdf_of_rectangles(200.0, 100.0, 0, &[[10.3, 10.7, 50.0, 20.0]]);
    let images = page_images(&pdf, 150, Colour::Rgb).unwrap();
    assert_eq!(page_images(&pdf, 150, Colour::Rgb).unwrap(), images);
}

#[track_caller]
fn check_refused(pdf: &Pdf, dpi: u32, code: Code, part: &str) {
    let failure = page_images(pdf, dpi, Colour::Rgb).unwrap_err();
    assert_eq!(failure.problem.code, code.as_str());
    assert!(failure.problem.message.contains(part), "{failure}");
    assert!(failure.problem.hint.is_some());
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    check_refused(&Pdf(b"no PDF".to_vec()), 150, BAD_PDF, "cannot be read");
    let poster = pdf_of_rectangles(14_000.0, 14_000.0, 0, &[]);
    check_refused(
        &poster,
        150,
        PAGE_TOO_LARGE,
        "29167 × 29167 pixels at 150 dpi",
    );
    let strip = pdf_of_rectangles(14_000.0, 10.0, 0, &[]);
    check_refused(&strip, 600, PAGE_TOO_LARGE, "page 1");
}
