//! The native stages.
