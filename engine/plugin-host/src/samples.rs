//! Documents for trying plugins: small, and between them with everything that a document can have.

use std::sync::Arc;

use docgenie_document::{
    DocumentId,
    geometry::{PixelGrid, Rect, Size},
    image::{PageImage, PageImages},
    text::{Page, Word, Words},
    truth::{
        Cell, Entity, Field, GroundTruth, Grounding, Handwriting, InkRegion, Layout, Question,
        Region, VisualElements, VisualPlace,
    },
};

use crate::{documents::Snapshot, error::PluginError};

/// A5 in points.
const SIZE: Size = Size {
    width: 420.0,
    height: 595.0,
};
/// Pixels of a page at 72 dpi.
const PIXELS: (u32, u32) = (420, 595);

/// What the first sample says, line by line; each line is a block of its own.
const INVOICE: &[(&str, f64)] = &[
    ("Acme Paper Ltd", 30.0),
    ("Invoice A-17", 60.0),
    ("Date 2026-03-04", 80.0),
    ("Item Amount", 120.0),
    ("Ink <12%> 12,50", 140.0),
    ("Paper & card 7,50", 160.0),
    ("Total 20,00", 200.0),
    ("J. Doe", 260.0),
];

/// An invoice with all kinds of annotations, a letter written from right to left, and a page on
/// which nothing stands and nobody has said anything of.
pub(crate) fn all() -> Result<Vec<Snapshot>, PluginError> {
    Ok(vec![invoice()?, letter()?, blank()?])
}

fn invoice() -> Result<Snapshot, PluginError> {
    let words = words(INVOICE, 0);
    let place = |positions: &[u32]| vec![grounding(&words, positions)];
    let field = |name: &str, value: &str, group: Option<u32>, at: &[u32]| Field {
        name: name.to_owned(),
        value: value.to_owned(),
        normalised: value.contains(',').then(|| value.replace(',', ".")),
        group: group.map(|number| ("line_item".to_owned(), number)),
        places: place(at),
    };
    let fields = vec![
        field("seller", "Acme Paper Ltd", None, &[0, 1, 2]),
        field("invoice_number", "A-17", None, &[4]),
        field("date", "2026-03-04", None, &[6]),
        field("item", "Ink <12%>", Some(0), &[9, 10]),
        field("amount", "12,50", Some(0), &[11]),
        field("item", "Paper & card", Some(1), &[12, 13, 14]),
        field("amount", "7,50", Some(1), &[15]),
        field("total", "20,00", None, &[17]),
    ];
    let questions = vec![
        Question {
            question: "What is the number of the invoice?".to_owned(),
            answer: "A-17".to_owned(),
            field: Some("invoice_number".to_owned()),
            places: place(&[4]),
        },
        Question {
            question: "How much is due?".to_owned(),
            answer: "20,00".to_owned(),
            field: Some("total".to_owned()),
            places: place(&[17]),
        },
    ];
    let entities = vec![
        entity("ORG", "Acme Paper Ltd", place(&[0, 1, 2])),
        entity("DATE", "2026-03-04", place(&[6])),
        entity("PERSON", "J. Doe", place(&[18, 19])),
    ];
    let cell = |row: u32, column: u32, text: &str, at: &[u32]| Cell {
        row,
        column,
        row_span: 1,
        column_span: 1,
        header: row == 0,
        text: text.to_owned(),
        places: place(at),
    };
    let cells = vec![
        cell(0, 0, "Item", &[7]),
        cell(0, 1, "Amount", &[8]),
        cell(1, 0, "Ink <12%>", &[9, 10]),
        cell(1, 1, "12,50", &[11]),
        cell(2, 0, "Paper & card", &[12, 13, 14]),
        cell(2, 1, "7,50", &[15]),
    ];
    let region = |label: &str, order: u32, at: &[u32], cells: Vec<Cell>| Region {
        label: label.to_owned(),
        order,
        parent: None,
        places: place(at),
        cells,
    };
    let table: Vec<u32> = (7..16).collect();
    let regions = vec![
        region("title", 0, &[3, 4], Vec::new()),
        region("paragraph", 1, &[5, 6], Vec::new()),
        region("table", 2, &table, cells),
        region("paragraph", 3, &[16, 17], Vec::new()),
    ];
    let ink = InkRegion {
        author: "clerk".to_owned(),
        signature: true,
        text: "J. Doe".to_owned(),
        places: place(&[18, 19]),
    };
    let stamp = VisualPlace {
        kind: "stamp".to_owned(),
        content: "PAID".to_owned(),
        page: 0,
        rect: rect(280.0, 240.0, 100.0, 60.0),
        placed: None,
    };
    let bio = labels(&words, &entities);
    let truth = GroundTruth {
        document_type: "invoice".to_owned(),
        language: "en".to_owned(),
        fields,
        questions,
        entities,
        bio,
        ..GroundTruth::default()
    };
    Ok(Snapshot {
        truth: Some(Arc::new(truth)),
        layout: Some(Arc::new(Layout { regions })),
        handwriting: Some(Arc::new(Handwriting { regions: vec![ink] })),
        visuals: Some(Arc::new(VisualElements {
            places: vec![stamp],
        })),
        ..snapshot(0, words)?
    })
}

