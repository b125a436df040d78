//! How a run under way is stopped, and what becomes of it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use docgenie_document::code::Problem;
use tokio_util::sync::CancellationToken;

use crate::job::RunState;

/// Stops a run. Clones stop the same one; what it was first stopped for counts.
#[derive(Clone, Debug)]
pub struct Halt {
    token: CancellationToken,
    reason: Arc<AtomicU8>,
}

/// What a run is stopped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltAs {
    /// It ends.
    Cancelled,
    /// It stops until somebody lets it go on.
    Paused,
    /// It goes back into the queue, because its process ends.
    HandedBack,
}

/// No reason was given: whoever owns the token has cancelled it.
const UNSAID: u8 = 0;

impl Halt {
    /// Also cancels the run when this token is cancelled.
    #[must_use]
    pub fn with(token: CancellationToken) -> Self {
        Self {
            token,
            reason: Arc::new(AtomicU8::new(UNSAID)),
        }
    }

    /// Stops the run.
    pub fn halt(&self, reason: HaltAs) {
        let first = (Ordering::AcqRel, Ordering::Acquire);
        // A second reason changes nothing.
        self.reason
            .compare_exchange(UNSAID, reason as u8 + 1, first.0, first.1)
            .ok();
        self.token.cancel();
    }

    /// What it was first stopped for, if it was.
    pub(crate) fn reason(&self) -> Option<HaltAs> {
        match self.reason.load(Ordering::Acquire) {
            UNSAID => self.token.is_cancelled().then_some(HaltAs::Cancelled),
            it if it == HaltAs::Paused as u8 + 1 => Some(HaltAs::Paused),
            it if it == HaltAs::HandedBack as u8 + 1 => Some(HaltAs::HandedBack),
            _ => Some(HaltAs::Cancelled),
        }
    }

    pub(crate) const fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The state of a run that was halted, and the problem to tell.
    pub(super) fn outcome(&self, cancelled: Problem) -> (RunState, Option<Problem>) {
        match self.reason() {
            Some(HaltAs::Paused) => (RunState::Paused, None),
            Some(HaltAs::HandedBack) => (RunState::Queued, None),
            Some(HaltAs::Cancelled) | None => (RunState::Cancelled, Some(cancelled)),
        }
    }
}
