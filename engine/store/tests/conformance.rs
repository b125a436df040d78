//! Every job store does the same.

use docgenie_runtime::job::{conformance::suite, memory::MemoryJobs};

#[tokio::test]
async fn memory_conforms() {
    suite(&MemoryJobs::new()).await;
}
