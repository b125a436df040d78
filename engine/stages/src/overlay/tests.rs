use docgenie_document::{
    text::{Page, Word},
    truth::{Field, Region},
};

use super::*;
use crate::bitmap::Channels;

const GRID: PixelGrid = PixelGrid {
    width: 200,
    height: 100,
    page: Size {
        width: 100.0,
        height: 50.0,
    },
};
const WORD: Rect = Rect {
    x0: 10.0,
    y0: 20.0,
    x1: 30.0,
    y1: 30.0,
};

fn blank_page() -> PageImages {
    let bitmap = Bitmap {
        width: GRID.width,
        height: GRID.height,
        channels: Channels::Grey,
        data: vec![255; (GRID.width * GRID.height) as usize],
    };
    PageImages(vec![PageImage {
        page: 0,
        grid: GRID,
        png: bitmap.to_png().unwrap(),
    }])
}

fn content() -> Content {
    let places = vec![Grounding {
        page: 0,
        rect: WORD,
        words: vec![0],
    }];
    let word = Word {
        text: "7".into(),
        page: 0,
        rect: WORD,
        block: 0,
        line: 0,
        number: 0,
        angle: 0.0,
        right_to_left: false,
        font_size: 10.0,
        characters: Vec::new(),
    };
    let elsewhere = Word {
        page: 1,
        rect: Rect {
            x0: 80.0,
            x1: 90.0,
            ..WORD
        },
        ..word.clone()
    };
    Content {
        words: Arc::new(Words {
            pages: vec![Page { size: GRID.page }; 2],
            words: vec![word, elsewhere],
        }),
        layout: Some(Arc::new(Layout {
            regions: vec![Region {
                label: "total".into(),
                order: 0,
                parent: None,
                places: places.clone(),
                cells: Vec::new(),
            }],
        })),
        truth: Some(Arc::new(GroundTruth {
            fields: vec![Field {
                name: "total".into(),
                value: "7".into(),
                normalised: None,
                group: None,
                places,
            }],
            ..GroundTruth::default()
        })),
        ..Content::default()
    }
}

fn drawn(kinds: &[Kind]) -> (PixelGrid, Bitmap) {
    let drawn = draw(&blank_page(), &content(), kinds).unwrap();
    let image = &drawn.0.0[0];
    (image.grid, Bitmap::from_png(&image.png).unwrap())
}

/// The colour of a pixel of the overlay with only this kind drawn.
#[track_caller]
fn check_pixel(kind: Kind, (x, y): (u32, u32), expected: Colour) {
    let (_, bitmap) = drawn(&[kind]);
    let start = (y * bitmap.width + x) as usize * 3;
    assert_eq!(
        bitmap.data[start..start + 3],
        expected,
        "{kind:?} at {x}, {y}"
    );
}

#[test]
fn frames_stand_around_the_box() {
    let grey = Kind::Words.look().colour;
    for (place, expected) in [
        ((19, 40), grey),
        ((60, 60), grey),
        ((20, 40), [255; 3]),
        ((59, 59), [255; 3]),
        ((18, 40), [255; 3]),
        ((61, 59), [255; 3]),
    ] {
        check_pixel(Kind::Words, place, expected);
    }
    check_pixel(Kind::Fields, (18, 38), Kind::Fields.look().colour);
    check_pixel(Kind::Regions, (21, 28), Kind::Regions.look().colour);
}

#[test]
fn fields_are_tinted() {
    let (_, bitmap) = drawn(&[Kind::Fields]);
    let start = (50 * bitmap.width + 40) as usize * 3;
    let [red, green, blue] = [0, 1, 2].map(|sample| bitmap.data[start + sample]);
    assert!(green > red && green > blue && green < 255);
}

#[test]
fn boxes_of_other_pages_are_left_out() {
    check_pixel(Kind::Words, (160, 40), [255; 3]);
}

#[test]
fn a_kind_the_document_lacks_is_left_out() {
    let (grid, bitmap) = drawn(&[Kind::Ocr, Kind::Handwriting]);
    assert_eq!(grid, GRID);
    assert!(bitmap.data.iter().all(|&sample| sample == 255));
}

#[test]
fn the_legend_keeps_the_scale() {
    let (grid, bitmap) = drawn(&[Kind::Words, Kind::Regions, Kind::Fields]);
    assert!(bitmap.height > GRID.height);
    assert_eq!((grid.width, grid.height), (bitmap.width, bitmap.height));
    for (edge, expected) in grid.to_pixels(&WORD).iter().zip(GRID.to_pixels(&WORD)) {
        assert!((edge - expected).abs() < 1e-9);
    }
}

#[test]
fn a_box_over_the_edge_is_cut() {
    let mut canvas = Canvas::over(Bitmap {
        width: 2,
        height: 1,
        channels: Channels::Rgb,
        data: vec![255; 6],
    });
    let rect = PixelRect {
        x0: -5,
        y0: -5,
        x1: 1,
        y1: 9,
    };
    canvas.fill(rect, [1, 2, 3]);
    canvas.dashes(rect, [1, 2, 3]);
    canvas.tag(1, 0, "é", [255; 3]);
    assert_eq!(canvas.with_legend(&[]).data, [1, 2, 3, 255, 255, 255]);
}

#[test]
fn tags_do_not_cover_each_other() {
    let (_, mut page) = drawn(&[]);
    page.data.fill(255);
    let mut canvas = Canvas::over(page);
    let (red, blue) = ([200, 0, 0], [0, 0, 200]);
    canvas.tag(10, 40, "a", red);
    canvas.tag(14, 40, "b", blue);
    let bitmap = canvas.with_legend(&[]);
    let at = |x: usize, y: usize| &bitmap.data[(y * bitmap.width as usize + x) * 3..][..3];
    // A tag is 12 pixels high and, with one letter, 12 wide.
    assert_eq!((at(21, 39), at(22, 39)), (&red[..], &[255; 3][..]));
    assert_eq!((at(23, 39), at(34, 28)), (&blue[..], &blue[..]));
}
