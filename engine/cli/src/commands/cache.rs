//! `cache`: the artifact store.

use std::path::Path;

use crate::{
    args::CacheCommand,
    report::{self, Status, Stop},
    runner,
};

pub(super) fn cache(command: &CacheCommand, home: &Path) -> Result<Status, Stop> {
    match command {
        CacheCommand::Show => {
            let usage = runner::cache_usage(home)?;
            report::data(&format!(
                "{} in {} artifacts, {} remembered results\n{}",
                report::bytes(usage.artifacts.bytes),
                usage.artifacts.files,
                usage.memos.files,
                home.join("artifacts").display(),
            ));
        }
        CacheCommand::Prune { keep } => {
            let removed = runner::cache_prune(home, *keep)?;
            report::data(&format!(
                "removed {} in {} artifacts",
                report::bytes(removed.artifacts.bytes),
                removed.artifacts.files
            ));
        }
    }
    Ok(Status::Done)
}
