//! Datasets, as readers that are not ours see them: datadings and pdftotext.

use crate::program::{engine, output, program};

#[track_caller]
fn check(run: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let dataset = home.path().join("dataset");
    output(
        engine(&home)
            .arg("run")
            .args(run)
            .arg("--out")
            .arg(&dataset),
    );
    // `make test` installs it with what the script needs.
    let mut python = program("target/venv/bin/python");
    output(python.arg("tests/python/check_dataset.py").arg(&dataset));
}

#[test]
fn one_type() {
    check(&["invoices", "--count", "6", "--set", "ocr=false"]);
}

#[test]
fn many_types_and_languages() {
    check(&[
        "documents",
        "--count",
        "60",
        "--set",
        "ocr=false",
        "--set",
        "types=business,personal,medical,academic,press,logistics",
        "--seed",
        "3",
    ]);
}
