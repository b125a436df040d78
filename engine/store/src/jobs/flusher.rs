//! The thread that flushes the index, so that nobody who has been journalled waits for it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use tracing::error;

use super::Shared;

/// Flushes the index each time it is woken, and once more when it is dropped.
pub(super) struct Flusher {
    /// There until it is dropped.
    wake: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    failed: Arc<AtomicBool>,
}

impl Flusher {
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        // One that waits stands for all that come before it is heard.
        let (wake, woken) = mpsc::sync_channel(1);
        let failed = Arc::new(AtomicBool::new(false));
        let failing = failed.clone();
        let work = move || {
            while woken.recv().is_ok() {
                if let Err(error) = shared.index.flush() {
                    error!(%error, "the index of the job store cannot be written");
                    failing.store(true, Ordering::Release);
                }
            }
        };
        let thread = thread::Builder::new().name("jobs-flusher".to_owned());
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread.spawn(work)?),
            failed,
        })
    }

    pub(super) fn wake(&self) {
        // Where one waits already, it will see this change too.
        self.wake.as_ref().map(|wake| wake.try_send(()));
    }

    /// Whether the index could not be written.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // One that has panicked has flushed nothing since; the journals hold it.
            drop(thread.join());
        }
    }
}
