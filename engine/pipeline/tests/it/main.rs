//! Pipeline files against a small catalogue that stays as it is, whatever stages the engine has.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogue;
mod generated;
mod planning;
mod robust;
mod ui;
