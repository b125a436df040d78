//! Seeded chance.

use docgenie_document::Seed;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// A seeded source of chance: the same seed gives the same draws on every machine.
#[derive(Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The draws that belong to this seed.
    pub(super) fn new(seed: Seed) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed.0))
    }

    /// 0 to `count` - 1; 0 where there is nothing to count.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.0.random_range(0..count)).unwrap_or(0)
    }

    /// From the lower to the higher, both included.
    pub(super) fn between(&mut self, a: i64, b: i64) -> i64 {
        self.0.random_range(a.min(b)..=a.max(b))
    }

    /// True in `share` of all cases, 0 to 1.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }

    /// The position of one of them, more often of a heavier one.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let total: u32 = weights.clone().sum();
        let mut left = self.below(usize::try_from(total).unwrap_or(usize::MAX));
        let mut weights = weights.map(|weight| usize::try_from(weight).unwrap_or(usize::MAX));
        let found = weights.position(|weight| {
            let found = left < weight;
            left = left.saturating_sub(weight);
            found
        });
        found.unwrap_or(0)
    }

    /// All of them in chance order.
    pub(super) fn shuffled<T>(&mut self, mut list: Vec<T>) -> Vec<T> {
        list.shuffle(&mut self.0);
        list
    }

    /// A log-uniform number between two positive bounds: small ones as often as large ones.
    pub(super) fn magnitude(&mut self, [low, high]: [f64; 2]) -> f64 {
        let (low, high) = (low.max(0.01).ln(), high.max(0.01).ln());
        (low + self.0.random::<f64>() * (high - low)).exp()
    }

    /// The pattern with `#` replaced by a digit, `~` by a digit but 0 and `@` by a capital letter.
    pub(super) fn fill(&mut self, pattern: &str) -> String {
        let mut draw = |c| match c {
            '#' => char::from(b'0' + u8::try_from(self.below(10)).unwrap_or(0)),
            '~' => char::from(b'1' + u8::try_from(self.below(9)).unwrap_or(0)),
            // Without the letters that are taken for digits.
            '@' => self
                .pick(b"ABCDEFGHJKLMNPRSTUVWXYZ")
                .map_or('A', |&letter| char::from(letter)),
            other => other,
        };
        pattern.chars().map(&mut draw).collect()
    }
}
