//! Runs as people and their accidents meet them: killed, interrupted, watched, refused.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::program::{engine, output, program};

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run of so many small documents, without recognition.
fn run(home: &TempDir, count: u32, out: &Path) -> Command {
    let mut command = engine(home);
    let count = count.to_string();
    command
        .args([
            "run",
            "invoices",
            "--set",
            "ocr=false",
            "--seed",
            "5",
            "--count",
            &count,
            "--out",
        ])
        .arg(out);
    command
}

/// Starts it and waits until so many documents are done.
fn started(mut command: Command, documents: usize) -> Child {
    let mut child = command
        .args(["--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let done = events.by_ref().map_while(Result::ok).filter(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let stage = event.get("stage");
        assert!(stage.is_none_or(serde_json::Value::is_string), "{line}");
        event["event"] == "document"
    });
    assert_eq!(
        done.take(documents).count(),
        documents,
        "the run ended early"
    );
    // Somebody goes on listening: a program without a reader ends.
    std::thread::spawn(move || events.count());
    child
}

#[track_caller]
pub(crate) fn refused(command: &mut Command, status: i32, code: &str) -> String {
    let Output {
        status: ended,
        stderr,
        ..
    } = command.output().unwrap();
    let talk = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(ended.code(), Some(status), "{talk}");
    assert!(talk.contains(code), "{talk}");
    talk
}

pub(crate) fn signal(child: &Child, name: &str) {
    output(program("kill").args(["-s", name, &child.id().to_string()]));
}

#[track_caller]
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every file below a folder with its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            let content = fs::read(&path).unwrap();
            files.insert(path, content);
        }
    }
    files
}

fn relative(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = tree(folder).into_iter();
    files
        .map(|(path, content)| (path.strip_prefix(folder).unwrap().to_owned(), content))
        .collect()
}

/// Processes that work below this home: browsers, once the engine has ended.
fn browsers(home: &TempDir) -> usize {
    let profile = home.path().display().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let command_lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    command_lines
        .filter(|line| String::from_utf8_lossy(line).contains(&profile))
        .count()
}

#[track_caller]
fn nothing_left(home: &TempDir) {
    let begun = Instant::now();
    while browsers(home) > 0 {
        assert!(begun.elapsed() < PATIENCE, "a browser is left behind");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_run_goes_on_and_gives_the_same_tree() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (out, undisturbed) = (home.path().join("out"), other.path().join("out"));
    let mut child = started(run(&home, 24, &out), 3);
    signal(&child, "KILL");
    assert_eq!(wait(&mut child), None);
    assert!(!out.exists(), "nothing half done is visible");
    nothing_left(&home);

    let list = output(engine(&home).args(["runs", "list"]));
    assert!(list.contains("interrupted"), "{list}");
    output(&mut run(&home, 24, &out));
    let record = output(engine(&home).args(["runs", "show", "run-2", "--format", "json"]));
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let remembered = record["run"]["stages"][0][1]["hits"].as_u64().unwrap();
    assert!(remembered >= 3, "finished work is kept: {record}");

    output(run(&other, 24, &undisturbed).arg("--jobs").arg("1"));
    assert!(relative(&out) == relative(&undisturbed), "the trees differ");
}

#[test]
fn a_longer_run_makes_only_what_is_new() {
    let home = tempfile::tempdir().unwrap();
    output(&mut run(&home, 4, &home.path().join("four")));
    output(&mut run(&home, 6, &home.path().join("six")));
    let record = output(engine(&home).args(["runs", "show", "run-2", "--format", "json"]));
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    for stage in ["author", "render", "boxes", "raster", "verify", "overlay"] {
        let stages = record["run"]["stages"].as_array().unwrap();
        let found = stages.iter().find(|it| it[0] == stage).unwrap();
        assert_eq!(found[1]["hits"], 4, "{stage}: {record}");
    }
}

#[test]
fn an_interrupted_run_ends_soon_and_whole() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    output(&mut run(&home, 2, &out));
    let before = relative(&out);
    let mut child = started(run(&home, 2000, &out), 5);
    signal(&child, "INT");
    assert_eq!(wait(&mut child), Some(130));
    nothing_left(&home);
    assert!(relative(&out) == before, "the dataset stands as it did");
    let beside: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let partial = beside
        .iter()
        .any(|name| name.to_string_lossy().contains("partial"));
    assert!(!partial, "{beside:?}");
}

#[test]
fn another_process_looks_and_cancels_but_does_not_run() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let mut child = started(run(&home, 2000, &out), 2);
    let list = output(engine(&home).args(["runs", "list"]));
    assert!(list.contains("run-1") && list.contains("running"), "{list}");
    refused(&mut run(&home, 1, &home.path().join("second")), 3, "DG0207");
    output(engine(&home).args(["runs", "cancel", "run-1"]));
    assert_eq!(wait(&mut child), Some(130));
    let record = output(engine(&home).args(["runs", "show", "run-1"]));
    assert!(record.contains("cancelled"), "{record}");
    refused(engine(&home).args(["runs", "cancel", "run-1"]), 2, "DG0203");
    nothing_left(&home);
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_made() {
    let home = tempfile::tempdir().unwrap();
    let theirs = home.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let thesis = theirs.join("thesis.txt");
    #[allow(clippy::disallowed_methods, reason = "a file of somebody else")]
    fs::write(&thesis, "years of work").unwrap();
    refused(&mut run(&home, 1, &theirs), 2, "DG0703");
    assert!(thesis.exists());

    let out = home.path().join("out");
    refused(&mut run(&home, 0, &out), 2, "DG00");
    refused(&mut run(&home, 1_000_000_001, &out), 2, "DG00");
    refused(engine(&home).args(["run", "invoces"]), 2, "DG0902");
    refused(
        engine(&home).args(["run", "invoices", "--set", "colour=red"]),
        2,
        "DG00",
    );
    let no_text = home.path().join("no-text.toml");
    #[allow(clippy::disallowed_methods, reason = "a broken file")]
    fs::write(&no_text, b"name = \"caf\xe9\"\n").unwrap();
    refused(
        engine(&home).arg("validate").arg(&no_text),
        2,
        "no-text.toml:1:12",
    );
    assert!(!out.exists());
}