fn letter() -> Result<Snapshot, PluginError> {
    let mut words = words(&[("شركة النور", 40.0), ("مرحبا بكم", 80.0)], 0);
    words
        .words
        .iter_mut()
        .for_each(|word| word.right_to_left = true);
    let entities = vec![entity(
        "ORG",
        "شركة النور",
        vec![grounding(&words, &[0, 1])],
    )];
    let truth = GroundTruth {
        document_type: "business-letter".to_owned(),
        language: "ar".to_owned(),
        bio: labels(&words, &entities),
        entities,
        ..GroundTruth::default()
    };
    Ok(Snapshot {
        truth: Some(Arc::new(truth)),
        ..snapshot(1, words)?
    })
}

fn blank() -> Result<Snapshot, PluginError> {
    snapshot(2, words(&[], 0))
}

/// A document of one page on which these words stand.
fn snapshot(index: u64, words: Words) -> Result<Snapshot, PluginError> {
    let grid = PixelGrid {
        width: PIXELS.0,
        height: PIXELS.1,
        page: SIZE,
    };
    let white = image::GrayImage::from_pixel(grid.width, grid.height, image::Luma([255]));
    let mut png = std::io::Cursor::new(Vec::new());
    white
        .write_to(&mut png, image::ImageFormat::Png)
        .map_err(|error| PluginError::Sandbox(format!("a sample cannot be made: {error}")))?;
    let images = PageImages(vec![PageImage {
        page: 0,
        grid,
        png: png.into_inner(),
    }]);
    Ok(Snapshot {
        id: DocumentId::from_index(index),
        words: Arc::new(words),
        truth: None,
        annotations: None,
        layout: None,
        handwriting: None,
        visuals: None,
        images: Some(Arc::new(images)),
    })
}

/// Words of 6 points a character and 10 points of height, each line at its distance from the top.
fn words(lines: &[(&str, f64)], page: u32) -> Words {
    let mut words = Vec::new();
    for ((text, top), block) in lines.iter().zip(0..) {
        let mut left = 30.0;
        for (word, number) in text.split(' ').zip(0..) {
            let width = 6.0 * word.chars().count() as f64;
            words.push(Word {
                text: word.to_owned(),
                page,
                rect: rect(left, *top, width, 10.0),
                block,
                line: 0,
                number,
                angle: 0.0,
                right_to_left: false,
                font_size: 10.0,
                characters: Vec::new(),
            });
            left += width + 4.0;
        }
    }
    Words {
        pages: vec![Page { size: SIZE }],
        words,
    }
}

fn rect(x: f64, y: f64, width: f64, height: f64) -> Rect {
    Rect {
        x0: x,
        y0: y,
        x1: x + width,
        y1: y + height,
    }
}

fn grounding(words: &Words, positions: &[u32]) -> Grounding {
    let boxes = positions
        .iter()
        .filter_map(|at| words.words.get(*at as usize));
    Grounding {
        page: 0,
        rect: Rect::union_all(boxes.map(|word| &word.rect)).unwrap_or(rect(0.0, 0.0, 0.0, 0.0)),
        words: positions.to_vec(),
    }
}

fn entity(label: &str, text: &str, places: Vec<Grounding>) -> Entity {
    Entity {
        label: label.to_owned(),
        text: text.to_owned(),
        places,
    }
}

fn labels(words: &Words, entities: &[Entity]) -> Vec<String> {
    let mut labels = vec!["O".to_owned(); words.words.len()];
    for entity in entities {
        let positions = entity.places.iter().flat_map(|place| &place.words);
        for (at, number) in positions.zip(0..) {
            let tag = if number == 0 { "B" } else { "I" };
            labels[*at as usize] = format!("{tag}-{}", entity.label);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use crate::documents::Lent;

    use super::*;

    #[test]
    fn what_is_said_of_the_samples_is_true() {
        for sample in all().unwrap() {
            let lent = Lent::from(sample);
            let words = lent.words_of(0);
            let Some(truth) = lent.truth() else {
                continue;
            };
            let fields = truth.fields.iter().map(|it| (&it.value, &it.places));
            let entities = truth.entities.iter().map(|it| (&it.text, &it.places));
            for (text, places) in fields.chain(entities) {
                let own = places[0]
                    .words
                    .iter()
                    .map(|at| words[*at as usize].text.as_str());
                assert_eq!(*text, own.collect::<Vec<_>>().join(" "));
            }
        }
    }
}
