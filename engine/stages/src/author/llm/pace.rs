//! How many calls an endpoint gets at once: one more for each round that goes well, half as many when
//! it says that it is too much. Nobody has to know the limits of an account.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Calls at once in the beginning, and at most.
const FIRST: f64 = 4.0;
const MOST: f64 = 32.0;

/// The pace of one endpoint, whoever calls it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limit: f64,
    under_way: f64,
    /// Counts the times that the limit was halved, so that the calls of one moment halve it once.
    halved: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            limit: FIRST,
            under_way: 0.0,
            halved: 0,
        }
    }
}

/// The right to one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'p> {
    pace: &'p Pace,
    halved: u64,
}

impl Pace {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if state.under_way < state.limit.floor() {
                    state.under_way += 1.0;
                    return Turn {
                        pace: self,
                        halved: state.halved,
                    };
                }
            }
            freed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The call went well.
    pub(super) fn went_well(&self) {
        let mut state = self.pace.state();
        state.limit = (state.limit + 1.0 / state.limit).min(MOST);
    }

    /// The endpoint had too much to do.
    pub(super) fn was_too_much(&self) {
        let mut state = self.pace.state();
        if state.halved == self.halved {
            state.halved += 1;
            state.limit = (state.limit / 2.0).max(1.0);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.state().under_way -= 1.0;
        // All look whether they may: a limit that has grown frees more than one.
        self.pace.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn turns(pace: &Pace) -> Vec<Turn<'_>> {
        std::iter::from_fn(|| pace.turn().now_or_never()).collect()
    }

    #[test]
    fn it_grows_by_one_a_round_and_is_halved_once_a_moment() {
        let pace = Pace::default();
        let first = turns(&pace);
        assert_eq!(first.len(), 4);
        first.iter().for_each(Turn::went_well);
        drop(first);
        let second = turns(&pace);
        assert_eq!(second.len(), 4, "{pace:?}");
        second.iter().for_each(Turn::went_well);
        drop(second);
        let third = turns(&pace);
        assert_eq!(third.len(), 5);
        third.iter().for_each(Turn::was_too_much);
        drop(third);
        assert_eq!(turns(&pace).len(), 2);
        for _ in 0..5 {
            pace.turn().now_or_never().unwrap().was_too_much();
        }
        assert_eq!(turns(&pace).len(), 1);
    }
}
