//! Randomness that repeats: the host seeds it anew for every call, from the run's seed and what is
//! asked for. Nothing else in a plugin is random.

use crate::host::random;

/// A number of 32 random bits.
#[must_use]
pub fn next_u32() -> u32 {
    random::next_u32()
}

/// A number in `[0, 1)`.
#[must_use]
pub fn unit() -> f64 {
    random::unit()
}

/// A number in `[from, to)`.
#[must_use]
pub fn between(from: f64, to: f64) -> f64 {
    from + (to - from) * unit()
}

/// One of them; `None` if there are none.
#[must_use]
pub fn pick<T>(items: &[T]) -> Option<&T> {
    items.get((unit() * items.len() as f64) as usize)
}
