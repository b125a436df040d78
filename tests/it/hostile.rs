//! Plugins that misbehave on purpose, each in its own way: `tests/hostile` says how. Whatever they
//! do, the engine and the next call live on, and its author is told what was wrong.

#![allow(clippy::disallowed_methods, reason = "a user's files")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    program::{engine, output},
    root,
};

/// What must be said of a misdeed; nothing where the call must succeed all the same.
type Misdeeds = &'static [(&'static str, Option<&'static str>)];

/// What plugins of every kind can do.
const ANY: Misdeeds = &[
    ("endless-loop", Some("it ran for more than 1 s")),
    ("call-flood", Some("it ran for more than 1 s")),
    ("log-flood", Some("over the limit of 64 KiB")),
    ("log-long", None),
    ("log-escapes", None),
    ("log-surrogate", Some("text that is no UTF-8")),
    ("memory-bomb", Some("of which it may have 64 MiB")),
    ("deep-recursion", Some("endless recursion")),
    ("panic", Some("it panicked")),
    ("silent-panic", Some("it panicked")),
    ("random-flood", Some("random bytes at once")),
    ("foreign-asset", None),
    ("long-failure", Some("…")),
];

const ELEMENT: Misdeeds = &[
    ("measure-too-large", Some("pixels of 300 × 300")),
    ("measure-nothing", Some("pixels of 300 × 300")),
    ("box-nan", Some("not inside the picture")),
    ("box-infinite", Some("not inside the picture")),
    ("box-negative", Some("not inside the picture")),
    ("word-outside", Some("not inside the picture")),
    ("region-outside", Some("not inside the picture")),
    ("outline-nan", Some("corners that are no numbers")),
    ("region-words", Some("has word")),
    ("region-kind", Some("has no label")),
    ("region-attributes", Some("are no JSON object")),
    (
        "word-angle",
        Some("an angle or a font size that is no number"),
    ),
    ("word-escapes", Some("no text that can be read")),
    ("word-surrogate", Some("text that is no UTF-8")),
    ("many-words", Some("of which 10000 are taken")),
    ("many-regions", Some("it panicked")),
    ("content-no-json", Some("its content is no JSON")),
    ("raster-short", Some("and not 4 a pixel")),
    ("raster-huge", Some("pixels, of which 40000000 are taken")),
    ("raster-nothing", Some("and not 4 a pixel")),
    ("raster-forged", Some("memory")),
    ("raster-other-size", Some("not inside the picture of 3 × 3")),
    ("svg-nonsense", Some("the SVG cannot be read")),
    ("svg-huge", Some("more than 40000000")),
    ("svg-external", Some("which is not drawn")),
    ("svg-script", Some("which is not drawn")),
    ("svg-entities", Some("the SVG cannot be read")),
    ("svg-nested", Some("nested more than 100 deep")),
    ("svg-uses", Some("which is too much")),
    ("svg-filter", Some("which is too much")),
];

const TRUTH: Misdeeds = &[
    ("huge", Some("of memory, of which it may have 64 MiB")),
    ("nested", Some("is no JSON")),
    ("surrogate", Some("text that is no UTF-8")),
    ("forged", Some("memory")),
    (
        "many-problems",
        Some("of memory, of which it may have 64 MiB"),
    ),
    ("odd-pointers", None),
];

const EXPORTER: Misdeeds = &[
    ("image-flood", Some("it ran for more than 1 s")),
    ("forged-list", Some("memory")),
    ("path-parent", Some("is not a plain relative path")),
    ("path-absolute", Some("path cannot be used")),
    ("path-nonsense", Some("path cannot be used")),
    ("path-device", Some("path cannot be used")),
    ("path-long", Some("path cannot be used")),
    ("path-twice", Some("is written twice")),
    ("path-case", Some("is written twice")),
    ("path-file-and-folder", Some("directory")),
    ("over-quota", Some("it wants to write more than 1 MiB")),
    ("report-no-json", Some("its report is no JSON object")),
    ("counts-differ", Some("7 boxes taken, 0 written")),
    ("documents-lost", Some("documents handed over, 0 written")),
    ("unsuitable-late", Some("leaves out")),
];

#[test]
fn elements_that_misbehave_are_stopped_and_told_of() {
    check("element", ELEMENT);
}

#[test]
fn forms_of_ground_truth_that_misbehave_are_stopped_and_told_of() {
    check("truth", TRUTH);
}

