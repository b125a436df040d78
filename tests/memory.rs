//! What exports cost in memory does not depend on how many documents there are.
//!
//! A binary of its own, because it measures its own process. `DOCGENIE_EXPORT_DOCUMENTS` sets the
//! number of documents, 600 if absent.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test; what is written is a switch of the system"
)]

use std::{env, fs, path::Path, process::Command};

use docgenie_pipeline::Scope;
use docgenie_plugin_host::Plugins;
use docgenie_tests::exports;

const FEW: u64 = 100;
const WORDS: u32 = 500;
/// What is kept of each document to the end: that its files have been written, some twenty of them.
const NAMES: u64 = 1 << 10;
/// By so much one peak differs from the next anyhow.
const SLACK: u64 = 1 << 20;
/// As the engine runs. With an arena for each thread, as many grow as happen to be used.
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

#[test]
fn memory_does_not_grow_with_the_number_of_documents() {
    if env::var_os(ARENAS.0).is_none() {
        // It is read when a process starts.
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--nocapture"]).env(ARENAS.0, ARENAS.1);
        assert!(again.status().unwrap().success());
        return;
    }
    let many = env::var("DOCGENIE_EXPORT_DOCUMENTS").map_or(600, |it| it.parse().unwrap());
    // The first run compiles the plugins, which takes more than to run them.
    let home = tempfile::tempdir().unwrap();
    peak_of(FEW, home.path());
    let (few, more) = (peak_of(FEW, home.path()), peak_of(many, home.path()));
    println!("{FEW} documents: {few} bytes at the peak, {many} documents: {more}");
    let names = (many - FEW) * NAMES;
    assert!(
        more <= few + names + SLACK,
        "{FEW} documents take {few} bytes, {many} take {more}"
    );
}

/// The most memory that this process had at once while so many documents went through all exporters
/// at once.
fn peak_of(documents: u64, home: &Path) -> u64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let shipped = root.join("target/release/plugins");
    let folder = tempfile::tempdir().unwrap();
    let mut exporters = Plugins::open(&[shipped], home).stages();
    exporters.retain(|it| it.spec.scope == Scope::Dataset && !it.spec.name.contains('/'));
    assert_eq!(exporters.len(), 12, "build the plugins first: make plugins");
    // From here on the peak is counted anew.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(exports::export(documents, WORDS, &exporters, folder.path()));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}
