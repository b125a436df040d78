use std::{fs, path::Path, sync::Arc};

use docgenie_document::{
    Digest, DocumentId, Seed,
    code::Problem,
    geometry::{PixelGrid, Rect, Size},
    image::{PageImage, PageImages},
    ocr::{Ocr, OcrPage, OcrWord},
    slot::{Html, Overlay, Pdf},
    text::{Character, Page, Segment, Segments, Word, Words},
    truth::{
        Cell, Entity, Field, GroundTruth, Grounding, Handwriting, InkRegion, KeyVerdict, Layout,
        Question, Region, Verification, VisualElements, VisualPlace,
    },
};
use serde_json::{Map, Value, json};

use super::*;

const PAGE: Size = Size {
    width: 100.0,
    height: 200.0,
};
const GRID: PixelGrid = PixelGrid {
    width: 200,
    height: 400,
    page: PAGE,
};

fn rect(x0: f64, y0: f64, x1: f64, y1: f64) -> Rect {
    Rect { x0, y0, x1, y1 }
}

fn word(text: &str, page: u32, number: u32) -> Word {
    let left = 10.0 + 30.0 * f64::from(number);
    let place = rect(left, 20.0, left + 25.0, 30.0);
    Word {
        text: text.to_owned(),
        page,
        rect: place,
        block: 0,
        line: 0,
        number,
        angle: 0.0,
        right_to_left: false,
        font_size: 10.0,
        characters: vec![Character {
            text: text.to_owned(),
            rect: place,
        }],
    }
}

fn line(page: u32, words: Vec<u32>) -> Segment {
    Segment {
        page,
        block: 0,
        line: Some(0),
        rect: rect(10.0, 20.0, 65.0, 30.0),
        words,
    }
}

fn at(page: u32, words: &[u32]) -> Vec<Grounding> {
    vec![Grounding {
        page,
        rect: rect(40.0, 20.0, 65.0, 30.0),
        words: words.to_vec(),
    }]
}

fn images(pages: u32) -> PageImages {
    let image = |page| PageImage {
        page,
        grid: GRID,
        png: format!("png of page {page}").into_bytes(),
    };
    PageImages((0..pages).map(image).collect())
}

/// A document without anything a pipeline may leave out.
fn plain(index: u64) -> Parts {
    Parts {
        id: DocumentId::from_index(index),
        pdf: Arc::new(Pdf(b"%PDF-1.4".to_vec())),
        words: Arc::new(Words {
            pages: vec![Page { size: PAGE }],
            words: vec![word("Total", 0, 0), word("12.50", 0, 1)],
        }),
        images: Arc::new(images(1)),
        html: None,
        segments: None,
        layout: None,
        truth: None,
        annotations: None,
        handwriting: None,
        visual_elements: None,
        ocr: None,
        verification: None,
        overlay: None,
    }
}

