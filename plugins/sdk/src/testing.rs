//! For tests of plugins, outside WebAssembly: documents made by hand, and exports into memory.

use std::{collections::BTreeMap, env, fs, path::Path, thread};

use serde_json::{Value, json};

use crate::{
    Document, Drawn, Element, Exporter, Extent, Failure, GroundTruthFormat, Page, Picture, Point,
    Problem, Rect, Region, Request, Result, Size, Summary, Tally, Word,
    bindings::exports::docgenie::plugin::exporter as wit,
    element::ElementEntry,
    exporter::ExporterEntry,
    ground_truth::GroundTruthEntry,
    host::{self, sink},
    offer,
};

/// A word of 10 points, `[x, y, width, height]` in points.
#[must_use]
pub fn word(text: &str, bounds: [f64; 4], block: u32, line: u32) -> Word {
    Word {
        text: text.to_owned(),
        bounds: rect(bounds),
        block,
        line,
        angle: 0.0,
        font_size: 10.0,
    }
}

/// A region without outline and attributes, `[x, y, width, height]` in points.
#[must_use]
pub fn region(id: &str, kind: &str, label: &str, bounds: [f64; 4], words: &[u32]) -> Region {
    Region {
        id: id.to_owned(),
        kind: kind.to_owned(),
        label: label.to_owned(),
        bounds: rect(bounds),
        outline: Vec::new(),
        words: words.to_vec(),
        attributes: "{}".to_owned(),
    }
}

fn rect([x, y, width, height]: [f64; 4]) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

impl Region {
    /// With attributes.
    #[must_use]
    pub fn with(self, attributes: &Value) -> Self {
        Self {
            attributes: attributes.to_string(),
            ..self
        }
    }
}

/// A page of A4 with an image of 30 dpi, all white.
#[must_use]
pub fn page(words: Vec<Word>, regions: Vec<Region>) -> Page {
    Page {
        extent: Extent {
            width: 595.2,
            height: 842.4,
        },
        pixels: Some(Size {
            width: 248,
            height: 351,
        }),
        words,
        regions,
        image: include_bytes!("page.png").to_vec(),
    }
}

/// Three documents that between them have what exporters must cope with: an invoice of two pages
/// with regions of every kind, an empty page, and a page without an image.
#[must_use]
pub fn documents() -> Vec<Document> {
    let empty = page(Vec::new(), Vec::new());
    let imageless = Page {
        pixels: None,
        ..empty.clone()
    };
    vec![
        invoice(),
        Document {
            pages: vec![empty],
            ..document(1)
        },
        Document {
            pages: vec![imageless],
            ..document(2)
        },
    ]
}

fn document(index: u32) -> Document {
    Document {
        id: format!("document_{}", index + 1),
        index,
        language: "en".to_owned(),
        kind: "invoice".to_owned(),
        meta: "{}".to_owned(),
        ..Document::default()
    }
}

