//! What every hostile plugin can do, whatever its kind. Built for WebAssembly only.

#![cfg(target_family = "wasm")]

use std::{hint::black_box, panic};

use docgenie_plugin::{
    Failure,
    bindings::docgenie::plugin::{assets, log, random, types::Offer},
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

/// Misdeeds that need nothing but the imports that all plugins have.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Common {
    /// Computes for ever.
    EndlessLoop,
    /// Calls the host for ever.
    CallFlood,
    /// Logs 1 KiB for ever.
    LogFlood,
    /// Logs one message of 16 MiB.
    LogLong,
    /// Logs what moves the cursor, clears the screen, forges lines and turns the text around.
    LogEscapes,
    /// Logs bytes that are a lone surrogate and thus no UTF-8.
    LogSurrogate,
    /// Allocates for ever.
    MemoryBomb,
    /// Calls itself for ever.
    DeepRecursion,
    /// Panics, and says so in the log.
    Panic,
    /// Traps without a word.
    SilentPanic,
    /// Asks for 4 GiB of random bytes.
    RandomFlood,
    /// Reads files that are not its own.
    ForeignAsset,
    /// Says that it is broken, in 1 MiB with escape sequences.
    LongFailure,
}

impl Common {
    /// Does it. What comes back has not been stopped by the sandbox.
    ///
    /// # Errors
    /// The failure that the misdeed itself is, if it is one.
    pub fn commit(self) -> Result<(), Failure> {
        match self {
            Self::EndlessLoop => loop {
                black_box(0);
            },
            Self::CallFlood => loop {
                black_box(random::unit());
            },
            Self::LogFlood => loop {
                log::write(log::Level::Info, &"flood ".repeat(170));
            },
            Self::LogLong => log::write(log::Level::Info, &"x".repeat(16 << 20)),
            Self::LogEscapes => {
                for message in ESCAPES {
                    log::write(log::Level::Error, message);
                }
            }
            Self::LogSurrogate => log::write(log::Level::Info, &lone_surrogate()),
            Self::MemoryBomb => {
                let mut held = Vec::new();
                loop {
                    held.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            Self::DeepRecursion => {
                black_box(deep(0));
            }
            Self::Panic => {
                panic::set_hook(Box::new(|panic| {
                    log::write(log::Level::Error, &panic.to_string());
                }));
                panic!("panic on purpose");
            }
            Self::SilentPanic => std::process::abort(),
            Self::RandomFlood => {
                black_box(random::fill(u32::MAX));
            }
            Self::ForeignAsset => {
                for path in ["../Cargo.toml", "/etc/passwd", "plugin.wasm", ""] {
                    let answer = assets::read(path);
                    let said =
                        answer.map_or_else(|error| error, |bytes| format!("{} bytes", bytes.len()));
                    log::write(log::Level::Info, &format!("`{path}`: {said}"));
                }
            }
            Self::LongFailure => {
                return Err(Failure::broken("\u{1b}[2J\u{7}".repeat(1 << 18)));
            }
        }
        Ok(())
    }
}

const ESCAPES: &[&str] = &[
    "\u{1b}[2J\u{1b}[H\u{1b}]0;owned\u{7}",
    "harmless\r\nerror: forged line\n\n",
    "\u{202e}dednopser si txet siht",
    "\0\u{8}\u{8}\u{7f}\u{9b}31m",
];

/// Bytes that UTF-8 cannot hold.
#[must_use]
pub fn lone_surrogate() -> String {
    // SAFETY: none. It is the point that the host is handed what no string may be.
    unsafe { String::from_utf8_unchecked(vec![0xed, 0xa0, 0x80]) }
}

/// A list that says to be of 4 GiB, far more than there is memory.
#[must_use]
pub fn forged_bytes() -> Vec<u8> {
    let mut one = vec![0_u8; 16];
    let pointer = one.as_mut_ptr();
    std::mem::forget(one);
    let length = black_box(u32::MAX as usize - 15);
    // SAFETY: none. It is the point that the host is handed what no list may be.
    unsafe { Vec::from_raw_parts(pointer, length, length) }
}

fn deep(level: u64) -> u64 {
    let frame = black_box([level; 64]);
    if frame[0] == u64::MAX {
        return 0;
    }
    deep(level + 1).wrapping_add(frame[7])
}

/// The only offer of a hostile plugin.
#[must_use]
pub fn offer<P: JsonSchema>(id: &str, traits: &str) -> Vec<Offer> {
    vec![Offer {
        id: id.to_owned(),
        title: "Hostile".to_owned(),
        summary: "Misbehaves on purpose, as its option `misdeed` says".to_owned(),
        params_schema: schemars::schema_for!(P).as_value().to_string(),
        traits: traits.to_owned(),
    }]
}

/// The params, which the host has checked.
///
/// # Errors
/// Broken, where they do not fit after all.
pub fn params<P: DeserializeOwned>(text: &str) -> Result<P, Failure> {
    serde_json::from_str(text).map_err(Failure::broken)
}
