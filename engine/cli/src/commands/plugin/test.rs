//! `plugin test`: a plugin is tried on its cases, or makes a call again that failed.

use std::path::{Path, PathBuf};

use docgenie_plugin_host::{CaseReport, Plugin, Sandbox};

use crate::{
    report::{self, Status, Stop},
    runner,
};

/// Where what the cases give is kept, below the plugin's folder.
const OUT: &str = "target/plugin-test";

/// Tries a built plugin.
pub(super) fn test(
    sandbox: &Sandbox,
    folder: &Path,
    out: Option<PathBuf>,
    bless: bool,
) -> Result<Status, Stop> {
    let plugin = Plugin::read(folder).map_err(super::stopped)?;
    let out = out.unwrap_or_else(|| folder.join(OUT));
    let reports = runner::runtime()?.block_on(plugin.test(sandbox, &out, bless));
    let reports = reports.map_err(super::stopped)?;
    let failed = reports
        .iter()
        .filter(|report| !report.faults.is_empty())
        .count();
    reports.iter().for_each(tell);
    report::talk(&format!(
        "{} of {} cases passed",
        reports.len() - failed,
        reports.len()
    ));
    Ok(if failed == 0 {
        Status::Done
    } else {
        Status::SomeFailed
    })
}

fn tell(case: &CaseReport) {
    let verdict = if case.faults.is_empty() {
        "ok"
    } else {
        "FAILED"
    };
    let spent = case.spent.as_secs_f64() * 1000.0;
    report::talk(&format!("{verdict:8}{:32}{spent:8.1} ms", case.name));
    for fault in &case.faults {
        report::talk(&format!("    {}", fault.replace('\n', "\n    ")));
    }
    for note in &case.notes {
        report::talk(&format!("    {note}"));
    }
    if let Some(kept) = &case.kept {
        report::talk(&format!("    {}", kept.display()));
    }
}

/// Makes a call again that failed.
pub(super) fn replay(sandbox: &Sandbox, folder: &Path, file: &Path) -> Result<Status, Stop> {
    let plugin = Plugin::read(folder).map_err(super::stopped)?;
    let answer = runner::runtime()?.block_on(plugin.replay(sandbox, file));
    match answer.map_err(super::stopped)? {
        Ok(answer) => {
            report::talk(&format!("the call succeeds now: {answer}"));
            Ok(Status::Done)
        }
        Err(failure) => {
            report::talk(&report::show(&failure.problem));
            Ok(Status::SomeFailed)
        }
    }
}