/// The invoice of [`documents`].
#[must_use]
pub fn invoice() -> Document {
    let first = page(
        vec![
            word("Invoice", [50.0, 40.0, 80.0, 20.0], 0, 0),
            word("No:", [50.0, 100.0, 20.0, 12.0], 1, 0),
            word("A-17", [80.0, 100.0, 30.0, 12.0], 1, 0),
            word("Acme", [50.0, 120.0, 30.0, 12.0], 1, 1),
            word("&", [84.0, 120.0, 8.0, 12.0], 1, 1),
            word("Söhne", [96.0, 120.0, 34.0, 12.0], 1, 1),
            word("Item", [50.0, 200.0, 30.0, 12.0], 2, 0),
            word("Amount", [300.0, 200.0, 50.0, 12.0], 2, 0),
            word("Paper,", [50.0, 220.0, 40.0, 12.0], 2, 1),
            word("A4", [94.0, 220.0, 16.0, 12.0], 2, 1),
            word("12.50", [300.0, 220.0, 30.0, 12.0], 2, 1),
        ],
        vec![
            region(
                "layout-0",
                "layout",
                "title",
                [50.0, 40.0, 80.0, 20.0],
                &[0],
            )
            .with(&json!({ "order": 0 })),
            region(
                "layout-1",
                "layout",
                "key-value",
                [50.0, 100.0, 60.0, 12.0],
                &[1, 2],
            )
            .with(&json!({ "order": 1 })),
            region(
                "layout-2",
                "layout",
                "table",
                [48.0, 196.0, 310.0, 40.0],
                &[6, 7, 8, 9, 10],
            )
            .with(&json!({ "order": 2 })),
            cell(0, 0, [48.0, 196.0, 250.0, 20.0], &[6], "Item"),
            cell(0, 1, [298.0, 196.0, 60.0, 20.0], &[7], "Amount"),
            cell(1, 0, [48.0, 216.0, 250.0, 20.0], &[8, 9], "Paper, A4"),
            cell(1, 1, [298.0, 216.0, 60.0, 20.0], &[10], "12.50"),
            region(
                "field-0",
                "field",
                "invoice_number",
                [80.0, 100.0, 30.0, 12.0],
                &[2],
            )
            .with(&json!({ "value": "A-17" })),
            region(
                "field-1",
                "field",
                "seller",
                [50.0, 120.0, 80.0, 12.0],
                &[3, 4, 5],
            )
            .with(&json!({ "value": "Acme & Söhne" })),
            region(
                "field-2",
                "field",
                "description",
                [50.0, 220.0, 60.0, 12.0],
                &[8, 9],
            )
            .with(&json!({ "value": "Paper, A4", "group": "line_item", "group_no": 0 })),
            region(
                "field-3",
                "field",
                "amount",
                [300.0, 220.0, 30.0, 12.0],
                &[10],
            )
            .with(&json!({ "value": "12.50", "group": "line_item", "group_no": 0 })),
            region(
                "entity-0",
                "entity",
                "ORG",
                [50.0, 120.0, 80.0, 12.0],
                &[3, 4, 5],
            )
            .with(&json!({ "text": "Acme & Söhne" })),
            region(
                "answer-0",
                "answer",
                "invoice_number",
                [80.0, 100.0, 30.0, 12.0],
                &[2],
            )
            .with(&json!({ "question": "What is the number?", "answer": "A-17" })),
        ],
    );
    let stamp = region(
        "visual-element-0",
        "visual-element",
        "stamp",
        [400.0, 700.0, 100.0, 60.0],
        &[],
    );
    let second = page(
        vec![
            word("שלום", [500.0, 60.0, 40.0, 12.0], 0, 0),
            word("<b>", [460.0, 60.0, 30.0, 12.0], 0, 0),
            word("Muster", [60.0, 720.0, 60.0, 20.0], 1, 0),
        ],
        vec![
            region(
                "layout-3",
                "layout",
                "paragraph",
                [460.0, 60.0, 80.0, 12.0],
                &[0, 1],
            )
            .with(&json!({ "order": 3 })),
            Region {
                outline: vec![
                    Point { x: 450.0, y: 700.0 },
                    Point { x: 500.0, y: 730.0 },
                    Point { x: 450.0, y: 760.0 },
                    Point { x: 400.0, y: 730.0 },
                ],
                ..stamp.with(&json!({ "content": "PAID" }))
            },
            region(
                "handwriting-0",
                "handwriting",
                "signature",
                [60.0, 720.0, 60.0, 20.0],
                &[2],
            )
            .with(&json!({ "author": "a", "signature": true, "text": "Muster" })),
        ],
    );
    let truth = json!({
        "document_type": "invoice",
        "language": "en",
        "answers": { "What is the number?": "A-17" },
        "fields": [
            { "name": "invoice_number", "value": "A-17" },
            { "name": "seller", "value": "Acme & Söhne" },
            { "name": "description", "value": "Paper, A4", "group": ["line_item", 0] },
            { "name": "amount", "value": "12.50", "group": ["line_item", 0] },
        ],
        "questions": [
            { "question": "What is the number?", "answer": "A-17", "field": "invoice_number" },
        ],
        "entities": [{ "label": "ORG", "text": "Acme & Söhne" }],
    });
    Document {
        pages: vec![first, second],
        truth: BTreeMap::from([("docgenie".to_owned(), truth.to_string())]),
        ..document(0)
    }
}

fn cell(row: u32, column: u32, bounds: [f64; 4], words: &[u32], text: &str) -> Region {
    let id = format!("cell-{row}-{column}");
    region(
        &id,
        "cell",
        if row == 0 { "header" } else { "cell" },
        bounds,
        words,
    )
    .with(&json!({
        "table": "layout-2", "row": row, "column": column, "row_span": 1, "column_span": 1,
        "header": row == 0, "text": text,
    }))
}

/// What an export left.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The files by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the exporter says it did.
    pub summary: Summary,
    /// Why documents were found unsuitable.
    pub unsuitable: Vec<String>,
}

impl Exported {
    /// A file's text; empty where there is no such file.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        let bytes = self.files.get(path).map_or(&[][..], Vec::as_slice);
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// A file as JSON; null where it is none.
    #[must_use]
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap_or_default()
    }
}

/// Writes the files into `<folder>/<offer>-<test>`, and beside it a report like the host's.
fn keep(folder: &Path, offer: &str, exported: &Exported) -> Result<()> {
    let name = format!("{offer}-{}", test_name());
    fs::create_dir_all(folder.join(&name))?;
    for (path, bytes) in &exported.files {
        let path = folder.join(&name).join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, bytes)?;
    }
    let Tally {
        documents,
        images,
        boxes,
        labels,
    } = exported.summary.written;
    let counts =
        json!({ "documents": documents, "images": images, "boxes": boxes, "labels": labels });
    let report = json!({ "plugin": offer, "counts": counts });
    Ok(fs::write(
        folder.join(format!("{name}.json")),
        report.to_string(),
    )?)
}

