//! The thread that flushes the index, so that nobody who has been journalled waits for it.

use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use super::{Shared, index::Index};

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
                // One that is behind is to be made anew: what it holds wants no flushing.
                if shared.behind().is_some() {
                    continue;
                }
                let flush = |index: &Index| {
                    if let Err(why) = index.flush() {
                        // Before the index is let go of, so that this is not said of the next one.
                        shared.fall_behind(why);
                    }
                    Ok(())
                };
                shared.with_index(flush).ok();
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
