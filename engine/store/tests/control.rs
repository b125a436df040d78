//! Two processes on one home: the second asks the first.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests start a child and fail by panicking"
)]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use docgenie_runtime::job::{
    JobStore, RunId, RunState, StoreError,
    conformance::{ended, failed, started, succeeded},
};
use docgenie_store::{
    control::{ControlClient, ControlServer},
    home::{self, Opened},
    jobs::SledJobs,
};
use tempfile::TempDir;

/// Names the home in the environment of the child that is to hold it.
const CHILD_HOME: &str = "DOCGENIE_HOLDER_HOME";

fn owner(home: &Path) -> SledJobs {
    match home::open(home).unwrap() {
        Opened::Owner(jobs) => jobs,
        Opened::Held(client) => panic!("{}", client.held()),
    }
}

fn client(home: &Path) -> ControlClient {
    match home::open(home).unwrap() {
        Opened::Owner(_) => panic!("the home should have an owner"),
        Opened::Held(client) => client,
    }
}

/// A home with one run under way and one that has ended, its owner, and who was cancelled.
struct Scene {
    home: TempDir,
    jobs: Arc<SledJobs>,
    cancelled: Arc<Mutex<Vec<RunId>>>,
    server: ControlServer,
}

async fn scene() -> Scene {
    let home = tempfile::tempdir().unwrap();
    let jobs = Arc::new(owner(home.path()));
    for _ in 0..2 {
        let run = jobs.create(started(3)).await.unwrap();
        let events = vec![succeeded(0), failed(1)];
        jobs.append(run, events).await.unwrap();
    }
    let end = vec![ended(RunState::Completed)];
    jobs.append(RunId(1), end).await.unwrap();
    let cancelled = Arc::new(Mutex::new(Vec::new()));
    let cancel = {
        let cancelled = cancelled.clone();
        move |run| {
            cancelled.lock().unwrap().push(run);
            true
        }
    };
    let server = ControlServer::start(home.path(), jobs.clone(), Arc::new(cancel)).unwrap();
    Scene {
        home,
        jobs,
        cancelled,
        server,
    }
}

#[tokio::test]
async fn the_owner_answers_as_its_store_does() {
    let scene = scene().await;
    let client = client(scene.home.path());
    let jobs = &scene.jobs;
    let run = RunId(2);
    assert_eq!(
        client.runs(5, 0).await.unwrap(),
        jobs.runs(5, 0).await.unwrap()
    );
    assert_eq!(client.runs(5, 1).await.unwrap().len(), 1);
    assert_eq!(client.run(run).await.unwrap(), jobs.run(run).await.unwrap());
    assert_eq!(
        client.documents(run, 1, 5).await.unwrap(),
        jobs.documents(run, 1, 5).await.unwrap()
    );
    assert_eq!(
        client.dead_letters(run).await.unwrap(),
        jobs.dead_letters(run).await.unwrap()
    );
    let missing = client.run(RunId(9)).await;
    assert!(matches!(missing, Err(StoreError::NoSuchRun(RunId(9)))));
}

#[tokio::test]
async fn runs_are_cancelled_and_removed_through_the_owner() {
    let scene = scene().await;
    let client = client(scene.home.path());
    client.cancel(RunId(2)).await.unwrap();
    assert_eq!(*scene.cancelled.lock().unwrap(), [RunId(2)]);
    let ended = client.cancel(RunId(1)).await.unwrap_err();
    assert_eq!(ended.code().as_str(), "DG0203");
    assert!(client.cancel(RunId(9)).await.is_err());
    assert_eq!(scene.cancelled.lock().unwrap().len(), 1);

    let running = client.remove(RunId(2)).await.unwrap_err();
    let expected = scene.jobs.remove(RunId(2)).await.unwrap_err();
    assert_eq!(running.code().as_str(), "DG0203");
    assert_eq!(running.to_string(), expected.to_string());
    client.remove(RunId(1)).await.unwrap();
    let gone = scene.jobs.run(RunId(1)).await;
    assert!(matches!(gone, Err(StoreError::NoSuchRun(_))));
    assert!(client.create(started(1)).await.is_err());
}

#[tokio::test]
async fn the_socket_is_the_owners_alone_and_goes_with_it() {
    let scene = scene().await;
    let socket = scene.home.path().join("control.sock");
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(scene.server);
    assert!(!socket.exists());
    let client = client(scene.home.path());
    let error = client.runs(1, 0).await.unwrap_err();
    assert!(error.to_string().contains("asking process"), "{error}");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_deep_home_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("deep".repeat(60));
    let jobs = Arc::new(owner(&home));
    let short = folder.path().join("stale");
    drop(UnixListener::bind(&short).unwrap());
    std::fs::rename(short, home.join("control.sock")).unwrap();
    let _server = ControlServer::start(&home, jobs, Arc::new(|_| false)).unwrap();
    assert_eq!(client(&home).runs(1, 0).await.unwrap(), []);
}

#[tokio::test]
async fn bad_questions_and_silent_clients_hold_nobody_up() {
    let scene = scene().await;
    let socket = scene.home.path().join("control.sock");
    let silent: Vec<_> = (0..8)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    let ask = |question: Vec<u8>| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        tokio::task::spawn_blocking(move || {
            // The owner may stop listening before it has heard all of it.
            drop(stream.write_all(&question));
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer));
            answer
        })
    };
    for question in [
        &b"what?\n"[..],
        b"\n",
        b"{\"ask\":\"run\"}\n",
        b"\xff\xfe\n",
    ] {
        let answer = ask(question.to_vec()).await.unwrap();
        assert!(answer.starts_with("{\"refused\""), "{answer}");
    }
    let answer = ask(vec![b'x'; 1 << 20]).await.unwrap();
    assert!(!answer.starts_with("{\"value"), "{answer}");
    let asked = Instant::now();
    assert_eq!(client(scene.home.path()).runs(5, 0).await.unwrap().len(), 2);
    assert!(asked.elapsed() < Duration::from_secs(5));
    drop(silent);
}

#[test]
fn an_owner_that_cannot_be_asked_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let jobs = owner(home.path());
    let soon = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(jobs);
    });
    drop(owner(home.path()));
    soon.join().unwrap();
}

#[test]
fn a_second_process_is_told_who_holds_the_home() {
    if let Some(home) = env::var_os(CHILD_HOME) {
        let _jobs = owner(Path::new(&home));
        println!("\nheld");
        // Until the parent closes the pipe.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let name = "a_second_process_is_told_who_holds_the_home";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_HOME, home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line == "held"));

    let client = client(home.path());
    let held = client.held();
    assert_eq!(held.holder.pid, child.id());
    assert!(held.holder.command.contains("--exact"), "{held}");
    let text = held.to_string();
    assert!(text.contains(&child.id().to_string()), "{text}");
    assert_eq!(held.code().as_str(), "DG0207");

    drop(child.stdin.take());
    child.wait().unwrap();
    drop(owner(home.path()));
}
