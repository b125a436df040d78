//! Behaviours of the whole engine, one file a theme.
