//! The tests live in `it/`. Here is what tests and benchmarks share; and the examples of the
//! documentation are compiled and run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test"
)]

pub mod exports;

#[cfg(doctest)]
#[doc = include_str!("../docs/adding-a-stage.md")]
struct AddingAStage;