#[test]
fn without_a_browser_the_cure_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut command = run(&home, 2, &home.path().join("out"));
    refused(
        command.env("DOCGENIE_CHROMIUM", "/nowhere/chromium"),
        3,
        "chromium-headless-shell",
    );
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    // Which of the two stores of a home meets the end of its disk first is a matter of chance.
    for (full, codes) in [
        ("out", &["DG0702"][..]),
        ("jobs-and-all", &["DG0201", "DG0204"]),
    ] {
        let full = home.path().join(full);
        fs::create_dir(&full).unwrap();
        let mut command = run(&home, 100, &home.path().join("out/made"));
        if full.ends_with("jobs-and-all") {
            command.env("DOCGENIE_HOME", &full);
        }
        let Some(mut command) = with_little_room(&command, &full) else {
            println!("skipped: `unshare` may not mount a small disk here");
            return;
        };
        let told = refused(&mut command, 3, "No space left on device");
        let named = codes.iter().any(|code| told.contains(code));
        assert!(named, "{told}");
        nothing_left(&home);
    }
}

/// The same command where this folder is on a disk of 6 MB; it ends with status 9 if anything but
/// the home of the engine is left there. `None` where disks cannot be mounted.
fn with_little_room(command: &Command, folder: &Path) -> Option<Command> {
    const SCRIPT: &str = r#"
        disk=$1; shift
        mount -t tmpfs -o size=6m tmpfs "$disk"
        "$@"; status=$?
        [ "$disk" = "$DOCGENIE_HOME" ] || [ -z "$(ls -A "$disk")" ] || status=9
        exit $status"#;
    let small = |command: &mut Command| {
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    };
    let mut probe = program("unshare");
    small(&mut probe);
    let probe = probe.arg("mount -t tmpfs tmpfs /tmp").output();
    if !probe.is_ok_and(|it| it.status.success()) {
        return None;
    }
    let mut inside = program("unshare");
    small(&mut inside);
    inside.args([SCRIPT, "sh"]).arg(folder);
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        inside.env(name, value.unwrap_or_default());
    }
    Some(inside)
}

#[test]
fn a_template_that_raises_is_a_dead_letter() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("pipeline");
    let kind = folder.join("templates/types/odd");
    fs::create_dir_all(kind.join("layouts")).unwrap();
    fs::create_dir_all(kind.join("texts")).unwrap();
    let pipeline = r#"
name = "odd"
description = "Every other document fails"
[[stage]]
uses = "author"
with = { doc_type = "odd", templates = "templates", count = 12 }
[[stage]]
uses = "render"
[[stage]]
uses = "boxes"
[[stage]]
uses = "raster"
with = { dpi = 72 }
[[stage]]
uses = "package"
"#;
    let layout = r#"{% extends "shared/page.html" %}{% block page %}<p data-region="paragraph">{{ word }}</p>{% endblock %}"#;
    for (path, text) in [
        (folder.join("pipeline.toml"), pipeline),
        (
            kind.join("type.toml"),
            "aliases = []\ngroups = [\"business\"]\npapers = [\"A5\"]\n",
        ),
        (
            kind.join("content.jinja"),
            "{% if chance(0.5) %}{{ fail(\"out of words\") }}{% endif %}{% set word = \"fine\" %}",
        ),
        (kind.join("texts/en.toml"), "[labels]\ntitle = \"Odd\"\n"),
        (kind.join("layouts/plain.html"), layout),
    ] {
        #[allow(clippy::disallowed_methods, reason = "a user's files")]
        fs::write(path, text).unwrap();
    }
    let out = home.path().join("out");
    refused(
        engine(&home)
            .arg("run")
            .arg(folder.join("pipeline.toml"))
            .arg("--out")
            .arg(&out),
        1,
        "out of words",
    );
    let metadata = fs::read(out.join("metadata.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    let missing = metadata["missing_documents"].as_array().unwrap().len();
    let there = metadata["num_documents"].as_u64().unwrap();
    assert!(
        missing > 0 && there > 0 && there + missing as u64 == 12,
        "{metadata}"
    );
}

#[test]
fn a_new_pipeline_can_be_looked_at_and_tested() {
    let home = tempfile::tempdir().unwrap();
    let at = |arguments: &[&str]| output(engine(&home).current_dir(home.path()).args(arguments));
    at(&["new", "mine"]);
    at(&["validate", "mine", "--deny-warnings"]);
    let made = at(&["preview", "mine"]);
    assert!(made.contains("img/document_1.png"), "{made}");
    let report = at(&["test", "mine"]);
    assert!(report.contains("ok    defaults"), "{report}");
    assert!(at(&["graph", "mine"]).contains("render"));
}