/// Exports documents as the host does: what is unsuitable is left out, and what was taken must have
/// been written. Where the environment variable `DOCGENIE_EXPORTS` names a folder, the files are
/// written there as well, to be opened with the library that they are for.
///
/// # Errors
/// What the exporter gives, and broken where its counts differ.
pub fn export<E: Exporter>(params: &Value, documents: &[Document]) -> Result<Exported> {
    sink::FILES.take();
    let entry = ExporterEntry::of::<E>();
    let params = params.to_string();
    let problems = (entry.check)(&params);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let mut running = (entry.begin)(wit::Job {
        offer: E::OFFER.id.to_owned(),
        params,
        dataset: json!({ "name": "sample", "description": "Made by hand" }).to_string(),
        expected: u32::try_from(documents.len()).ok(),
    })?;
    let mut unsuitable = Vec::new();
    for document in documents {
        match running.add(document) {
            Err(Failure::Unsuitable(reason)) => unsuitable.push(reason),
            added => added?,
        }
    }
    let summary = running.finish()?;
    let handed_over = documents.len() - unsuitable.len();
    if summary.taken != summary.written || summary.taken.documents as usize != handed_over {
        return Err(Failure::broken(format!(
            "{handed_over} documents were handed over: {summary:?}"
        )));
    }
    let exported = Exported {
        files: sink::FILES.take(),
        summary,
        unsuitable,
    };
    if let Some(folder) = env::var_os("DOCGENIE_EXPORTS") {
        keep(folder.as_ref(), E::OFFER.id, &exported)?;
    }
    Ok(exported)
}

/// The ground truth that a format builds, once the engine's texts are read as from the host.
///
/// # Errors
/// What the format gives.
pub fn build<G: GroundTruthFormat>(
    params: &Value,
    draft: &Value,
    document: &Document,
) -> Result<Value> {
    let entry = GroundTruthEntry::of::<G>();
    let params = params.to_string();
    let problems = (entry.check)(&params);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    (entry.build)(&params, &draft.to_string(), document)
}

/// What a format finds untrue of a document, each as `pointer: message`.
///
/// # Errors
/// What the format gives.
pub fn verify<G: GroundTruthFormat>(
    params: &Value,
    truth: &Value,
    document: &Document,
) -> Result<Vec<String>> {
    let entry = GroundTruthEntry::of::<G>();
    let problems = (entry.verify)(&params.to_string(), &truth.to_string(), document)?;
    let said = problems
        .into_iter()
        .map(|it| format!("{}: {}", it.pointer, it.message));
    Ok(said.collect())
}

/// What an element draws for a content in an area of pixels, with 150 of them to the inch. Where the
/// environment variable `DOCGENIE_EXPORTS` names a folder, the picture and its words are written there
/// as well, to be looked at.
///
/// # Errors
/// What the element gives.
pub fn render<E: Element>(
    params: &Value,
    content: &str,
    area: [u32; 2],
    number: u32,
) -> Result<Drawn> {
    seed(number);
    let problems = (ElementEntry::of::<E>().check)(&params.to_string());
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let [width, height] = area;
    let drawn = E::render(&Request {
        params: offer::parse(&params.to_string())?,
        content: content.to_owned(),
        key: "document_1".to_owned(),
        seed: number,
        area: Size { width, height },
        dpi: 150.0,
        language: "en".to_owned(),
    })?;
    if let Some(folder) = env::var_os("DOCGENIE_EXPORTS") {
        keep_picture(
            folder.as_ref(),
            &format!("{}-{number}", E::OFFER.id),
            &drawn,
        )?;
    }
    Ok(drawn)
}

/// Writes `<folder>/<offer>-<seed>-<test>` with the ending of the picture, and its words as JSON.
fn keep_picture(folder: &Path, name: &str, drawn: &Drawn) -> Result<()> {
    let (bytes, ending) = match &drawn.picture {
        Picture::Svg(text) => (text.as_bytes(), "svg"),
        Picture::Raster(raster) => (&raster.rgba[..], "rgba"),
    };
    let words = drawn.words.iter().map(|word| {
        let Rect {
            x,
            y,
            width,
            height,
        } = word.bounds;
        json!({ "text": word.text, "bounds": [x, y, width, height], "angle": word.angle })
    });
    let words = Value::Array(words.collect());
    let path = folder.join(format!("{name}-{}", test_name()));
    fs::create_dir_all(folder)?;
    fs::write(path.with_extension("json"), words.to_string())?;
    Ok(fs::write(path.with_extension(ending), bytes)?)
}

/// The name of the test that runs, fit for a file.
fn test_name() -> String {
    let thread = thread::current();
    thread.name().unwrap_or_default().replace("::", "-")
}

/// The JSON Schema of an exporter's params.
#[must_use]
pub fn params_schema<E: Exporter>() -> Value {
    let offer = (ExporterEntry::of::<E>().describe)();
    serde_json::from_str(&offer.params_schema).unwrap_or_default()
}

/// Seeds [`random`](crate::random), as the host does for each call.
pub fn seed(seed: u32) {
    host::random::STATE.set(seed);
}

/// What has been logged since the last call.
#[must_use]
pub fn logged() -> Vec<String> {
    host::log::MESSAGES.take()
}

/// What an exporter finds wrong with params.
#[must_use]
pub fn problems<E: Exporter>(params: &Value) -> Vec<Problem> {
    (ExporterEntry::of::<E>().check)(&params.to_string())
}
