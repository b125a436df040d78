//! Plugins in JavaScript, which are lent documents: from `plugin new` to a dataset.

#![allow(clippy::disallowed_methods, reason = "a user's files")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    plugins::jsons,
    program::{binary, engine, output, program},
    runs::refused,
};

const DOCUMENTS: usize = 4;
const PIPELINE: &str = r#"
name = "javascript"

[[stage]]
uses = "author"
[stage.with]
doc_type = ["invoice", "contract"]
language = ["en", "ar"]
count = 4
ground_truth = ["plugin:fields"]

[[stage]]
uses = "render"

[[stage]]
uses = "boxes"

[[stage]]
uses = "raster"
with = { dpi = 40 }

[[stage]]
uses = "plugin:lines"

[[stage]]
uses = "package"
"#;

#[test]
fn exporters_and_formats_in_javascript_are_lent_documents() {
    let there = |tool: &&str| program(tool).arg("--version").output().is_ok();
    if let Some(tool) = ["node", "npm"].iter().find(|tool| !there(tool)) {
        eprintln!("nothing is built in JavaScript, because there is no `{tool}` here");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let lines = new(&home, "lines", "dataset-exporter");
    for plugin in [&lines, &new(&home, "summary", "ground-truth-format")] {
        for command in ["build", "check", "test"] {
            output(author(command).arg(plugin));
        }
    }
    let installed = home.path().join("plugins");
    let install = |source: &Path, name| {
        let place = installed.join(name);
        output(author("build").arg(source).arg("--out").arg(place));
    };
    install(&lines, "lines");
    // The engine's templates annotate no summary, but fields.
    install(Path::new("tests/javascript"), "fields");

    let dataset = home.path().join("dataset");
    output(&mut run(&home, "4", &dataset));
    all_pages_are_exported(&dataset);
    all_fields_are_told(&dataset);

    let other = tempfile::tempdir().unwrap();
    symlink(&installed, other.path().join("plugins")).unwrap();
    let alone = other.path().join("dataset");
    output(&mut run(&other, "1", &alone));
    output(program("diff").arg("-r").args([&dataset, &alone]));

    // One that throws has lost its export, and its author is told what and where.
    let main = lines.join("plugin.js");
    let text = fs::read_to_string(&main).unwrap();
    fs::write(&main, text.replace("document.pages", "document.leaves")).unwrap();
    install(&lines, "lines");
    let broken = &mut run(&home, "4", &home.path().join("broken"));
    let told =
        "TypeError: cannot read property 'forEach' of undefined\n        at add (/plugin.js:";
    refused(broken, 1, told);
}

/// A new plugin, as the template has it.
fn new(home: &TempDir, name: &str, kind: &str) -> PathBuf {
    let folder = home.path().join(name);
    let mut new = author("new");
    new.args([name, "--language", "javascript", "--kind", kind, "--out"]);
    output(new.arg(&folder));
    folder
}

/// A command of `plugin`. It has the home of who runs the tests, where `make plugins` has installed
/// what builds plugins in JavaScript.
fn author(command: &str) -> Command {
    let mut engine = program(binary());
    engine.args(["plugin", command]);
    engine
}

fn run(home: &TempDir, jobs: &str, dataset: &Path) -> Command {
    let pipeline = home.path().join("pipeline.toml");
    fs::write(&pipeline, PIPELINE).unwrap();
    let mut run = engine(home);
    run.arg("run").arg(pipeline);
    run.args(["--seed", "1", "--jobs", jobs, "--out"])
        .arg(dataset);
    run
}

fn all_pages_are_exported(dataset: &Path) {
    let lines = fs::read_to_string(dataset.join("exports/lines/pages.jsonl")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let pages = fs::read_dir(dataset.join("img")).unwrap().count();
    assert_eq!(lines.len(), pages);
    let exported: usize = lines.iter().map(|line| count(&line["words"])).sum();
    let words = jsons(&dataset.join("bbox/bbox_final/word"));
    let words: usize = words.iter().map(count).sum();
    assert!(words > 100);
    assert_eq!(words, exported);
}

fn all_fields_are_told(dataset: &Path) {
    let annotations = jsons(&dataset.join("annotations/formats/fields"));
    assert_eq!(annotations.len(), DOCUMENTS);
    for annotation in annotations {
        assert_eq!(annotation["problems"], json!([]));
        let pages = annotation["truth"]["pages"].as_array().unwrap();
        let fields: Vec<&Value> = pages.iter().filter_map(Value::as_array).flatten().collect();
        assert!(!fields.is_empty(), "{annotation}");
        assert!(
            fields.iter().all(|field| field["text"] != ""),
            "{annotation}"
        );
    }
}

fn count(list: &Value) -> usize {
    list.as_array().unwrap().len()
}
