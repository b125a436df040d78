//! The processes of a browser, found through `/proc`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

struct Process {
    parent: u32,
    group: u32,
    command: String,
}

/// The browser whose profile is in `home`, its wrapper and warden, and all their descendants.
pub(crate) fn family(home: &Path) -> BTreeSet<u32> {
    members(&living(), home)
}

/// Kills those of the family whose command line has this argument; returns how many.
pub(crate) fn kill(home: &Path, argument: &str) -> usize {
    let processes = living();
    let mut meant = members(&processes, home);
    meant.retain(|id| processes[id].command.contains(argument));
    for id in &meant {
        let id = Pid::from_raw(i32::try_from(*id).unwrap()).unwrap();
        // One that is gone in the meantime was killed by the death of another.
        let _ = kill_process(id, Signal::KILL);
    }
    meant.len()
}

fn members(processes: &BTreeMap<u32, Process>, home: &Path) -> BTreeSet<u32> {
    let home = home.to_str().unwrap();
    let named = processes.values().filter(|it| it.command.contains(home));
    let groups: BTreeSet<u32> = named.map(|it| it.group).collect();
    let mut found = BTreeSet::new();
    loop {
        let related = |it: &Process| groups.contains(&it.group) || found.contains(&it.parent);
        let all = processes.iter().filter(|(_, it)| related(it));
        let all: BTreeSet<u32> = all.map(|(id, _)| *id).collect();
        if all.len() == found.len() {
            return found;
        }
        found = all;
    }
}

/// Waits until none of these processes lives.
pub(crate) fn wait_for_end(family: &BTreeSet<u32>, limit: Duration) -> BTreeSet<u32> {
    let start = Instant::now();
    loop {
        let processes = living();
        let left: BTreeSet<u32> = family
            .iter()
            .copied()
            .filter(|id| processes.contains_key(id))
            .collect();
        if left.is_empty() || start.elapsed() > limit {
            return left;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn living() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        // The name in brackets may hold anything; behind it: state, parent, group.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let process = Process {
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            command: String::from_utf8_lossy(&command).replace('\0', " "),
        };
        (state != "Z").then_some((id, process))
    })
    .collect()
}
