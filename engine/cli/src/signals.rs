//! Ctrl-C and the termination signal.

use std::time::Duration;

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    report::{self, Status, Stop},
    runner,
};

/// Listens for as long as the program lives: signals that are listened to once do not end it by
/// themselves any more. The first one asks for the end, a second one does not wait for it.
pub(crate) struct Signals {
    runtime: Runtime,
    end: CancellationToken,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Stop> {
        let built = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = built.map_err(|error| runner::no_threads(&error))?;
        let end = CancellationToken::new();
        runtime.spawn(cancel_on_signal(end.clone()));
        Ok(Self { runtime, end })
    }

    /// Is cancelled by the first signal.
    pub(crate) fn end(&self) -> &CancellationToken {
        &self.end
    }

    /// Waits, and tells whether the end is asked for.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let asked = async { timeout(time, self.end.cancelled()).await };
        self.runtime.block_on(asked).is_ok()
    }
}

async fn cancel_on_signal(end: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    for first in [true, false] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if first {
            report::talk("stopping; what is finished is kept");
            end.cancel();
        } else {
            std::process::exit(Status::Interrupted as i32);
        }
    }
}
