//! Sandboxed plugins: WASM components that annotate, draw and export.
//!
//! ```text
//! folder of a plugin ── manifest, offers ──→ Library        what there is, without running any of it
//!        │                                      │
//!   plugin.wasm ── Sandbox::load ──→ Loaded     │           compiled, its imports checked
//!                                       │       │
//!                                    Call    StageKind      one call, its limits, its log
//! ```
//!
//! A plugin is not trusted: it computes within limits on memory, time, output and log, reaches
//! nothing but the functions of its interface, and what it returns is checked before it is used.
//! The interface is `docgenie:plugin`, in `wit/`; `v0_1` is the one module that sees its types.

mod assets;
mod build;
mod bundle;
mod cache;
mod call;
mod documents;
mod element;
mod error;
mod exporter;
mod library;
mod limits;
mod lock;
mod manifest;
mod offered;
mod offers;
mod plugins;
mod replay;
mod samples;
mod sandbox;
mod sink;
mod testing;
mod truth;
mod v0_1;
mod wasi;

pub use bundle::{Bundle, BundleError, Installed, sha256};
pub use error::PluginError;
pub use library::{Library, Plugin};
pub use lock::{Lock, LockError, Pin};
pub use manifest::{Build, Language, Manifest, Wants, Wasi};
pub use offers::{Kind, Offer, Offers};
pub use plugins::Plugins;
pub use sandbox::Sandbox;
pub use testing::CaseReport;
