//! Generated pages are what the engine prints.

use std::fs;

use crate::{
    program::{engine, output, program},
    root,
};

#[track_caller]
fn check(arguments: &[&str], page: &str) {
    let home = tempfile::tempdir().unwrap();
    let printed = output(engine(&home).args(arguments));
    let kept = fs::read_to_string(root().join(page)).unwrap();
    assert!(kept == printed, "{page} is out of date: run `make docs`");
}

#[test]
fn the_stage_reference_is_up_to_date() {
    check(&["stages", "--reference"], "docs/pipeline-reference.md");
}

#[test]
fn the_schema_is_up_to_date() {
    check(&["schema"], "docs/pipeline.schema.json");
}

#[test]
fn the_description_of_the_service_is_up_to_date_and_valid() {
    check(&["schema", "--openapi"], "docs/openapi.json");
    let mut python = program("target/venv/bin/python");
    output(python.args(["-m", "openapi_spec_validator", "docs/openapi.json"]));
}
