//! The shipped plugins in one run, each for what it is for.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    program::{engine, output, program},
    root,
    runs::refused,
};

/// How many `tests/all-plugins.toml` makes.
const DOCUMENTS: usize = 6;
const FORMATS: [&str; 6] = ["classification", "kie", "layout", "ner-bio", "qa", "table"];
const EXPORTERS: [&str; 12] = [
    "alto",
    "coco",
    "docvqa",
    "donut",
    "funsd",
    "hocr",
    "huggingface",
    "label-studio",
    "layoutlm",
    "page-xml",
    "webdataset",
    "yolo",
];

#[test]
fn all_shipped_plugins_work_together() {
    let home = with_plugins();
    let dataset = run(&home, 4, "imagefolder");
    exports_hold_what_the_dataset_holds(&dataset);
    ground_truth_is_true(&dataset);
    every_stamp_is_placed(&dataset);
    oracle("check_dataset.py", &dataset);
    exports_are_read_by_those_they_are_for(&dataset);

    let other = with_plugins();
    let alone = run(&other, 1, "imagefolder");
    output(program("diff").arg("-r").args([&dataset, &alone]));

    let shards = run(&home, 4, "parquet");
    exports_hold_what_the_dataset_holds(&shards);
    exports_are_read_by_those_they_are_for(&shards);
}

#[test]
fn an_exporter_can_be_used_twice_where_one_has_an_id() {
    let home = with_plugins();
    let run = |id: &str| {
        let text = format!(
            r#"
            name = "twice"
            [[stage]]
            uses = "author"
            with = {{ doc_type = "invoice", count = 1 }}
            [[stage]]
            uses = "render"
            [[stage]]
            uses = "boxes"
            [[stage]]
            uses = "raster"
            [[stage]]
            uses = "plugin:coco"
            [[stage]]
            {id}
            uses = "plugin:coco"
            with = {{ kinds = ["field"] }}
            [[stage]]
            uses = "package"
            "#
        );
        let file = home.path().join("twice.toml");
        #[allow(clippy::disallowed_methods, reason = "a user's file")]
        fs::write(&file, text).unwrap();
        let mut run = engine(&home);
        run.arg("run").arg(&file).arg("--out");
        run.arg(home.path().join("dataset"));
        run
    };
    refused(&mut run(""), 3, "give one of them an `id` of its own");
    output(&mut run("id = \"fields\""));
    let boxes = |name: &str| {
        let report = home.path().join("dataset/exports").join(name);
        read(&report.with_extension("json"))["counts"]["boxes"].as_u64()
    };
    assert!(boxes("fields") > Some(0) && boxes("coco") != boxes("fields"));
    assert!(home.path().join("dataset/exports/fields").is_dir());
}

#[test]
fn shipped_elements_draw_what_their_golden_pictures_show() {
    for element in ["seal", "postmark", "coffee-ring"] {
        let built = root().join("target/release/plugins").join(element);
        // `scripts/plugins.sh` has said which it could not build here.
        if element != "seal" && !built.exists() {
            continue;
        }
        for case in fs::read_dir(root().join("plugins").join(element).join("tests")).unwrap() {
            let case = case.unwrap().path();
            let is_case = case.extension().is_some_and(|it| it == "json");
            if is_case && read(&case).get("fails").is_none() {
                let golden = case.with_extension("png");
                assert!(golden.exists(), "{} is missing", golden.display());
            }
        }
        let home = tempfile::tempdir().unwrap();
        let mut test = engine(&home);
        test.args(["plugin", "test"]).arg(&built).arg("--out");
        output(test.arg(home.path().join("drawn")));
    }
}

/// A home in which the shipped plugins are installed.
fn with_plugins() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let shipped = root().join("target/release/plugins");
    for plugin in FORMATS.iter().chain(&EXPORTERS).chain(&["seal"]) {
        assert!(
            shipped.join(plugin).join("plugin.wasm").exists(),
            "build `{plugin}` first: make plugins"
        );
    }
    symlink(&shipped, home.path().join("plugins")).unwrap();
    home
}

/// The dataset of a run that works on so many documents at once.
fn run(home: &TempDir, jobs: u32, layout: &str) -> PathBuf {
    let dataset = home.path().join(layout);
    let mut run = engine(home);
    run.args(["run", "tests/all-plugins.toml", "--seed", "1"]);
    run.args(["--set", &format!("layout={layout}")]);
    run.args(["--jobs", &jobs.to_string(), "--out"]);
    output(run.arg(&dataset));
    dataset
}

fn exports_are_read_by_those_they_are_for(dataset: &Path) {
    let found = oracle("read_exports.py", &dataset.join("exports"));
    assert_eq!(found.lines().count(), EXPORTERS.len(), "{found}");
}

/// What a reader that is not ours says; `make test` installs what the scripts need.
fn oracle(script: &str, folder: &Path) -> String {
    let mut python = program("target/venv/bin/python");
    let script = Path::new("tests/python").join(script);
    output(python.arg(script).arg(folder))
}

fn exports_hold_what_the_dataset_holds(dataset: &Path) {
    let pages = fs::read_dir(dataset.join("img")).unwrap().count();
    let words = jsons(&dataset.join("bbox/bbox_final/word"));
    let words: usize = words.iter().map(|it| it.as_array().unwrap().len()).sum();
    let said = |exporter: &str, what: &str| {
        let report = read(&dataset.join(format!("exports/{exporter}.json")));
        report["counts"][what].as_u64().unwrap() as usize
    };
    for exporter in EXPORTERS {
        assert_eq!(said(exporter, "documents"), DOCUMENTS, "{exporter}");
        assert_eq!(said(exporter, "images"), pages, "{exporter}");
    }
    for exporter in ["docvqa", "funsd", "hocr", "layoutlm", "page-xml"] {
        assert_eq!(said(exporter, "boxes"), words, "{exporter}");
    }
    let regions = said("coco", "boxes");
    assert!(regions > pages);
    for exporter in ["yolo", "label-studio"] {
        assert_eq!(said(exporter, "boxes"), regions, "{exporter}");
    }
}

fn ground_truth_is_true(dataset: &Path) {
    for format in FORMATS {
        let annotations = jsons(&dataset.join("annotations/formats").join(format));
        // Not every document has a table.
        let all = if format == "table" { 1 } else { DOCUMENTS };
        assert!(annotations.len() >= all, "{format}: {}", annotations.len());
        for annotation in annotations {
            assert_eq!(annotation["format"], format!("plugin:{format}"));
            assert_eq!(annotation["problems"], json!([]), "{format}");
        }
    }
}

fn every_stamp_is_placed(dataset: &Path) {
    let elements = jsons(&dataset.join("visual_elements/visual_element_definitions"));
    let of_document = |elements: &Value| -> Vec<Value> {
        let elements = elements.as_array().unwrap().iter();
        elements
            .filter(|it| it["type"] == "stamp")
            .cloned()
            .collect()
    };
    let stamps: Vec<Vec<Value>> = elements.iter().map(of_document).collect();
    assert_eq!(stamps.len(), DOCUMENTS);
    // The one in the corner, and where the document has a place for it, that of the document.
    assert!(stamps.iter().all(|it| !it.is_empty()));
    assert!(stamps.iter().any(|it| it.len() == 2));
    for stamp in stamps.iter().flatten() {
        assert_eq!(stamp["placed"]["element"], "plugin:seal", "{stamp}");
        assert_ne!(stamp["placed"]["words"], json!([]), "{stamp}");
    }
}

pub(crate) fn jsons(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| read(&file.unwrap().path())).collect()
}

fn read(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}
