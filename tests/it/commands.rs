//! What commands take, refuse and leave behind.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    program::{engine, output},
    runs::{refused, signal, wait},
};

/// How long one document may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What only the layout of the templates below says.
const LAYOUT: &str = r#"{% extends "shared/page.html" %}{% block page %}<p data-region="paragraph">fine</p>{% endblock %}"#;

#[allow(clippy::disallowed_methods, reason = "a user's file")]
fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A pipeline with templates of its own that makes `count` documents; gives its file.
fn pipeline(folder: &Path, params: &str, count: &str) -> PathBuf {
    let kind = folder.join("templates/types/odd");
    write(&kind.join("layouts/plain.html"), LAYOUT);
    write(&kind.join("content.jinja"), "");
    write(&kind.join("texts/en.toml"), "[labels]\ntitle = \"Odd\"\n");
    write(
        &kind.join("type.toml"),
        "aliases = []\ngroups = [\"business\"]\npapers = [\"A5\"]\n",
    );
    let stages =
        ["render", "boxes", "raster", "package"].map(|it| format!("[[stage]]\nuses = '{it}'\n"));
    let file = folder.join("pipeline.toml");
    write(
        &file,
        format!(
            "name = 'odd'\n{params}\n[[stage]]\nuses = 'author'\n\
             with = {{ doc_type = 'odd', templates = 'templates', count = {count} }}\n{}",
            stages.concat()
        ),
    );
    file
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[track_caller]
fn no_trace(home: &TempDir) {
    let list = output(engine(home).args(["runs", "list"]));
    assert_eq!(list.trim(), "no runs yet");
    let left = entries(home.path());
    let traces = left
        .iter()
        .filter(|name| name.starts_with("test") || *name == "published");
    assert_eq!(traces.count(), 0, "{left:?}");
}

#[test]
fn a_preview_is_one_document_whatever_the_count() {
    let check = |params: &str, count: &str| {
        let (home, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = pipeline(place.path(), params, count);
        let out = place.path().join("out");
        output(
            engine(&home)
                .arg("preview")
                .arg(file)
                .arg("--out")
                .arg(&out),
        );
        assert_eq!(entries(&out.join("pdf/pdf_final")), ["document_1.pdf"]);
        no_trace(&home);
    };
    check("", "4");
    check(
        "[params]\ncount = { type = 'integer', default = 7, min = 5 }",
        "'{{ params.count }}'",
    );
}

#[test]
fn a_preview_starts_from_a_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("read.toml");
    write(&file, "name = 'read'\n[[stage]]\nuses = 'input'\n");
    refused(engine(&home).arg("preview").arg(&file), 2, "DG0440");
    output(
        engine(&home)
            .arg("preview")
            .arg(&file)
            .arg("--input")
            .arg(&file),
    );
    let unread = ["run", "invoices", "--input", "Cargo.toml"];
    refused(engine(&home).args(unread), 2, "DG0907");
}

/// A watch that tells when it has shown a document.
fn watch(home: &TempDir, file: &Path, out: &Path) -> (Child, Receiver<()>) {
    let mut command = engine(home);
    command
        .arg("preview")
        .arg(file)
        .arg("--watch")
        .arg("--out")
        .arg(out);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let shown = lines.map_while(Result::ok);
        let shown = shown.filter(|line| line.ends_with("pdf_final/document_1.pdf"));
        shown.map_while(|_| tell.send(()).ok()).count();
    });
    (child, told)
}

#[test]
fn a_watch_looks_at_sources_only_holds_nothing_and_ends_at_a_signal() {
    for name in ["INT", "TERM"] {
        let (home, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = pipeline(place.path(), "", "1");
        // Beside its sources, where it must not take its own output for a change.
        let (mut child, shown) = watch(&home, &file, &place.path().join("out"));
        shown.recv_timeout(PATIENCE).unwrap();
        let layout = place.path().join("templates/types/odd/layouts/plain.html");
        write(&layout, LAYOUT.replace("fine", "better"));
        shown.recv_timeout(PATIENCE).unwrap();
        let nothing = shown.recv_timeout(Duration::from_secs(2));
        assert!(nothing.is_err(), "nothing has changed");
        output(engine(&home).args(["cache", "prune", "--keep", "1G"]));
        signal(&child, name);
        assert_eq!(wait(&mut child), Some(130));
    }
}

#[test]
fn looking_at_pipelines_needs_no_home() {
    let place = tempfile::tempdir().unwrap();
    let file = pipeline(place.path(), "", "1");
    let file = file.to_str().unwrap();
    for home in ["", "/proc/nowhere"] {
        for arguments in [
            &["validate", file][..],
            &["graph", file],
            &["new", if home.is_empty() { "one" } else { "two" }],
            &["explain", "DG0901"],
        ] {
            let mut command = engine(&place);
            command.env("DOCGENIE_HOME", home);
            command.env("XDG_DATA_HOME", place.path().join("data"));
            output(command.current_dir(place.path()).args(arguments));
        }
    }
    assert!(!place.path().join("data").exists());
    let mut doctor = engine(&place);
    let told = doctor
        .env("DOCGENIE_HOME", "/proc/nowhere")
        .arg("doctor")
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("MISS  state") && told.contains("tesseract"),
        "{told}"
    );
}

#[test]
fn an_empty_home_is_none() {
    let place = tempfile::tempdir().unwrap();
    let mut command = engine(&place);
    command.env("DOCGENIE_HOME", "");
    command.env("XDG_DATA_HOME", place.path());
    output(command.args(["runs", "list"]));
    assert_eq!(entries(place.path()), ["docgenie"]);
}

#[test]
fn tests_are_run_without_a_trace_and_their_faults_have_places() {
    let (home, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = pipeline(place.path(), "", "2");
    let tests = place.path().join("tests.toml");
    let test = || {
        let mut command = engine(&home);
        command.arg("test").arg(&file);
        command
    };
    write(
        &tests,
        "[[case]]\nname = 'all'\nexpect = { documents = 2, min_words = 1 }\n",
    );
    assert!(output(&mut test()).contains("ok    all"));
    no_trace(&home);
    write(&tests, "[[case]]\nname = 'all'\nexpect = { words = 2 }\n");
    refused(&mut test(), 2, "tests.toml:3:12");
    write(&tests, b"[[case]]\nname = 'caf\xe9'\n");
    refused(&mut test(), 2, "tests.toml:2:12");
}

#[test]
fn talk_has_no_colours_where_no_terminal_is() {
    let (home, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = pipeline(place.path(), "", "1");
    let mut command = engine(&home);
    command.env("RUST_LOG", "trace");
    command
        .args(["preview", "--out"])
        .arg(place.path().join("out"))
        .arg(file);
    let talk = command.output().unwrap().stderr;
    assert!(!talk.is_empty());
    assert!(!talk.contains(&0x1b), "{}", String::from_utf8_lossy(&talk));
}

#[test]
fn programs_are_told_of_a_pipeline_that_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    let mut command = engine(&home);
    let told = command
        .args(["validate", "nope", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(told.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["valid"], false);
    assert_eq!(told["problem"]["code"], "DG0902");
}

#[test]
fn nothing_is_pruned_by_default() {
    let home = tempfile::tempdir().unwrap();
    refused(engine(&home).args(["cache", "prune"]), 2, "--keep");
}
