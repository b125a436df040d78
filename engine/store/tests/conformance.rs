//! Every job store does the same.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use docgenie_runtime::job::{conformance::suite, memory::MemoryJobs};
use docgenie_store::home::{self, Opened};

#[tokio::test]
async fn memory_conforms() {
    suite(&MemoryJobs::new()).await;
}

#[tokio::test]
async fn sled_conforms() {
    let home = tempfile::tempdir().unwrap();
    let Opened::Owner(jobs) = home::open(home.path()).unwrap() else {
        panic!("a fresh home has no owner");
    };
    suite(&jobs).await;
}