/// A document of two pages with something in every slot.
fn full(index: u64) -> Parts {
    let truth = GroundTruth {
        document_type: "invoice".to_owned(),
        language: "de".to_owned(),
        answers: Map::new(),
        fields: vec![Field {
            name: "total".to_owned(),
            value: "12.50".to_owned(),
            normalised: Some("12.50".to_owned()),
            group: Some(("line_item".to_owned(), 0)),
            places: at(0, &[1]),
        }],
        questions: vec![
            Question {
                question: "How much?".to_owned(),
                answer: "12.50".to_owned(),
                field: Some("total".to_owned()),
                places: at(0, &[1]),
            },
            Question {
                question: "words".to_owned(),
                answer: "Ada".to_owned(),
                field: None,
                places: at(1, &[3]),
            },
        ],
        entities: vec![Entity {
            label: "PERSON".to_owned(),
            text: "Ada".to_owned(),
            places: at(1, &[3]),
        }],
        bio: ["O", "O", "O", "B-PERSON"].map(str::to_owned).to_vec(),
    };
    let region = Region {
        label: "table".to_owned(),
        order: 0,
        parent: None,
        places: at(0, &[1]),
        cells: vec![Cell {
            row: 0,
            column: 0,
            row_span: 1,
            column_span: 1,
            header: false,
            text: "12.50".to_owned(),
            places: at(0, &[1]),
        }],
    };
    let read = |page| OcrPage {
        page,
        grid: GRID,
        angle: 0.0,
        words: vec![OcrWord {
            text: "l2.50".to_owned(),
            confidence: 0.75,
            rect: rect(40.0, 20.0, 65.0, 30.0),
            block: 0,
            line: 0,
            number: 0,
        }],
    };
    Parts {
        words: Arc::new(Words {
            pages: vec![Page { size: PAGE }; 2],
            words: vec![
                word("Total", 0, 0),
                word("12.50", 0, 1),
                word("Signed", 1, 0),
                word("Ada", 1, 1),
            ],
        }),
        images: Arc::new(images(2)),
        html: Some(Arc::new(Html(
            "<style>p { color: red }</style><p>Total</p>".to_owned(),
        ))),
        segments: Some(Arc::new(Segments {
            lines: vec![line(0, vec![0, 1]), line(1, vec![2, 3])],
            blocks: Vec::new(),
        })),
        layout: Some(Arc::new(Layout {
            regions: vec![region],
        })),
        truth: Some(Arc::new(truth)),
        handwriting: Some(Arc::new(Handwriting {
            regions: vec![InkRegion {
                author: "Ada".to_owned(),
                signature: true,
                text: "Ada".to_owned(),
                places: at(1, &[3]),
            }],
        })),
        annotations: None,
        visual_elements: Some(Arc::new(VisualElements {
            places: vec![VisualPlace {
                kind: "stamp".to_owned(),
                content: "PAID".to_owned(),
                page: 0,
                rect: rect(50.0, 150.0, 90.0, 190.0),
                placed: None,
            }],
        })),
        ocr: Some(Arc::new(Ocr {
            engine: "tesseract 5.3.0".to_owned(),
            languages: vec!["deu".to_owned()],
            pages: vec![read(0), read(1)],
        })),
        verification: Some(Arc::new(Verification {
            passed: true,
            valid_labels: true,
            keys: vec![KeyVerdict {
                kind: "field".to_owned(),
                key: "total".to_owned(),
                group: Some(("line_item".to_owned(), 3)),
                value: "12.50".to_owned(),
                exact: true,
                similarity: 1.0,
                ocr_similarity: Some(0.8),
            }],
            layout_elements: 1,
            ocr_character_error_rate: Some(0.2),
        })),
        overlay: Some(Arc::new(Overlay(images(2)))),
        ..plain(index)
    }
}

fn run() -> RunFacts {
    RunFacts {
        pipeline: "invoices".to_owned(),
        description: "Synthetic invoices".to_owned(),
        pipeline_digest: Digest::of(b"pipeline"),
        params: Map::new(),
        seed: Seed(7),
        documents: 3,
        stages: Vec::new(),
        engine: "0.1.0".to_owned(),
    }
}

/// Packs documents 1 and 3, the second having failed, and shows the dataset.
async fn packed(options: PackageConfig, check: impl FnOnce(&Path)) {
    let place = tempfile::tempdir().unwrap();
    let folder = DatasetFolder::stage_beside(&place.path().join("out")).unwrap();
    let mut stage = PackageStage {
        options,
        packing: None,
    };
    stage.begin(&run(), &folder).await.unwrap();
    stage.pack(full(0), &folder).await.unwrap();
    stage.pack(plain(2), &folder).await.unwrap();
    let dead = DeadLetter {
        document: DocumentId::from_index(1),
        stage: "render".to_owned(),
        problem: Problem::new(Code::new("DG0301"), "at /home/ana"),
    };
    let mut figures = Map::new();
    figures.insert("total_documents".to_owned(), json!(2));
    let packing = stage.packing.take().unwrap();
    packing
        .finish(&[dead], Some(&Analysis(figures)), &folder)
        .unwrap();
    check(folder.root());
}

