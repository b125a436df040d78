//! The job store on sled: what opening puts right, and how large it may grow.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests damage files and fail by panicking"
)]

use std::{fs, path::Path};

use docgenie_runtime::job::{
    JobStore, RunId, RunState,
    conformance::{ended, started, succeeded},
};
use docgenie_store::{
    home::{self, Opened},
    jobs::{Recovery, SledJobs},
};
use tempfile::TempDir;

fn open(home: &Path) -> SledJobs {
    match home::open(home).unwrap() {
        Opened::Owner(jobs) => jobs,
        Opened::Held(client) => panic!("{}", client.held()),
    }
}

/// A home with runs that have succeeded in this many documents each.
async fn home_with(runs: &[u64]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let jobs = open(home.path());
    for documents in runs {
        let run = jobs.create(started(*documents)).await.unwrap();
        let events = (0..*documents).map(succeeded).collect();
        jobs.append(run, events).await.unwrap();
        let end = vec![ended(RunState::Completed)];
        jobs.append(run, end).await.unwrap();
    }
    home
}

async fn counts(jobs: &SledJobs) -> Vec<(u64, usize)> {
    let mut counts = Vec::new();
    for run in jobs.runs(usize::MAX, 0).await.unwrap() {
        let documents = jobs.documents(run.id, 0, usize::MAX).await.unwrap();
        assert_eq!(run.succeeded, documents.len() as u64, "{}", run.id);
        counts.push((run.id.0, documents.len()));
    }
    counts.sort_unstable();
    counts
}

fn journal(home: &Path, run: u64) -> std::path::PathBuf {
    home.join(format!("jobs/journal/run-{run}.jsonl"))
}

