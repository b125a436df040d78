//! Nothing that was acknowledged is lost: not to `kill -9`, not to damage of any one file.
//!
//! `DOCGENIE_CHAOS_ROUNDS` sets the number of kills, 100 if absent, and twice that of damages.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests start and kill a child, damage files and fail by panicking"
)]

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use docgenie_runtime::job::{
    DocumentRecord, JobStore, RunId, RunRecord, RunState,
    conformance::{ended, failed, started, succeeded},
};
use docgenie_store::{
    home::{self, Opened},
    jobs::{Recovery, SledJobs},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Runtime;

/// Names the home in the environment of the child that is to be killed.
const CHILD_HOME: &str = "DOCGENIE_CHAOS_HOME";
const DOCUMENTS_OF_A_RUN: u64 = 60;

fn rounds() -> u32 {
    env::var("DOCGENIE_CHAOS_ROUNDS").map_or(100, |it| it.parse().unwrap())
}

#[test]
fn acknowledged_events_survive_a_kill() {
    if let Some(home) = env::var_os(CHILD_HOME) {
        return work_until_killed(Path::new(&home));
    }
    let home = tempfile::tempdir().unwrap();
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut acknowledged = Acknowledged::default();
    for round in 0..rounds() {
        let moment = Duration::from_millis(chance.random_range(0..60));
        acknowledged.learn(&kill(home.path(), round % 3 > 0, moment));
        let (jobs, recovery) = contents(home.path());
        assert_eq!(recovery.lost, [], "round {round}");
        acknowledged.verify(&jobs, &format!("round {round}"));
        let open = jobs.values().filter(|it| !it.0.state.terminal());
        assert_eq!(open.count(), 0, "round {round}: a dead run is under way");
    }
    assert!(
        acknowledged.events > u64::from(rounds()),
        "too little was done"
    );
}

#[test]
fn damage_to_any_one_file_loses_nothing() {
    let unclean = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    acknowledged.learn(&kill(unclean.path(), true, Duration::from_millis(400)));
    let clean = copy(unclean.path());
    let (expected, _) = contents(clean.path());
    acknowledged.verify(&expected, "before any damage");

    let mut chance = ChaCha8Rng::seed_from_u64(2);
    let mut noticed = 0;
    for round in 0..rounds().div_ceil(2) {
        let from_clean = round % 2 == 0;
        let home = copy(if from_clean { &clean } else { &unclean }.path());
        let what = format!("round {round}: {}", damage(home.path(), &mut chance));
        let (jobs, recovery) = contents(home.path());
        noticed += u32::from(recovery.rebuilt.is_some() || !recovery.repaired.is_empty());
        if from_clean {
            assert!(jobs == expected, "{what}: something is not as it was");
            assert_eq!(recovery.lost, [], "{what}");
        } else {
            // What was under way at the kill may be in the journal alone, and go with it.
            acknowledged.verify(&jobs, &what);
        }
        // What was repaired is whole.
        let (again, recovery) = contents(home.path());
        assert_eq!(recovery, Recovery::default(), "{what}");
        assert!(again == jobs, "{what}: repaired for one opening only");
    }
    assert!(noticed > rounds() / 10, "hardly any damage was noticed");
}

fn open(home: &Path) -> SledJobs {
    match home::open(home).unwrap() {
        Opened::Owner(jobs) => jobs,
        Opened::Held(client) => panic!("{}", client.held()),
    }
}

type Contents = BTreeMap<RunId, (RunRecord, Vec<DocumentRecord>)>;

/// All that a store holds, and what opening it had to put right.
fn contents(home: &Path) -> (Contents, Recovery) {
    let runtime = Runtime::new().unwrap();
    let jobs = open(home);
    let contents = runtime.block_on(async {
        let mut contents = Contents::new();
        for run in jobs.runs(usize::MAX, 0).await.unwrap() {
            let documents = jobs.documents(run.id, 0, usize::MAX).await.unwrap();
            contents.insert(run.id, (run, documents));
        }
        contents
    });
    (contents, jobs.recovery().clone())
}

/// Two tasks begin, fill, end and remove runs and print what was acknowledged.
fn work_until_killed(home: &Path) {
    let jobs = Arc::new(open(home));
    let work = async |jobs: Arc<SledJobs>| {
        for _ in 0..u64::MAX {
            let run = jobs.create(started(DOCUMENTS_OF_A_RUN)).await.unwrap();
            println!("acknowledged created {}", run.0);
            let mut next = 0;
            while next < DOCUMENTS_OF_A_RUN {
                let until = (next + 1 + next % 5).min(DOCUMENTS_OF_A_RUN);
                let outcome = |index| match index % 7 {
                    0 => failed(index),
                    _ => succeeded(index),
                };
                let events = (next..until).map(outcome).collect();
                jobs.append(run, events).await.unwrap();
                println!("acknowledged documents {} {until}", run.0);
                next = until;
            }
            jobs.append(run, vec![ended(RunState::Completed)])
                .await
                .unwrap();
            println!("acknowledged ended {}", run.0);
            if run.0 % 4 != 0 {
                println!("acknowledged removing {}", run.0);
                jobs.remove(run).await.unwrap();
                println!("acknowledged removed {}", run.0);
            }
        }
    };
    let runtime = Runtime::new().unwrap();
    let both = async { tokio::join!(work(jobs.clone()), work(jobs)) };
    runtime.block_on(both);
}

/// Starts the child and kills it some time after its start or its first acknowledgement; returns
/// what it has printed.
fn kill(home: &Path, after_first: bool, moment: Duration) -> Vec<String> {
    let mut child: Child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "acknowledged_events_survive_a_kill",
            "--nocapture",
        ])
        .env(CHILD_HOME, home)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines
        .map_while(Result::ok)
        .filter_map(|line| Some(line.split_once("acknowledged ")?.1.to_owned()));
    let mut printed = Vec::new();
    if after_first {
        printed.extend(lines.next());
    }
    // A full pipe must not hold the child up.
    let reader = thread::spawn(move || lines.collect::<Vec<_>>());
    thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    printed.extend(reader.join().unwrap());
    printed
}

