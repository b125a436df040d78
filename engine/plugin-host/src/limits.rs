//! What a plugin may use, and the messages when it wants more.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::manifest::Wants;

/// Elements of all tables of an instance: far more than compilers make.
const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, tables and memories of one component; one in Python has 38 instances.
const PARTS: usize = 64;
/// The most that any plugin gets, whatever it asks for.
const CEILING: Limits = Limits {
    memory: 1 << 30,
    call: Duration::from_mins(10),
    output: 1 << 40,
};

/// What one plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of memory an instance.
    pub(crate) memory: usize,
    /// Time a call.
    pub(crate) call: Duration,
    /// Bytes an export may write.
    pub(crate) output: u64,
}

/// A limit that a plugin went over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Exceeded {
    /// Memory.
    #[error("it wants {} of memory, of which it may have {}", mib(*.wanted), mib(*.limit))]
    Memory {
        /// Bytes.
        wanted: usize,
        /// Bytes.
        limit: usize,
    },
    /// Table elements.
    #[error("it wants tables of {wanted} elements, of which it may have {limit}")]
    Table {
        /// Elements.
        wanted: usize,
        /// Elements.
        limit: usize,
    },
    /// Time.
    #[error("it ran for more than {} s", .0.as_secs_f64())]
    Time(Duration),
    /// Output.
    #[error("it wants to write more than {} MiB", .0 >> 20)]
    Output(u64),
    /// How much it hands over at once.
    #[error("it hands over {wanted} {what}, of which {limit} are taken")]
    Count {
        /// What.
        what: &'static str,
        /// How many.
        wanted: usize,
        /// How many.
        limit: usize,
    },
}

/// Kibibytes tell a request just over the limit from the limit.
fn mib(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes.div_ceil(1 << 10))
    }
}

impl Limits {
    /// What the plugin asks for, below the ceiling.
    pub(crate) fn granted(wants: &Wants) -> Self {
        let asked = Self {
            memory: (wants.memory_mib as usize) << 20,
            call: Duration::from_secs(wants.call_seconds.into()),
            output: u64::from(wants.output_mib) << 20,
        };
        Self {
            memory: asked.memory.min(CEILING.memory),
            call: asked.call.min(CEILING.call),
            output: asked.output.min(CEILING.output),
        }
    }
}

/// Watches an instance grow.
#[derive(Debug)]
pub(crate) struct Growth {
    memory: usize,
}

impl Growth {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
        }
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        _: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit = self.memory;
        if wanted > limit {
            return Err(wasmtime::Error::new(Exceeded::Memory { wanted, limit }));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        wanted: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit = TABLE_ELEMENTS;
        if wanted > limit {
            return Err(wasmtime::Error::new(Exceeded::Table { wanted, limit }));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}
