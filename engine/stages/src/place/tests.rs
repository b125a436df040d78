use docgenie_document::{
    geometry::Size,
    text::{Page, Word},
};
use docgenie_runtime::extension::{Blend, DrawnText, Picture};
use lopdf::{Document, Stream, dictionary};
use serde_json::json;

use super::*;
use crate::raster::{Colour, page_images};

/// A page of 200 by 100 points that is turned by `turn` degrees when it is displayed.
fn page(turn: i64) -> Pdf {
    let mut document = Document::with_version("1.7");
    let (width, height) = if turn % 180 == 0 {
        (200, 100)
    } else {
        (100, 200)
    };
    let pages = document.new_object_id();
    // A page whose graphics state is left changed, in a dictionary that two pages might share.
    let contents = document.add_object(Stream::new(dictionary! {}, b"0.5 0 0 0.5 9 9 cm".to_vec()));
    let kid = document.add_object(dictionary! {
        "Type" => "Page",
        "Parent" => pages,
        "Contents" => contents,
        "Rotate" => turn,
        "MediaBox" => vec![10.into(), 20.into(), (10 + width).into(), (20 + height).into()],
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![kid.into()], "Count" => 1 };
    document.objects.insert(pages, tree.into());
    let catalogue = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalogue);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    Pdf(bytes)
}

/// Red on the left, blue on the right.
fn picture(width: u32, height: u32, alpha: u8) -> Picture {
    let row = (0..width).flat_map(|x| {
        if x < width / 2 {
            [255, 0, 0, alpha]
        } else {
            [0, 0, 255, alpha]
        }
    });
    let row: Vec<u8> = row.collect();
    Picture {
        width,
        height,
        rgba: row.repeat(height as usize),
    }
}

fn rect(x0: f64, y0: f64, x1: f64, y1: f64) -> Rect {
    Rect::new(x0, y0, x1, y1).unwrap()
}

fn word(text: &str, rect: Rect) -> Word {
    Word {
        text: text.to_owned(),
        page: 0,
        rect,
        block: 0,
        line: 0,
        number: 0,
        angle: 0.0,
        right_to_left: false,
        font_size: 10.0,
        characters: Vec::new(),
    }
}

fn words(words: Vec<Word>) -> Words {
    let size = Size {
        width: 200.0,
        height: 100.0,
    };
    Words {
        pages: vec![Page { size }],
        words,
    }
}

fn drawing(picture: Picture) -> Drawing {
    Drawing {
        picture,
        words: vec![DrawnText {
            text: "PAID".to_owned(),
            bounds: [2.0, 2.0, 18.0, 8.0],
            block: 0,
            line: 0,
            angle: 0.0,
            font_size: 6.0,
        }],
        regions: Vec::new(),
        content: json!({ "text": "PAID" }),
    }
}

/// The colour at a point of the page, in points from its top left as it is displayed.
fn colour_at(pdf: &Pdf, x: f64, y: f64) -> [u8; 3] {
    let images = page_images(pdf, 72, Colour::Rgb).unwrap();
    let bitmap = crate::bitmap::Bitmap::from_png(&images.0[0].png).unwrap();
    let at = 3 * (y as usize * bitmap.width as usize + x as usize);
    [bitmap.data[at], bitmap.data[at + 1], bitmap.data[at + 2]]
}

#[test]
fn pictures_stand_where_they_are_put_however_the_page_is_turned() {
    for turn in [0, 90, 180, 270] {
        let picture = picture(20, 10, 255);
        let placing = pdf::Placing {
            page: 0,
            rect: rect(100.0, 10.0, 140.0, 30.0),
            picture: &picture,
        };
        let pdf = pdf::with_pictures(&page(turn), &[placing], Blend::Normal).unwrap();
        assert_eq!(
            colour_at(&pdf, 110.0, 20.0),
            [255, 0, 0],
            "turned by {turn}"
        );
        assert_eq!(
            colour_at(&pdf, 130.0, 20.0),
            [0, 0, 255],
            "turned by {turn}"
        );
        assert_eq!(colour_at(&pdf, 110.0, 35.0), [255; 3], "turned by {turn}");
    }
}

#[test]
fn the_same_pictures_give_the_same_bytes() {
    let picture = picture(20, 10, 90);
    let made = || {
        let placing = pdf::Placing {
            page: 0,
            rect: rect(0.0, 0.0, 40.0, 20.0),
            picture: &picture,
        };
        pdf::with_pictures(&page(0), &[placing], Blend::Multiply).unwrap()
    };
    assert_eq!(made(), made());
    let [red, green, blue] = colour_at(&made(), 10.0, 10.0);
    assert!(red == 255 && (150..180).contains(&green) && green == blue);
}

