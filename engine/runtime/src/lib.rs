//! The runtime: the [`stage`] contract, the executor, artifacts, seeds, progress and jobs.
//!
//! A run is a plan, a seed and a place to put the dataset. There is one path for a fresh run and a
//! resumed one: every stage's result is keyed by what it depends on, and a key that is already
//! known is a hit. No concrete stage, database or HTTP is known here.

pub mod artifact;
pub mod clock;
pub mod executor;
pub mod extension;
pub mod files;
pub mod job;
pub mod progress;
pub mod queue;
pub mod registry;
pub mod resident;
pub mod secret;
pub mod stage;
