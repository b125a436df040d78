//! The command line of docgenie-engine.
fn main() {}
