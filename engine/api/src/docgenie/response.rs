//! The documents of a run as JSON, read from the folder that it has published.

use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use docgenie_runtime::job::RunRecord;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    request::{Asked, OutputDetail},
    request_of, warnings_of,
};
use crate::runs::{StageView, stages_of};

/// Documents that were made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct GenerateResponse {
    success: bool,
    message: String,
    total_documents: usize,
    request_id: String,
    /// What was asked and is done otherwise.
    warnings: Vec<String>,
    documents: Vec<Document>,
    /// `msgpack_base64`, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_export: Option<Value>,
    /// Figures over the documents, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis: Option<Value>,
    /// What each stage has done and how long it took, at `output_detail` `complete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<Vec<StageView>>,
}

/// A document. Boxes are fractions of the page, from its top left.
#[derive(Serialize, JsonSchema)]
struct Document {
    /// The request and the document's position in it, from 0.
    document_id: String,
    html: String,
    css: String,
    ground_truth: Value,
    pdf_base64: String,
    bboxes: Vec<BoxItem>,
    page_width_mm: f64,
    page_height_mm: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handwriting_regions: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visual_elements: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ocr_results: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalized_bboxes_word: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalized_bboxes_segment: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gt_verification: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug_visualization_base64: Option<String>,
    /// Pictures of single words in ink, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    handwriting_token_images: Option<Map<String, Value>>,
    /// Pictures of single elements, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    visual_element_images: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_mapping: Option<Value>,
}

/// A word with its box, as fractions of its page.
#[derive(Serialize, JsonSchema)]
struct BoxItem {
    text: Value,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    page: Value,
}

/// The response to a request whose run has completed.
pub(super) fn of(record: &RunRecord, asked: &Asked) -> io::Result<GenerateResponse> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, "the run has no folder");
    let folder = record.spec.out.as_deref().ok_or_else(gone)?;
    let metadata = json(folder, "metadata.json")?.ok_or_else(gone)?;
    let request = request_of(record);
    let entries = metadata["documents"].as_array().into_iter().flatten();
    let documents = entries
        .enumerate()
        .map(|(index, entry)| document(folder, entry, format!("{request}_{index}"), asked))
        .collect::<io::Result<Vec<_>>>()?;
    let params = record.spec.params.values();
    let export = params.get("enable_dataset_export") == Some(&json!(true));
    let export = export.then(|| base64(folder, "dataset.msgpack"));
    Ok(GenerateResponse {
        success: true,
        message: format!("Successfully generated {} documents", documents.len()),
        total_documents: documents.len(),
        request_id: request.to_owned(),
        warnings: warnings_of(record),
        dataset_export: export
            .transpose()?
            .flatten()
            .map(|bytes| json!({ "msgpack_base64": bytes })),
        analysis: json(folder, "analysis/dataset.json")?,
        logs: (asked.detail() == OutputDetail::Complete).then(|| stages_of(record)),
        documents,
    })
}

fn document(folder: &Path, entry: &Value, id: String, asked: &Asked) -> io::Result<Document> {
    let name = entry["document_id"].as_str().unwrap_or_default();
    let of = |path: &str| path.replace("{}", name);
    let value = |path: &str| json(folder, &of(path));
    let text = |path: &str| Ok::<_, io::Error>(text(folder, &of(path))?.unwrap_or_default());
    let normalised = value("bbox/bbox_final_normalized/word/{}.json")?;
    let boxes = normalised.iter().filter_map(Value::as_array).flatten();
    let dataset = asked.detail() != OutputDetail::Minimal;
    let size = |axis: usize| entry["page_sizes_mm"][0][axis].as_f64().unwrap_or_default();
    let pictures = |path: &str| dataset.then(|| images(&folder.join(of(path)))).transpose();
    let handwriting_regions = value("handwriting/handwriting_regions/{}.json")?;
    let visual_elements = value("visual_elements/visual_element_definitions/{}.json")?;
    let shown = handwriting_regions.is_some() || visual_elements.is_some() || dataset;
    let image = match shown {
        true => base64(folder, &of("img/{}.png"))?,
        false => None,
    };
    Ok(Document {
        html: text("html/{}.html")?,
        css: text("html/{}.css")?,
        ground_truth: value("annotations/gt/{}.json")?.unwrap_or_else(|| json!({})),
        pdf_base64: base64(folder, &of("pdf/pdf_final/{}.pdf"))?.unwrap_or_default(),
        bboxes: boxes.map(BoxItem::of).collect(),
        page_width_mm: size(0),
        page_height_mm: size(1),
        image_base64: image,
        handwriting_regions,
        visual_elements,
        ocr_results: value("ocr_results/{}.json")?,
        normalized_bboxes_word: normalised.filter(|_| asked.normalised()),
        normalized_bboxes_segment: match asked.normalised() {
            true => value("bbox/bbox_final_normalized/segment/{}.json")?,
            false => None,
        },
        gt_verification: value("annotations/gt_verification/{}.json")?,
        debug_visualization_base64: base64(folder, &of("debug/{}_debug.png"))?,
        handwriting_token_images: pictures("handwriting/handwriting_tokens/{}")?,
        visual_element_images: pictures("visual_elements/visual_element_images/{}")?,
        token_mapping: match dataset {
            true => Some(value("annotations/token_mapping/{}.json")?.unwrap_or_else(no_tokens)),
            false => None,
        },
        document_id: id,
    })
}

fn no_tokens() -> Value {
    json!({
        "handwriting": { "total_count": 0, "tokens": [] },
        "visual_elements": { "total_count": 0, "elements": [] },
    })
}

impl BoxItem {
    fn of(item: &Value) -> Self {
        let at = |name: &str| item[name].as_f64().unwrap_or_default();
        let round = |value: f64| (value * 1e6).round() / 1e6;
        Self {
            text: item["text"].clone(),
            x: at("x0"),
            y: at("y0"),
            width: round(at("x2") - at("x0")),
            height: round(at("y2") - at("y0")),
            page: item["page"].clone(),
        }
    }
}

/// The PNG files of a folder in base64, by name.
fn images(folder: &Path) -> io::Result<Map<String, Value>> {
    let mut found = Map::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    let mut paths: Vec<_> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        found.insert(name.into_owned(), json!(BASE64.encode(fs::read(&path)?)));
    }
    Ok(found)
}

fn bytes(folder: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(folder.join(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn base64(folder: &Path, path: &str) -> io::Result<Option<String>> {
    Ok(bytes(folder, path)?.map(|bytes| BASE64.encode(bytes)))
}

fn text(folder: &Path, path: &str) -> io::Result<Option<String>> {
    let text = bytes(folder, path)?.map(String::from_utf8).transpose();
    text.map_err(io::Error::other)
}

fn json(folder: &Path, path: &str) -> io::Result<Option<Value>> {
    let text = bytes(folder, path)?;
    Ok(text.map(|text| serde_json::from_slice(&text)).transpose()?)
}