#[test]
fn a_picture_is_in_the_middle_of_its_room_at_its_own_proportions() {
    let fitted = Fitted::new(
        drawing(picture(20, 10, 255)),
        &rect(100.0, 0.0, 140.0, 60.0),
        36.0,
    );
    assert_eq!(fitted.rect, rect(100.0, 20.0, 140.0, 40.0));
    // At 72 dpi it is 20 points wide and not blown up.
    let fitted = Fitted::new(
        drawing(picture(20, 10, 255)),
        &rect(100.0, 0.0, 140.0, 60.0),
        72.0,
    );
    assert_eq!(fitted.rect, rect(110.0, 25.0, 130.0, 35.0));
}

#[test]
fn words_of_pictures_are_words_of_the_page_and_hidden_ones_are_gone() {
    let before = words(vec![
        word("hidden", rect(102.0, 22.0, 118.0, 28.0)),
        word("beside", rect(10.0, 10.0, 40.0, 20.0)),
    ]);
    let work = Work {
        element: "plugin:seal".to_owned(),
        manner: Manner {
            label: "seal".to_owned(),
            places: vec!["stamp".to_owned()],
            blend: Blend::Normal,
        },
        blend: Blend::Normal,
        dpi: 72.0,
    };
    let target = Target {
        page: 0,
        rect: rect(100.0, 20.0, 120.0, 30.0),
        content: "PAID".to_owned(),
        marked: None,
    };
    let drawings = vec![(target, drawing(picture(20, 10, 255)))];
    let elements = VisualElements::default();
    let placed = work.place(&page(0), &before, &elements, drawings).unwrap();
    let texts = placed
        .words
        .words
        .iter()
        .map(|word| (word.text.as_str(), word.block));
    assert_eq!(texts.collect::<Vec<_>>(), [("beside", 0), ("PAID", 1)]);
    assert_eq!(placed.words.words[1].rect, rect(102.0, 22.0, 118.0, 28.0));
    assert_eq!(placed.hidden, 1);
    let element = placed.elements.places[0].placed.clone().unwrap();
    assert_eq!((element.label.as_str(), element.words), ("seal", vec![1]));
}

#[test]
fn ink_lets_text_show_through() {
    let before = words(vec![word("read", rect(102.0, 22.0, 108.0, 28.0))]);
    let room = rect(100.0, 20.0, 120.0, 30.0);
    let red = Fitted::new(drawing(picture(20, 10, 255)), &room, 72.0);
    assert_eq!(red.hidden(&before, 0, Blend::Normal), [0]);
    let mut dark = picture(20, 10, 255);
    dark.rgba
        .chunks_exact_mut(4)
        .for_each(|pixel| pixel[..3].fill(10));
    let dark = Fitted::new(drawing(dark), &room, 72.0);
    assert_eq!(dark.hidden(&before, 0, Blend::Multiply), [0]);
    let mut pale = picture(20, 10, 255);
    pale.rgba
        .chunks_exact_mut(4)
        .for_each(|pixel| pixel[..3].fill(200));
    let pale = Fitted::new(drawing(pale), &room, 72.0);
    assert!(pale.hidden(&before, 0, Blend::Multiply).is_empty());
    let faint = Fitted::new(drawing(picture(20, 10, 60)), &room, 72.0);
    assert!(faint.hidden(&before, 0, Blend::Normal).is_empty());
}

#[test]
fn an_elements_options_stand_beside_those_of_the_stage() {
    let offer = ElementOffer {
        name: "plugin:seal".to_owned(),
        summary: "A seal".to_owned(),
        params_schema: json!({
            "title": "Params",
            "type": "object",
            "properties": { "colour": { "type": "string" } },
            "additionalProperties": false,
        }),
        manner: Manner {
            label: "seal".to_owned(),
            places: Vec::new(),
            blend: Blend::Multiply,
        },
    };
    let kinds = kinds(&[offer]);
    let short = &kinds[0].spec;
    assert_eq!(short.name, "plugin:seal");
    let options = short.options["properties"].as_object().unwrap();
    let own = options.keys().filter(|name| *name != "colour");
    assert_eq!(own.collect::<Vec<_>>(), extension::PLACE_OPTIONS[1..]);
    assert!(options.contains_key("colour") && options.contains_key("rect"));
    assert!(!options.contains_key("element"));
    let long = kinds[1].spec.variants.as_ref().unwrap();
    let options = long.schemas["plugin:seal"]["properties"]
        .as_object()
        .unwrap();
    assert!(options.contains_key("colour") && options.contains_key("element"));
}