fn edit(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    edit(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Damages a home of two runs with 3 and 2 documents, then opens it twice.
async fn check(damage: impl FnOnce(&Path), left: &[(u64, usize)], expected: Recovery) {
    let home = home_with(&[3, 2]).await;
    damage(home.path());
    let jobs = open(home.path());
    let mut recovery = jobs.recovery().clone();
    // The reason is sled's and differs from case to case.
    recovery.rebuilt = recovery.rebuilt.map(|_| String::new());
    assert_eq!(recovery, expected);
    assert_eq!(counts(&jobs).await, left);
    drop(jobs);
    let jobs = open(home.path());
    assert_eq!(jobs.recovery(), &Recovery::default());
    assert_eq!(counts(&jobs).await, left);
}

fn rebuilt() -> Recovery {
    Recovery {
        rebuilt: Some(String::new()),
        ..Recovery::default()
    }
}

fn repaired(run: u64) -> Recovery {
    Recovery {
        repaired: vec![RunId(run)],
        ..Recovery::default()
    }
}

/// Makes the index impossible to open.
fn break_index(home: &Path) {
    edit(&home.join("jobs/index/conf"), |it| it.fill(0xff));
}

/// Makes the index forget.
fn blank_index(home: &Path) {
    edit(&home.join("jobs/index/db"), |it| it.fill(0x5a));
}

/// Behind the first line break, where the second line begins.
fn second_line(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').unwrap() + 1
}

#[tokio::test]
async fn each_half_is_made_anew_from_the_other() {
    let whole = [(1, 3), (2, 2)];
    check(|_| {}, &whole, Recovery::default()).await;

    let tail = |home: &Path| edit(&journal(home, 1), |it| it.extend(b"1234abcd 9 {\"event"));
    check(tail, &whole, Recovery::default()).await;
    let flip = |home: &Path| {
        edit(&journal(home, 1), |it| {
            let at = second_line(it) + 30;
            it[at] ^= 4;
        });
    };
    check(flip, &whole, repaired(1)).await;
    let cut = |home: &Path| edit(&journal(home, 2), |it| it.truncate(second_line(it)));
    check(cut, &whole, repaired(2)).await;
    let empty = |home: &Path| edit(&journal(home, 2), Vec::clear);
    check(empty, &whole, repaired(2)).await;
    let no_journals = |home: &Path| fs::remove_dir_all(home.join("jobs/journal")).unwrap();
    let both = Recovery {
        repaired: vec![RunId(1), RunId(2)],
        ..Recovery::default()
    };
    check(no_journals, &whole, both).await;

    check(break_index, &whole, rebuilt()).await;
    // sled takes such a file for an empty one and says nothing.
    check(blank_index, &whole, Recovery::default()).await;
}

#[tokio::test]
async fn an_index_that_is_gone_is_made_anew() {
    let home = home_with(&[3, 2]).await;
    fs::remove_dir_all(home.path().join("jobs/index")).unwrap();
    assert_eq!(counts(&open(home.path())).await, [(1, 3), (2, 2)]);
}

#[tokio::test]
async fn what_both_halves_have_lost_is_named() {
    for (index, recovery) in [
        (break_index as fn(&Path), rebuilt()),
        (blank_index, Recovery::default()),
    ] {
        let both = |line: usize| {
            move |home: &Path| {
                index(home);
                edit(&journal(home, 1), |it| {
                    let at = if line == 1 { 30 } else { second_line(it) + 30 };
                    it[at] ^= 4;
                });
            }
        };
        let lost = Recovery {
            lost: vec![RunId(1)],
            ..recovery
        };
        check(both(2), &[(1, 2), (2, 2)], lost.clone()).await;
        check(both(1), &[(2, 2)], lost).await;
    }
}

#[tokio::test]
async fn a_damaged_index_is_kept_for_inspection() {
    let home = home_with(&[1]).await;
    for _ in 0..2 {
        break_index(home.path());
        assert_eq!(counts(&open(home.path())).await, [(1, 1)]);
    }
    let aside = fs::read(home.path().join("jobs/index.corrupt/conf")).unwrap();
    assert!(aside.iter().all(|byte| *byte == 0xff));
}

#[tokio::test]
async fn a_run_whose_process_died_is_interrupted() {
    let home = tempfile::tempdir().unwrap();
    let jobs = open(home.path());
    let run = jobs.create(started(2)).await.unwrap();
    jobs.append(run, vec![succeeded(0)]).await.unwrap();
    drop(jobs);

    let jobs = open(home.path());
    assert_eq!(jobs.recovery().interrupted, [run]);
    let record = jobs.run(run).await.unwrap();
    assert_eq!(record.state, RunState::Interrupted);
    assert_eq!(record.succeeded, 1);
    drop(jobs);
    assert_eq!(open(home.path()).recovery(), &Recovery::default());
}

#[tokio::test]
async fn names_are_not_given_twice() {
    let home = home_with(&[1, 1]).await;
    let jobs = open(home.path());
    jobs.remove(RunId(2)).await.unwrap();
    drop(jobs);
    let jobs = open(home.path());
    assert_eq!(jobs.create(started(1)).await.unwrap(), RunId(3));
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_fails_its_run_only() {
    let home = tempfile::tempdir().unwrap();
    let jobs = open(home.path());
    fs::create_dir(journal(home.path(), 1)).unwrap();
    let error = jobs.create(started(1)).await.unwrap_err();
    assert_eq!(error.code().as_str(), "DG0204");
    let run = jobs.create(started(1)).await.unwrap();
    jobs.append(run, vec![succeeded(0)]).await.unwrap();
    assert_eq!(counts(&jobs).await, [(run.0, 1)]);
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_costs_its_run_only() {
    let foreign = |path: &Path| {
        let body = "1 {\"event\":\"forked\"}";
        let line = format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()));
        fs::write(path, line).unwrap();
    };
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    for (make, index, why) in [
        (
            &foreign as &dyn Fn(&Path),
            false,
            "another version of the engine",
        ),
        (&folder, false, "directory"),
        (&folder, true, "directory"),
    ] {
        let home = home_with(&[1, 2]).await;
        let path = journal(home.path(), 2);
        fs::remove_file(&path).unwrap();
        make(&path);
        if !index {
            fs::remove_dir_all(home.path().join("jobs/index")).unwrap();
        }
        // It stays as it is, however often the home is opened.
        for _ in 0..2 {
            let jobs = open(home.path());
            let [(run, told)] = &jobs.recovery().unreadable[..] else {
                panic!("{:?}", jobs.recovery());
            };
            assert_eq!(*run, RunId(2));
            assert!(told.contains(why), "{told}");
            assert_eq!(counts(&jobs).await, [(1, 1)]);
        }
        let jobs = open(home.path());
        assert_eq!(jobs.create(started(1)).await.unwrap(), RunId(3));
        assert!(path.exists());
    }
}

#[tokio::test]
async fn a_home_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("file");
    fs::write(&home, b"").unwrap();
    let Err(error) = home::open(&home) else {
        panic!("a file is no home");
    };
    assert!(error.to_string().contains("file"), "{error}");
    assert_eq!(error.code().as_str(), "DG0205");
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let bytes = entries.map(|path| match path.metadata().unwrap() {
        it if it.is_dir() => bytes_below(&path),
        it => it.len(),
    });
    bytes.sum()
}

/// 20,000 events, one in each flush of 40, leave at most 16 MiB behind; once their runs are removed
/// and the store is opened again, at most 8.
#[tokio::test]
async fn growth_is_bounded() {
    const MIB: u64 = 1 << 20;
    let home = tempfile::tempdir().unwrap();
    let jobs = open(home.path());
    for run in 1..=20 {
        let id = jobs.create(started(1_000)).await.unwrap();
        for first in (0..1_000).step_by(40) {
            let events = (first..first + 40).map(succeeded).collect();
            jobs.append(id, events).await.unwrap();
        }
        jobs.append(id, vec![ended(RunState::Completed)])
            .await
            .unwrap();
        assert_eq!(id, RunId(run));
    }
    let full = bytes_below(home.path());
    for run in 1..=20 {
        jobs.remove(RunId(run)).await.unwrap();
    }
    drop(jobs);
    let jobs = open(home.path());
    let empty = bytes_below(home.path());
    assert_eq!(jobs.runs(1, 0).await.unwrap(), []);
    assert!(full <= 16 * MIB, "20,000 events take {full} bytes");
    assert!(empty <= 8 * MIB, "no events take {empty} bytes");
}
