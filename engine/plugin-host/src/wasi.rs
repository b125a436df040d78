//! The system interface, for plugins whose language's library cannot do without: an empty one. It has
//! no files, network, arguments or environment, its streams lead nowhere, its randomness is seeded,
//! and its clocks stand still.

use std::time::Duration;

use docgenie_document::Seed;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::{
    HostWallClock, WasiCtx, WasiCtxView, WasiView,
    p2::{self, DynPollable, bindings::clocks::monotonic_clock},
};

use crate::call::Call;

/// The environment variable in which the user names the plugins that are granted it, with commas.
pub(crate) const GRANT: &str = "DOCGENIE_ALLOW_WASI";

/// The packages of which there is an empty one, in this version.
const PACKAGES: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
const VERSION: &str = "0.2.";

/// Bytes that one call for randomness gives.
const RANDOM_LIMIT: u64 = 1 << 20;

/// The time, since 1970: the beginning of 2000.
const NOW: Duration = Duration::from_secs(946_684_800);

/// Whether there is an interface of this name.
pub(crate) fn has(interface: &str, version: &str) -> bool {
    PACKAGES
        .iter()
        .any(|package| interface.starts_with(package))
        && version.starts_with(VERSION)
}

/// Links it. Only components whose imports were checked get to see it.
pub(crate) fn link(linker: &mut Linker<Call>) -> wasmtime::Result<()> {
    p2::add_to_linker_async(linker)?;
    // The library would wait by the real clock, and the limit on a call's time would wait, too.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a call has of it.
fn empty(seed: Seed) -> WasiCtx {
    let seed = seed.derive("wasi");
    WasiCtx::builder()
        .allow_tcp(false)
        .allow_udp(false)
        .secure_random(ChaCha8Rng::seed_from_u64(seed.derive("secure").0))
        .insecure_random(ChaCha8Rng::seed_from_u64(seed.derive("insecure").0))
        .insecure_random_seed(seed.derive("seed").0.into())
        .max_random_size(RANDOM_LIMIT)
        .wall_clock(Stopped)
        .build()
}

struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        NOW
    }
}

impl WasiView for Call {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let seed = self.seed;
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| empty(seed)),
            table: &mut self.table,
        }
    }
}

impl monotonic_clock::Host for Call {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.asked()?;
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.asked()?;
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(no_waiting())
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        Err(no_waiting())
    }
}

fn no_waiting() -> wasmtime::Error {
    wasmtime::Error::msg("it wants to wait, but for a plugin time stands still")
}
