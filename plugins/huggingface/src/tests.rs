use bytes::Bytes;
use docgenie_plugin::testing::{self, Exported};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Row as Record,
};
use serde_json::{Value, json};

use super::*;

fn export(params: &Value) -> Exported {
    testing::export::<HuggingFace>(params, &testing::documents()).unwrap()
}

#[test]
fn an_image_folder_names_its_images() {
    let exported = export(&json!({ "kinds": ["field"] }));
    let lines = exported.text("train/metadata.jsonl");
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert!(
            exported
                .files
                .contains_key(&format!("train/{}", row["file_name"].as_str().unwrap()))
        );
    }
    let first = &rows[0];
    assert_eq!(
        (&first["page"], &first["words"][3]),
        (&json!(0), &json!("Acme"))
    );
    assert_eq!(first["word_boxes"][0], json!([20.83, 16.67, 54.17, 25.0]));
    assert_eq!(first["objects"]["category"][1], "seller");
    assert_eq!(
        first["objects"]["bbox"][1],
        json!([20.83, 50.0, 33.34, 5.0])
    );
    assert_eq!(first["objects"]["text"][1], "Acme & Söhne");
    let truth: Value = serde_json::from_str(first["ground_truth"].as_str().unwrap()).unwrap();
    assert_eq!(truth["document_type"], "invoice");
}

fn records(exported: &Exported, path: &str) -> Vec<Record> {
    let file = Bytes::from(exported.files[path].clone());
    let reader = SerializedFileReader::new(file).unwrap();
    reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn a_shard_holds_rows_with_their_images() {
    let exported = export(&json!({ "layout": "parquet", "kinds": ["field"] }));
    let records = records(&exported, "data/train-00000.parquet");
    assert_eq!(records.len(), 3);
    let first = records[0].to_string();
    for expected in [
        "path: \"document_1_page_1.png\"",
        "words: [\"Invoice\", \"No:\", \"A-17\", \"Acme\", \"&\", \"Söhne\", ",
        "word_boxes: [[20.83, 16.67, 54.17, 25.0], ",
        "category: [\"invoice_number\", \"seller\", \"description\", \"amount\"]",
    ] {
        assert!(first.contains(expected), "{expected} is not in {first}");
    }
    assert!(
        records[2]
            .to_string()
            .contains("words: [], word_boxes: [], objects: {id: [], ")
    );
}

#[test]
fn a_full_shard_is_followed_by_the_next() {
    let mut document = testing::invoice();
    document
        .pages
        .iter_mut()
        .for_each(|page| page.image.resize(700 << 10, 0));
    let params = json!({ "layout": "parquet", "shard_mib": 1 });
    let exported = testing::export::<HuggingFace>(&params, &[document]).unwrap();
    for number in 0..2 {
        let path = format!("data/train-{number:05}.parquet");
        assert_eq!(records(&exported, &path).len(), 1);
    }
}