fn json(root: &Path, path: &str) -> Value {
    let text = fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).unwrap()
}

fn listing(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            listing(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

#[tokio::test]
async fn the_tree_is_the_contracts() {
    packed(PackageConfig::default(), |root| {
        let mut found = Vec::new();
        listing(root, "", &mut found);
        found.sort();
        let golden = include_str!("tests/tree.txt");
        assert_eq!(found.join("\n"), golden.trim_end());
    })
    .await;
}

#[tokio::test]
async fn boxes_have_the_contracts_shapes() {
    packed(PackageConfig::default(), |root| {
        let check = |path: &str, at: usize, expected: Value| {
            assert_eq!(json(root, path)[at], expected, "{path}");
        };
        check(
            "bbox/bbox_pdf/word/document_1.json",
            3,
            json!({"text": "Ada", "x": 40.0, "y": 20.0, "width": 25.0, "height": 10.0,
                "bbox": [40.0, 20.0, 65.0, 30.0],
                "block_no": 0, "line_no": 0, "word_no": 1, "page": 1}),
        );
        check(
            "bbox/bbox_final/word/document_1.json",
            1,
            json!({"text": "12.50", "x": 80.0, "y": 40.0, "width": 50.0, "height": 20.0,
                "bbox": [80.0, 40.0, 130.0, 60.0],
                "block_no": 0, "line_no": 0, "word_no": 1, "page": 0}),
        );
        check(
            "bbox/bbox_final_normalized/word/document_1.json",
            1,
            json!({"text": "12.50", "x0": 0.4, "y0": 0.1, "x2": 0.65, "y2": 0.15,
                "block_no": 0, "line_no": 0, "word_no": 1, "page": 0}),
        );
        check(
            "bbox/bbox_final/segment/document_1.json",
            1,
            json!({"text": "Signed Ada", "x": 20.0, "y": 40.0, "width": 110.0, "height": 20.0,
                "bbox": [20.0, 40.0, 130.0, 60.0],
                "block_no": 0, "line_no": 0, "page": 1, "words": [2, 3]}),
        );
        check(
            "annotations/kie/document_1.json",
            0,
            json!({"name": "total", "value": "12.50", "normalised": "12.50", "group": "line_item",
                "group_no": 0,
                "places": [{"page": 0, "bbox": [80.0, 40.0, 130.0, 60.0], "words": [1]}]}),
        );
        assert_eq!(
            json(root, "ocr_results/document_1_p2.json"),
            json!({"image_width": 200, "image_height": 400, "angle": 0.0,
                "engine": "tesseract 5.3.0", "languages": ["deu"],
                "words": [{"text": "l2.50", "confidence": 0.75,
                    "x": 80.0, "y": 40.0, "width": 50.0, "height": 20.0}],
                "lines": [{"text": "l2.50", "x": 80.0, "y": 40.0, "width": 50.0, "height": 20.0,
                    "words": [0]}]})
        );
        assert_eq!(
            json(root, "annotations/gt_verification/document_1.json")["confirmed_keys"],
            json!(["line_item[3].total"])
        );
        assert_eq!(
            json(root, "annotations/gt/document_1.json"),
            json!({"How much?": "12.50", "words": "Ada"})
        );
    })
    .await;
}

#[tokio::test]
async fn metadata_names_documents_and_gaps() {
    let split = Some(Split {
        train: 1.0,
        ..Split::default()
    });
    let options = PackageConfig {
        split,
        ..PackageConfig::default()
    };
    packed(options, |root| {
        let metadata = json(root, "metadata.json");
        assert_eq!(metadata["generator"], "docgenie-engine");
        assert_eq!(metadata["structure_version"], "2.0");
        assert_eq!(metadata["num_documents"], 2);
        assert_eq!(metadata["splits"], json!({"train": 2}));
        assert_eq!(
            metadata["documents"][0],
            json!({"document_id": "document_1", "pages": 2,
                "page_sizes_mm": [[35.278, 70.556], [35.278, 70.556]], "document_type": "invoice",
                "language": "de", "split": "train", "has_handwriting": true,
                "has_visual_elements": true, "has_ocr": true, "modification_type": null})
        );
        assert_eq!(metadata["documents"][1]["document_id"], "document_3");
        assert_eq!(
            metadata["missing_documents"],
            json!([{"document_id": "document_2", "stage": "render", "code": "DG0301"}])
        );
    })
    .await;
}

/// The samples of `dataset.msgpack`, read by its offsets.
fn read_samples(root: &Path) -> Vec<Value> {
    let data = fs::read(root.join("dataset.msgpack")).unwrap();
    let offsets = fs::read(root.join("dataset.msgpack.offsets")).unwrap();
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    let offsets: Vec<_> = offsets.chunks(8).map(number).collect();
    let sample = |ends: &[u64]| {
        let range = usize::try_from(ends[0]).unwrap()..usize::try_from(ends[1]).unwrap();
        rmp_serde::from_slice(&data[range]).unwrap()
    };
    offsets.windows(2).map(sample).collect()
}

#[tokio::test]
async fn a_sample_a_page() {
    packed(PackageConfig::default(), |root| {
        let samples = read_samples(root);
        let keys: Vec<_> = samples
            .iter()
            .map(|it| it["key"].as_str().unwrap())
            .collect();
        assert_eq!(keys, ["document_1", "document_1_p2", "document_3"]);
        let check = |page: usize, name: &str, expected: Value| {
            assert_eq!(samples[page][name], expected, "{name} of page {page}");
        };
        check(0, "image_file_path", json!("img/document_1.png"));
        check(1, "image_file_path", json!("img/document_1_p2.png"));
        check(1, "words", json!(["Signed", "Ada"]));
        check(1, "labels", json!(["O", "B-PERSON"]));
        check(
            0,
            "word_bboxes",
            json!([[0.1, 0.1, 0.35, 0.15], [0.4, 0.1, 0.65, 0.15]]),
        );
        check(
            0,
            "segment_level_bboxes",
            json!([[0.1, 0.1, 0.65, 0.15], [0.1, 0.1, 0.65, 0.15]]),
        );
        // A line per word where nobody has found lines.
        check(
            2,
            "segment_level_bboxes",
            json!([[0.1, 0.1, 0.35, 0.15], [0.4, 0.1, 0.65, 0.15]]),
        );
        // Flattened where it cannot collide, whole in its own key.
        check(0, "How much?", json!("12.50"));
        check(1, "How much?", Value::Null);
        assert_eq!(
            samples[1]["ground_truth"]["answers"],
            json!({"words": "Ada"})
        );
        assert_eq!(
            samples[1]["ground_truth"]["entities"][0]["words"],
            json!([1])
        );
        // Under the names of the files of annotations.
        assert_eq!(
            samples[0]["ground_truth"]["fields"][0],
            json!({"name": "total", "value": "12.50", "normalised": "12.50", "group": "line_item",
                "group_no": 0, "bboxes": [[0.4, 0.1, 0.65, 0.15]], "words": [1]})
        );
        check(
            0,
            "layout",
            json!([{"label": "table", "order": 0, "parent": null,
                "bboxes": [[0.4, 0.1, 0.65, 0.15]], "words": [1],
                "cells": [{"row": 0, "column": 0, "row_span": 1, "column_span": 1, "header": false,
                    "text": "12.50", "bboxes": [[0.4, 0.1, 0.65, 0.15]], "words": [1]}]}]),
        );
        check(
            1,
            "handwriting",
            json!([{"region_id": "hw0", "author": "Ada", "signature": true, "text": "Ada",
                "bboxes": [[0.4, 0.1, 0.65, 0.15]], "words": [1]}]),
        );
        check(
            0,
            "visual_elements",
            json!([{"element_id": "ve0", "type": "stamp", "content": "PAID",
                "bbox": [0.5, 0.75, 0.9, 0.95]}]),
        );
        check(1, "visual_elements", Value::Null);
        check(
            1,
            "ocr",
            json!({"engine": "tesseract 5.3.0", "words": ["l2.50"],
            "word_bboxes": [[0.4, 0.1, 0.65, 0.15]], "confidences": [0.75]}),
        );
    })
    .await;
}

#[tokio::test]
async fn ground_truth_hides_no_name_of_a_sample() {
    packed(PackageConfig::default(), |root| {
        let samples = read_samples(root);
        let names = samples
            .iter()
            .filter_map(Value::as_object)
            .flat_map(Map::keys);
        let own: BTreeSet<&str> = names
            .map(String::as_str)
            .filter(|it| *it != "How much?")
            .collect();
        assert_eq!(own, sample::RESERVED.iter().copied().collect());
    })
    .await;
}

#[tokio::test]
async fn same_documents_same_bytes() {
    let mut sums = Vec::new();
    for _ in 0..2 {
        packed(PackageConfig::default(), |root| {
            let mut paths = Vec::new();
            listing(root, "", &mut paths);
            paths.sort();
            let digest = |path: &String| Digest::of(&fs::read(root.join(path)).unwrap());
            sums.push(paths.iter().map(digest).collect::<Vec<_>>());
        })
        .await;
    }
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn every_page_needs_its_image() {
    let parts = Parts {
        images: Arc::new(images(1)),
        ..full(0)
    };
    let failure = parts.grids().err().unwrap();
    assert_eq!(failure.problem.code, PAGES_DIFFER.as_str());
}

#[tokio::test]
async fn the_card_tells_what_there_is() {
    packed(PackageConfig::default(), |root| {
        let card = fs::read_to_string(root.join("README.md")).unwrap();
        let tell = |text: &str| assert!(card.contains(text), "{text}\n\n{card}");
        tell("---\npretty_name: \"invoices\"\nlanguage:\n- de\nsize_categories:\n- n<1K\n");
        tell("2 synthetic documents on 3 pages");
        tell("| invoice | 1 |");
        tell("| document_2 | render | DG0301 |");
        tell("`ocr_results/document_N.json`");
        tell("Image.open(\"img/document_1.png\")");
        assert!(!card.contains("\n\n\n"), "{card}");
    })
    .await;
}

#[tokio::test]
async fn the_contact_sheet_gets_a_line_a_document() {
    packed(PackageConfig::default(), |root| {
        let documents = fs::read_to_string(root.join("contact_sheet/documents.js")).unwrap();
        assert_eq!(
            documents,
            "docgenie.dataset({\"name\":\"invoices\",\"description\":\"Synthetic invoices\"});\n\
             docgenie.document(...[\"document_1\",\"invoice\",\"de\",null,1,[[200,400],[200,400]]]);\n\
             docgenie.document(...[\"document_3\",\"\",\"\",null,1,[[200,400]]]);\n"
        );
        let boxes = fs::read_to_string(root.join("contact_sheet/boxes_1.js")).unwrap();
        let first = boxes.lines().next().unwrap();
        let pages = first
            .strip_prefix("docgenie.boxes(\"document_1\", ")
            .and_then(|rest| rest.strip_suffix(");"))
            .unwrap();
        let pages: Value = serde_json::from_str(pages).unwrap();
        assert_eq!(pages[0]["fields"], json!([[80, 40, 50, 20, "total", "12.50"]]));
        assert_eq!(pages[0]["words"][0], json!([20, 40, 50, 20, "Total"]));
        assert_eq!(pages[1]["answers"], json!([[80, 40, 50, 20, "words", "Ada"]]));
        assert_eq!(boxes.lines().count(), 2);
    })
    .await;
}
