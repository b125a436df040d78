//! `doctor`: what the engine needs on this machine, and how to get what is missing.

use std::{path::Path, time::Duration};

use docgenie_guard::child::{self, Launch};
use docgenie_runtime::files;
use docgenie_stages::{author, ocr};

use crate::{
    report::{self, Status, Stop},
    runner,
};

/// Less free space than this is worth a warning: a thousand pages with images take about as much.
const ENOUGH_DISK: u64 = 2 << 30;
/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found of one need.
enum Finding {
    Good(String),
    /// Runs work, with less.
    Poor(String, String),
    /// Runs that need it fail.
    Missing(String, String),
}

pub(super) fn doctor(home: &Path) -> Result<Status, Stop> {
    let runtime = runner::runtime()?;
    let findings = [
        ("state", state(home)),
        ("disk", disk(home)),
        ("browser", runtime.block_on(browser(home))),
        ("fonts", fonts()),
        ("tesseract", tesseract()),
        ("models", Finding::Good("none needed yet".to_owned())),
    ];
    let mut status = Status::Done;
    for (need, finding) in findings {
        let (mark, found, cure) = match finding {
            Finding::Good(found) => ("ok  ", found, None),
            Finding::Poor(found, cure) => ("warn", found, Some(cure)),
            Finding::Missing(found, cure) => {
                status = Status::Environment;
                ("MISS", found, Some(cure))
            }
        };
        report::data(&format!("{mark}  {need:<10} {found}"));
        if let Some(cure) = cure {
            report::data(&format!("      {:<10} cure: {cure}", ""));
        }
    }
    Ok(status)
}

fn state(home: &Path) -> Finding {
    let probe = home.join("probe");
    let made = std::fs::create_dir_all(home);
    let written = made.and_then(|()| files::write_atomically(&probe, b"probe"));
    match written.and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Finding::Good(home.display().to_string()),
        Err(error) => Finding::Missing(
            format!("{}: {error}", home.display()),
            "set DOCGENIE_HOME to a folder that can be written".to_owned(),
        ),
    }
}

fn disk(home: &Path) -> Finding {
    match rustix::fs::statvfs(home) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let found = format!("{} free", report::bytes(free));
            if free >= ENOUGH_DISK {
                Finding::Good(found)
            } else {
                Finding::Poor(
                    found,
                    "docgenie-engine cache prune --keep 1G, or another DOCGENIE_HOME".to_owned(),
                )
            }
        }
        Err(error) => Finding::Poor(format!("unknown: {error}"), "check the disk".to_owned()),
    }
}

async fn browser(home: &Path) -> Finding {
    match docgenie_render::probe(home).await {
        Ok(found) => Finding::Good(format!("{}  {}", found.version, found.path.display())),
        Err(error) => Finding::Missing(error.to_string(), error.hint()),
    }
}

fn fonts() -> Finding {
    let listed = child::output(&Launch::new("fc-list").args([":", "family"]), PATIENCE);
    let listed = match listed {
        Ok(listed) => String::from_utf8_lossy(&listed).into_owned(),
        Err(error) => {
            return Finding::Missing(
                format!("fc-list does not run: {error}"),
                "apt-get install fontconfig".to_owned(),
            );
        }
    };
    let families: Vec<&str> = listed
        .lines()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let wanted = author::font_families();
    let missing: Vec<&str> = wanted
        .iter()
        .map(String::as_str)
        .filter(|family| !families.contains(family))
        .collect();
    if missing.is_empty() {
        Finding::Good(format!(
            "all {} families that the templates name",
            wanted.len()
        ))
    } else {
        Finding::Poor(
            format!(
                "templates name families that are not installed: {}",
                missing.join(", ")
            ),
            "make setup, or install the packages of scripts/packages/run".to_owned(),
        )
    }
}

fn tesseract() -> Finding {
    match ocr::probe() {
        Ok(found) => {
            let languages: Vec<String> = found
                .data
                .installed()
                .iter()
                .map(ToString::to_string)
                .collect();
            Finding::Good(format!(
                "{}  languages: {}",
                found.version,
                languages.join(" ")
            ))
        }
        Err(error) => Finding::Missing(error.to_string(), error.hint()),
    }
}
