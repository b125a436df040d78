//! The thread that flushes the index, so that nobody who has been journalled waits for it.

use std::{
    io,
    sync::{Arc, atomic::Ordering, mpsc},
    thread::{self, JoinHandle},
};

use tracing::error;

use super::Shared;

/// Flushes the index each time it is woken, and once more when it is dropped.
pub(super) struct Flusher {
    /// There until it is dropped.
    wake: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        // One that waits stands for all that come before it is heard.
        let (wake, woken) = mpsc::sync_channel(1);
        let work = move || {
            while woken.recv().is_ok() {
                // An index that is to be made anew holds nothing that wants flushing.
                let flushed = shared.with_index(|index| {
                    let flushed = index.flush();
                    // Before the index is let go of, so that this is not said of the next one.
                    shared.behind.fetch_or(flushed.is_err(), Ordering::AcqRel);
                    flushed
                });
                if let Err(error) = flushed {
                    error!(%error, "the index of the job store cannot be written");
                }
            }
        };
        let thread = thread::Builder::new().name("jobs-flusher".to_owned());
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread.spawn(work)?),
        })
    }

    pub(super) fn wake(&self) {
        // Where one waits already, it will see this change too.
        self.wake.as_ref().map(|wake| wake.try_send(()));
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
