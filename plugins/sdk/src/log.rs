//! Messages for the person who runs or writes the plugin.

use crate::host::log::{Level, write};

/// Says what may help to find a fault.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Says what a user may like to know.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Says what a user should look at.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Lets the message of a panic reach the host, which otherwise sees an `unreachable` only.
#[cfg(target_family = "wasm")]
pub(crate) fn catch_panics() {
    use std::sync::Once;

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
    });
}
