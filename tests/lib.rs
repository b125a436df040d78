//! The tests live in `it/`. Here, the examples of the documentation are compiled and run.

#[cfg(doctest)]
#[doc = include_str!("../docs/adding-a-stage.md")]
struct AddingAStage;
