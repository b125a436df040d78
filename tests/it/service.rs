//! The HTTP service, as clients that are not ours use it.

use crate::program::{binary, output, program};

/// A script that is given the engine, then these arguments.
#[track_caller]
fn check(script: &str, arguments: &[&str]) {
    // `make test` installs it with what the script needs.
    let mut python = program("target/venv/bin/python");
    output(python.arg(script).arg(binary()).args(arguments));
}

#[track_caller]
fn scenario(name: &str) {
    check("tests/python/service.py", &[name]);
}

#[test]
fn the_protocol_of_the_original_is_spoken() {
    scenario("protocol");
}

#[test]
fn any_pipeline_can_be_run() {
    scenario("generic");
}

#[test]
fn keys_open_what_is_their_owners() {
    scenario("access");
}

#[test]
fn results_go_to_storages() {
    scenario("delivery");
}

#[test]
fn what_was_acknowledged_survives_being_killed() {
    scenario("survival");
}

#[test]
fn a_full_disk_loses_nothing_and_is_overcome() {
    scenario("full");
}

#[test]
fn a_stop_hands_back_what_is_not_done() {
    scenario("stopping");
}

#[test]
fn hostile_clients_are_borne() {
    scenario("hostile");
}

#[test]
fn the_service_does_what_it_says_of_itself() {
    check("tests/python/fuzz.py", &[]);
}

#[test]
fn language_models_are_asked_once() {
    scenario("models");
}

#[test]
fn the_snippets_of_the_documentation_run() {
    scenario("documentation");
}