/// What children have been told is durable.
#[derive(Default)]
struct Acknowledged {
    runs: BTreeMap<RunId, Fate>,
    events: u64,
}

#[derive(Default)]
struct Fate {
    documents: u64,
    ended: bool,
    removing: bool,
    removed: bool,
}

impl Acknowledged {
    fn learn(&mut self, lines: &[String]) {
        for line in lines {
            let mut words = line.split(' ');
            let what = words.next().unwrap();
            let mut number = || words.next().unwrap().parse::<u64>().unwrap();
            let fate = self.runs.entry(RunId(number())).or_default();
            match what {
                "created" => assert!(!fate.ended, "`{line}`: a name is given twice"),
                "documents" => fate.documents = number(),
                "ended" => fate.ended = true,
                "removing" => fate.removing = true,
                "removed" => fate.removed = true,
                _ => panic!("`{line}` is not understood"),
            }
            self.events += 1;
        }
    }

    fn verify(&self, jobs: &Contents, when: &str) {
        for (run, fate) in &self.runs {
            let Some((record, documents)) = jobs.get(run) else {
                assert!(fate.removing, "{when}: {run} is lost");
                continue;
            };
            assert!(!fate.removed, "{when}: {run} is back");
            assert_eq!(record.succeeded + record.failed, documents.len() as u64);
            let indices: Vec<_> = documents.iter().map(|it| it.document.index()).collect();
            // Behind those acknowledged, damage may leave gaps between those under way at the kill.
            let first = indices
                .iter()
                .copied()
                .take_while(|it| *it < fate.documents);
            assert!(first.eq(0..fate.documents), "{when}: {run}: {indices:?}");
            assert!(indices.is_sorted_by(|a, b| a < b), "{when}: {run}");
            for document in documents {
                let fails = document.document.index() % 7 == 0;
                assert_eq!(document.failure.is_some(), fails, "{when}: {run}");
            }
            let state = record.state;
            assert!(
                state == RunState::Completed || (state == RunState::Interrupted && !fate.ended),
                "{when}: {run} is {state:?}"
            );
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

fn copy(home: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(home) {
        let to = copy.path().join(file.strip_prefix(home).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    copy
}

/// Flips a byte of a file or cuts it off somewhere; says what it did.
fn damage(home: &Path, chance: &mut ChaCha8Rng) -> String {
    let files = files(&home.join("jobs"));
    let files: Vec<_> = files
        .iter()
        .filter(|file| file.metadata().unwrap().len() > 0)
        .collect();
    // Every other time the index, which is few files beside many journals.
    let index = |file: &Path| file.parent().and_then(Path::file_name) == Some(OsStr::new("index"));
    let indexed = chance.random_bool(0.5);
    let pool: Vec<_> = files.iter().filter(|it| index(it) == indexed).collect();
    let file = pool[chance.random_range(0..pool.len())];
    let mut bytes = fs::read(file).unwrap();
    let at = chance.random_range(0..bytes.len());
    let what = if chance.random_bool(0.3) {
        bytes.truncate(at);
        "cut off"
    } else {
        // sled's files are mostly zeros, and a flip among those tells little.
        let written = (0..bytes.len()).cycle().skip(at).take(bytes.len());
        let at = written.clone().find(|at| bytes[*at] != 0).unwrap_or(at);
        bytes[at] ^= 1 << chance.random_range(0..8);
        "flipped a byte of"
    };
    fs::write(file, bytes).unwrap();
    format!("{what} {} at {at}", file.display())
}
