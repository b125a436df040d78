//! Job stores and artifact stores.
//!
//! [`home::open`] opens the jobs of a home, on sled, or reaches the process that owns them through
//! its [`control`] socket. [`artifacts`] keeps what stages make in a folder that needs no owner.

pub mod artifacts;
pub mod control;
pub mod home;
pub mod jobs;
pub mod lock;
