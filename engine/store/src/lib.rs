//! Job stores and artifact stores.