#[test]
fn exporters_that_misbehave_are_stopped_and_told_of() {
    check("exporter", EXPORTER);
}

#[test]
fn components_that_cannot_be_run_are_named_for_what_they_are() {
    let place = TempDir::new().unwrap();
    let plugin = place.path().join("plugin");
    copy(&built("element"), &plugin);
    let component = plugin.join("plugin.wasm");
    let whole = fs::read(&component).unwrap();
    let text = |text: &str| wat::parse_str(text).unwrap();
    let home = TempDir::new().unwrap();
    let check = |bytes: &[u8], expected: &str| {
        fs::write(&component, bytes).unwrap();
        let output = engine(&home)
            .args(["plugin", "check"])
            .arg(&plugin)
            .output()
            .unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{talk}");
        assert!(talk.contains(expected), "`{expected}` is not said:\n{talk}");
    };
    check(b"hello", "it is not WebAssembly");
    check(b"", "it is not WebAssembly");
    check(&text("(module)"), "it is a core module");
    check(
        &whole[..whole.len() / 2],
        "is no component that this engine can run",
    );
    check(&text("(component)"), "exports none of the interfaces");
    let import = |name: &str| text(&format!("(component (import \"{name}\" (instance)))"));
    check(
        &import("other:thing/sockets@1.0.0"),
        "other:thing/sockets@1.0.0",
    );
    check(
        &import("wasi:filesystem/types@0.2.0"),
        "wasi:filesystem/types@0.2.0",
    );
    check(
        &import("docgenie:plugin/log@0.3.0"),
        "this engine serves docgenie:plugin 0.1",
    );
    // And the engine takes the good one again.
    fs::write(&component, &whole).unwrap();
    output(engine(&home).args(["plugin", "check"]).arg(&plugin));
}

/// A plugin of `tests/hostile` as it was built.
fn built(kind: &str) -> PathBuf {
    let built = root().join("target/release/plugins-hostile").join(kind);
    assert!(
        built.exists(),
        "build it first: scripts/plugins.sh tests/hostile target/release/plugins-hostile"
    );
    built
}

/// Tries every misdeed in one process, so that each call follows one that went wrong.
#[track_caller]
fn check(kind: &str, own: Misdeeds) {
    let place = TempDir::new().unwrap();
    let plugin = place.path().join("plugin");
    copy(&built(kind), &plugin);
    for (misdeed, _) in ANY.iter().chain(own) {
        let mut params = json!({ "misdeed": misdeed });
        if ["many-problems", "odd-pointers"].contains(misdeed) {
            params["during"] = "verify".into();
        }
        let case = json!({ "params": params });
        let file = plugin.join("tests").join(format!("{misdeed}.json"));
        fs::write(file, case.to_string()).unwrap();
    }
    let home = TempDir::new().unwrap();
    let mut command = engine(&home);
    command.args(["plugin", "test"]).arg(&plugin);
    command.arg("--out").arg(place.path().join("out"));
    let Output { status, stderr, .. } = command.output().unwrap();
    let talk = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{talk}");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(
        !talk.contains(control),
        "control characters of a plugin are shown: {talk:?}"
    );
    let told = by_case(&talk);
    for (misdeed, expected) in ANY.iter().chain(own) {
        let Some((ok, said)) = told.get(*misdeed) else {
            panic!("nothing is said of `{misdeed}`:\n{talk}");
        };
        match expected {
            None => assert!(*ok, "`{misdeed}` must not fail:\n{said}"),
            Some(text) => {
                assert!(
                    !ok && said.contains(text),
                    "`{misdeed}` is told as:\n{said}"
                );
                assert!(said.len() < 8_000, "too much is said of `{misdeed}`");
            }
        }
    }
}

/// Whether each case passed, and what was said of it.
fn by_case(talk: &str) -> BTreeMap<String, (bool, String)> {
    let mut told = BTreeMap::new();
    let mut current = None;
    for line in talk.lines() {
        let head = ["ok ", "FAILED "]
            .iter()
            .position(|it| line.starts_with(it));
        if let Some(verdict) = head {
            let name = line.split_whitespace().nth(1).unwrap().to_owned();
            told.insert(name.clone(), (verdict == 0, String::new()));
            current = Some(name);
        } else if let Some(name) = &current {
            let (_, said) = told.get_mut(name).unwrap();
            said.push_str(line);
            said.push('\n');
        }
    }
    told
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("tests")).unwrap();
    for name in ["docgenie-plugin.toml", "offers.json", "plugin.wasm"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}
