//! One call: what the host keeps while a plugin computes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use docgenie_document::Seed;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tracing::{Level, debug, info, trace, warn};
use wasmtime::{Store, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::WasiCtx;

use crate::{
    assets::Assets,
    error::Reason,
    limits::{Exceeded, Growth, Limits},
    manifest::Manifest,
    sandbox::TICK,
    sink::Sink,
};

/// Bytes of log a call.
const LOG_LIMIT: usize = 64 << 10;
/// Lines of log that a message about a failure shows.
const LAST_LINES: usize = 5;
/// Characters of one of them.
const LINE_LIMIT: usize = 400;
/// Functions of the host that a call may use: a plugin that asks for more asks in a circle.
const HOST_CALLS: u32 = 50_000_000;

/// The data of a store.
pub(crate) struct Call {
    pub(crate) growth: Growth,
    pub(crate) table: ResourceTable,
    pub(crate) assets: Assets,
    pub(crate) sink: Option<Sink>,
    pub(crate) log: Log,
    pub(crate) random: ChaCha8Rng,
    /// What the randomness of this call comes from.
    pub(crate) seed: Seed,
    /// Made when it is first asked for.
    pub(crate) wasi: Option<WasiCtx>,
    /// Page images handed over, to the plugin or past it to a file.
    pub(crate) images: u32,
    /// Why a file was not taken for another reason than its path.
    pub(crate) refusal: Option<Reason>,
    began: Instant,
    limit: Duration,
    host_calls: u32,
}

/// What a plugin says while it works.
#[derive(Debug, Default)]
pub(crate) struct Log {
    plugin: String,
    bytes: usize,
    dropped: u32,
    last: VecDeque<String>,
}

impl Call {
    pub(crate) fn new(manifest: &Manifest, assets: Assets, sink: Option<Sink>) -> Self {
        let limits = Limits::granted(&manifest.wants);
        Self {
            growth: Growth::new(&limits),
            table: ResourceTable::new(),
            assets,
            sink,
            log: Log {
                plugin: manifest.plugin.id.clone(),
                ..Log::default()
            },
            random: ChaCha8Rng::seed_from_u64(0),
            seed: Seed(0),
            wasi: None,
            images: 0,
            refusal: None,
            began: Instant::now(),
            limit: limits.call,
            host_calls: 0,
        }
    }

    /// Sets a store up so that its calls yield to other tasks and end in time.
    pub(crate) fn watch(store: &mut Store<Self>) {
        store.limiter(|call| &mut call.growth);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let call = context.data();
            if call.began.elapsed() > call.limit + TICK {
                return Err(wasmtime::Error::new(Exceeded::Time(call.limit)));
            }
            Ok(UpdateDeadline::Yield(1))
        });
    }

    /// Before each call of an export.
    pub(crate) fn begin(&mut self, seed: Seed) {
        self.random = ChaCha8Rng::seed_from_u64(seed.0);
        self.seed = seed;
        self.wasi = None;
        self.began = Instant::now();
        self.host_calls = 0;
        self.log.bytes = 0;
        self.log.dropped = 0;
        self.log.last.clear();
    }

    /// Counts a call of the host and ends those that are too many or too late: host functions do
    /// not advance the plugin's own clock.
    pub(crate) fn asked(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > HOST_CALLS {
            return Err(wasmtime::Error::new(Exceeded::Count {
                what: "requests to the engine",
                wanted: self.host_calls as usize,
                limit: HOST_CALLS as usize,
            }));
        }
        if self.began.elapsed() > self.limit + TICK {
            return Err(wasmtime::Error::new(Exceeded::Time(self.limit)));
        }
        Ok(())
    }
}

impl Log {
    pub(crate) fn write(&mut self, level: Level, message: &str) {
        let left = LOG_LIMIT.saturating_sub(self.bytes);
        if message.len() > left {
            self.dropped += 1;
            return;
        }
        self.bytes += message.len();
        // What a terminal would obey must not reach it.
        let plain: String = message
            .chars()
            .map(|c| match c {
                // Lines of a plugin cannot be taken for lines of the engine.
                '\n' => ' ',
                c if c.is_control() => '\u{fffd}',
                c => c,
            })
            .collect();
        let plugin = &self.plugin;
        match level {
            Level::TRACE => trace!(plugin, "{plain}"),
            Level::DEBUG => debug!(plugin, "{plain}"),
            Level::INFO => info!(plugin, "{plain}"),
            _ => warn!(plugin, "{plain}"),
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last
            .push_back(plain.chars().take(LINE_LIMIT).collect());
    }

    /// The last lines, and how many were dropped.
    pub(crate) fn last(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.last.iter().cloned().collect();
        if self.dropped > 0 {
            lines.push(format!(
                "({} more lines were over the limit of 64 KiB a call)",
                self.dropped
            ));
        }
        lines
    }
}
