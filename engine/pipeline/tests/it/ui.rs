//! The golden bad files of `tests/ui`: what people see for each of their faults.
//!
//! `BLESS=1 cargo test -p docgenie-pipeline` writes the `.err` files anew. A first line of
//! `# --set name=value …` gives arguments.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use docgenie_pipeline::{Diagnostic, decode};

use crate::catalogue::planned;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn bad_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/ui")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

/// All diagnostics of a file, as a run that uses it would report them.
fn diagnostics(path: &Path) -> Vec<Diagnostic> {
    let shown = format!("tests/ui/{}", path.file_name().unwrap().to_str().unwrap());
    let text = match decode(&shown, fs::read(path).unwrap()) {
        Ok(text) => text,
        Err(diagnostic) => return vec![*diagnostic],
    };
    let first = text.lines().next().unwrap_or_default();
    let arguments = first.strip_prefix("# --set ").unwrap_or_default();
    let set: Vec<_> = arguments
        .split(" --set ")
        .filter_map(|argument| argument.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    planned(&shown, &text, &set).1
}

#[test]
fn bad_files_are_reported_as_recorded() {
    let files = bad_files();
    assert!(files.len() >= 25);
    let mut wrong = Vec::new();
    for path in files {
        let found = diagnostics(&path);
        assert!(!found.is_empty(), "{} is not bad", path.display());
        let helpless = found.iter().find(|diagnostic| diagnostic.hint.is_none());
        assert!(helpless.is_none(), "no hint: {helpless:?}");
        let rendered: Vec<_> = found
            .iter()
            .map(|diagnostic| diagnostic.render(false))
            .collect();
        let rendered = rendered.join("\n");
        let golden = path.with_extension("err");
        if env::var_os("BLESS").is_some() {
            #[allow(
                clippy::disallowed_methods,
                reason = "a test that writes its own record"
            )]
            fs::write(&golden, rendered).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != rendered {
            wrong.push(format!("{}:\n{rendered}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "BLESS=1 records:\n{}", wrong.join("\n"));
}

#[test]
fn the_renderer_and_json_agree_on_places() {
    for path in bad_files() {
        for diagnostic in diagnostics(&path) {
            let Some(location) = diagnostic.location() else {
                assert!(diagnostic.argument.is_some());
                continue;
            };
            let rendered = diagnostic.render(false);
            let arrow = rendered
                .lines()
                .find(|line| line.trim_start().starts_with("-->"))
                .unwrap();
            assert_eq!(arrow.trim_start(), format!("--> {location}"), "{rendered}");
            let json = serde_json::to_value(&diagnostic).unwrap();
            let (path, line, column) = (&json["path"], &json["line"], &json["column"]);
            assert_eq!(
                location,
                format!("{}:{line}:{column}", path.as_str().unwrap())
            );
        }
    }
}

#[test]
fn every_code_has_a_bad_file_and_a_page() {
    let codes: BTreeSet<_> = bad_files()
        .iter()
        .flat_map(|path| diagnostics(path))
        .map(|diagnostic| diagnostic.code.as_str().to_owned())
        .collect();
    let pages: BTreeSet<_> = fs::read_dir(root().join("docs/errors"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|code| code.starts_with("DG00"))
        .collect();
    assert_eq!(codes, pages);
}
