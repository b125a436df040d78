//! Documents from language models, whose interfaces `tests/python/model_server.py` stands in for.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    program::{engine, output, program},
    runs::{refused, signal, wait},
};

/// A stand-in for the interfaces, with a folder for its script and its log.
struct Server {
    folder: TempDir,
    child: Child,
    address: String,
}

impl Server {
    fn start(script: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("script.json"), &script.to_string());
        let mut python = program("python3");
        python
            .arg("tests/python/model_server.py")
            .arg(folder.path());
        let mut child = python.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        let printed = child.stdout.as_mut().unwrap();
        BufReader::new(printed).read_line(&mut port).unwrap();
        let address = format!("http://127.0.0.1:{}", port.trim());
        Self {
            folder,
            child,
            address,
        }
    }

    fn rescript(&self, script: &Value) {
        write(&self.folder.path().join("script.json"), &script.to_string());
    }

    /// The requests so far that begin so.
    fn requests(&self, method: &str, path: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join("log.jsonl")).unwrap_or_default();
        let requests = log.lines().map(|line| serde_json::from_str(line).unwrap());
        requests
            .filter(|it: &Value| it["method"] == method && it["path"] == path)
            .collect()
    }

    fn created(&self) -> usize {
        self.requests("POST", "/v1/messages/batches").len()
    }

    /// The engine with a key for this server.
    fn engine(&self, home: &TempDir) -> Command {
        let mut command = engine(home);
        command
            .env("ANTHROPIC_BASE_URL", &self.address)
            .env("ANTHROPIC_API_KEY", "sk-test")
            .env("OPENAI_BASE_URL", format!("{}/v1", self.address))
            .env("OPENAI_API_KEY", "sk-test")
            .env("BATCH_POLL_INTERVAL", "0.1")
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[allow(clippy::disallowed_methods, reason = "a user's file")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// A home with a pipeline whose documents are written so.
struct Bench {
    home: TempDir,
    file: PathBuf,
}

impl Bench {
    fn new(with: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("pipeline.toml");
        let stages = ["render", "boxes", "raster", "verify", "analyse", "package"];
        let stages = stages.map(|it| format!("[[stage]]\nuses = '{it}'\n"));
        let author = format!("[[stage]]\nuses = 'author'\nwith = {{ {with} }}\n");
        write(
            &file,
            &format!("name = 'letters'\n{author}{}", stages.concat()),
        );
        Self { home, file }
    }

    fn out(&self) -> PathBuf {
        self.home.path().join("out")
    }

    fn run<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let command = command.arg("run").arg(&self.file).args(["--seed", "7"]);
        command.arg("--out").arg(self.out())
    }

    /// Runs it to a good end and gives the last event.
    #[track_caller]
    fn made(&self, server: &Server) -> Value {
        let mut command = server.engine(&self.home);
        let printed = output(self.run(&mut command).args(["--format", "json"]));
        serde_json::from_str(printed.lines().last().unwrap()).unwrap()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.out().join(path)).unwrap()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path)).unwrap()
    }

    fn answers(&self) -> usize {
        fs::read_dir(self.home.path().join("answers")).map_or(0, Iterator::count)
    }
}

const FIVE: &str = "provider = 'anthropic', doc_type = 'receipt', count = 5";

#[test]
fn messages_become_documents_and_are_asked_for_once() {
    let server = Server::start(&json!({}));
    let bench = Bench::new(FIVE);
    let finished = bench.made(&server);
    assert_eq!(finished["succeeded"], 5);
    // Three documents an answer, and two.
    let asked = server.requests("POST", "/v1/messages");
    assert_eq!((asked.len(), bench.answers()), (2, 2));
    assert_eq!(asked[0]["body"]["model"], "claude-sonnet-4-5-20250929");
    assert!(bench.read("html/document_4.html").contains("S2-1"));
    let tokens = &bench.json("analysis/dataset.json")["token_usage"];
    let expected = json!({
        "documents": 5, "models": {"claude-sonnet-4-5-20250929": 5},
        "input_tokens": 2000, "output_tokens": 6000, "cost_usd": 0.096
    });
    assert_eq!(*tokens, expected);

    // A rerun asks nobody, even where all else is made anew; nor does one without a key.
    let mut fresh = server.engine(&bench.home);
    output(bench.run(&mut fresh).arg("--fresh"));
    assert_eq!(server.requests("POST", "/v1/messages").len(), 2);
    let replay = Bench::new(&FIVE.replace("anthropic", "recorded"));
    let answers = replay.home.path().join("answers");
    output(
        program("cp")
            .arg("-r")
            .arg(bench.home.path().join("answers"))
            .arg(answers),
    );
    output(replay.run(&mut engine(&replay.home)));
    assert_eq!(
        replay.read("html/document_5.html"),
        bench.read("html/document_5.html")
    );
}

/// The boxes of what a model has marked and answered are found.
#[test]
fn answers_get_their_places() {
    let server = Server::start(&json!({}));
    let bench = Bench::new("provider = 'anthropic', count = 2");
    bench.made(&server);
    let truth = bench.json("annotations/gt/document_2.json").to_string();
    assert!(truth.contains("S1-2"), "{truth}");
    let verified = bench.json("annotations/gt_verification/document_2.json");
    assert_eq!(verified["passed"], true, "{verified}");
}

#[test]
fn busy_moments_pass() {
    let busy = json!({"status": 529, "type": "overloaded_error", "message": "Overloaded", "retry_after": 0});
    let limit = json!({"status": 429, "type": "rate_limit_error", "retry_after": 0.2});
    let broken = json!({"status": 500, "type": "api_error"});
    let server = Server::start(&json!({"faults": [busy, limit, broken]}));
    let bench = Bench::new(FIVE);
    assert_eq!(bench.made(&server)["succeeded"], 5);
    assert_eq!(server.requests("POST", "/v1/messages").len(), 5);

    let server = Server::start(&json!({"faults": vec![busy; 100]}));
    let bench = Bench::new("provider = 'anthropic', count = 1");
    refused(bench.run(&mut server.engine(&bench.home)), 1, "DG0633");
    assert_eq!(server.requests("POST", "/v1/messages").len(), 8);
}

#[test]
fn what_does_not_pass_is_told_at_once() {
    let server = Server::start(&json!({}));
    let bench = Bench::new(FIVE);
    let mut keyless = server.engine(&bench.home);
    let keyless = keyless.env_remove("ANTHROPIC_API_KEY");
    refused(bench.run(keyless), 3, "DG0630");
    let mut wrong = server.engine(&bench.home);
    refused(
        bench.run(wrong.env("ANTHROPIC_API_KEY", "sk-wrong")),
        3,
        "DG0631",
    );
    let unknown = Bench::new("provider = 'anthropic', model = 'claude-none', count = 1");
    refused(unknown.run(&mut server.engine(&unknown.home)), 3, "DG0632");
    let unnamed = Bench::new("provider = 'openai', count = 1");
    refused(unnamed.run(&mut server.engine(&unnamed.home)), 2, "DG0104");
    let unrecorded = Bench::new("provider = 'recorded', count = 1");
    refused(
        unrecorded.run(&mut server.engine(&unrecorded.home)),
        1,
        "DG0637",
    );
    let old = Bench::new("provider = 'anthropic', model = 'claude-3-5-sonnet-20241022', count = 3");
    assert_eq!(old.made(&server)["succeeded"], 3);

    let spent = json!({"status": 400, "type": "invalid_request_error", "message": "credit balance too low"});
    let server = Server::start(&json!({"faults": [spent]}));
    let bench = Bench::new("provider = 'anthropic', count = 1");
    refused(bench.run(&mut server.engine(&bench.home)), 1, "DG0638");
}

#[test]
fn stop_reasons() {
    let server = Server::start(&json!({"stop_reason": "refusal"}));
    let bench = Bench::new("provider = 'anthropic', count = 2");
    refused(bench.run(&mut server.engine(&bench.home)), 1, "DG0634");
    assert_eq!(server.requests("POST", "/v1/messages").len(), 1);

    let cut = "<!DOCTYPE html><html lang='en'><body><p>Number <b data-field='n'>4";
    let server = Server::start(&json!({"stop_reason": "max_tokens", "text": cut}));
    let bench = Bench::new("provider = 'anthropic', count = 1");
    refused(bench.run(&mut server.engine(&bench.home)), 1, "DG0635");
    // What was missing has been asked for once more.
    assert_eq!(server.requests("POST", "/v1/messages").len(), 2);
}

#[test]
fn missing_documents_are_asked_for_once_more() {
    let server = Server::start(&json!({"missing": 2}));
    let bench = Bench::new("provider = 'anthropic', count = 3");
    assert_eq!(bench.made(&server)["succeeded"], 3);
    let asked = server.requests("POST", "/v1/messages");
    assert_eq!(asked.len(), 2);
    assert!(asked[1].to_string().contains("Write 2 different documents"));
    assert!(bench.read("html/document_3.html").contains("S1-2b"));
}

#[test]
fn completions_become_documents() {
    let server = Server::start(&json!({}));
    let bench = Bench::new("provider = 'openai', model = 'local', count = 3");
    assert_eq!(bench.made(&server)["succeeded"], 3);
    let asked = server.requests("POST", "/v1/chat/completions");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["headers"]["authorization"], "Bearer sk-test");
    let tokens = &bench.json("analysis/dataset.json")["token_usage"];
    assert_eq!(
        (&tokens["output_tokens"], &tokens["cost_usd"]),
        (&json!(2000), &Value::Null)
    );
}

const BATCH: &str = "provider = 'anthropic-batch', doc_type = 'receipt', count = 7";

#[test]
fn a_batch_holds_what_is_asked_at_a_time() {
    let server = Server::start(&json!({"polls": 2, "cut_results": 1}));
    let bench = Bench::new(BATCH);
    assert_eq!(bench.made(&server)["succeeded"], 7);
    assert_eq!((server.created(), bench.answers()), (1, 3));
    let tokens = &bench.json("analysis/dataset.json")["token_usage"];
    assert_eq!(tokens["cost_usd"], json!(0.072));
    let left = fs::read_dir(bench.home.path().join("batches")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn expired_and_overloaded_questions_go_into_another_batch() {
    let server =
        Server::start(&json!({"outcomes": ["expired", "succeeded", "overloaded", "expired"]}));
    let bench = Bench::new(BATCH);
    assert_eq!(bench.made(&server)["succeeded"], 7);
    let sizes: Vec<usize> = server
        .requests("POST", "/v1/messages/batches")
        .iter()
        .map(|it| it["body"]["requests"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [3, 2, 1]);

    // What the others have is used.
    let server = Server::start(&json!({"outcomes": ["errored", "canceled"]}));
    let bench = Bench::new(BATCH);
    let mut command = server.engine(&bench.home);
    let command = bench.run(&mut command).args(["--format", "json"]);
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let printed = String::from_utf8(ended.stdout).unwrap();
    let finished: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert!(
        (1..=3).contains(&finished["succeeded"].as_u64().unwrap()),
        "{finished}"
    );
    assert!(
        printed.contains("DG0636") && printed.contains("DG0638"),
        "{printed}"
    );
}

/// Kills the run once `ready`, and lets another one end well.
#[track_caller]
fn killed_and_resumed(server: &Server, ready: impl Fn() -> bool) -> Bench {
    let bench = Bench::new(BATCH);
    let mut command = server.engine(&bench.home);
    let mut child = bench
        .run(&mut command)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !ready() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "no batch is created"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "KILL");
    wait(&mut child);
    assert_eq!(bench.answers(), 0);
    server.rescript(&json!({}));
    assert_eq!(bench.made(server)["succeeded"], 7);
    bench
}

#[test]
fn a_batch_outlives_the_engine() {
    let server = Server::start(&json!({"polls": 20}));
    let bench = killed_and_resumed(&server, || server.created() == 1);
    assert_eq!((server.created(), bench.answers()), (1, 3));
}

#[test]
fn a_batch_whose_name_was_never_heard_is_found() {
    let server = Server::start(&json!({"create_delay": 2, "polls": 2}));
    let bench = killed_and_resumed(&server, || server.created() == 1);
    assert_eq!((server.created(), bench.answers()), (1, 3));
}

/// Where the batch was meant to be created and never was, it is created.
#[test]
fn a_batch_that_was_not_created_is() {
    let server = Server::start(&json!({"faults": ["hang"]}));
    let bench = killed_and_resumed(&server, || server.created() == 1);
    assert_eq!((server.created(), bench.answers()), (2, 3));
}

#[test]
fn a_seed_in_pdf_is_drawn_by_a_child_with_limits() {
    let home = tempfile::tempdir().unwrap();
    // A pipe that nobody writes to holds it up, so that it can be looked at.
    let pipe = home.path().join("pipe");
    output(program("mkfifo").arg(&pipe));
    let mut child = engine(&home);
    let mut child = child.arg("draw-first-page").arg(&pipe).spawn().unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    let limited = || {
        let limits = fs::read_to_string(&limits).unwrap_or_default();
        let memory = limits
            .lines()
            .find(|it| it.starts_with("Max address space"));
        memory.is_some_and(|it| it.contains("2147483648"))
    };
    while !limited() {
        assert!(Instant::now() < deadline, "it has no limits");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let seed = |name: &str, objects: &str| {
        let path = home.path().join(name);
        write(&path, &format!("%PDF-1.4\n{objects}\n%%EOF\n"));
        let mut command = engine(&home);
        command.args(["run", "docgenie", "--out"]);
        command.arg(home.path().join("out"));
        command
            .arg("--set")
            .arg(format!("seed_images={}", path.display()));
        command
    };
    let page = "1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>endobj
4 0 obj<</Length 27>>stream
.8 .1 .1 rg 0 0 612 99 re f
endstream
endobj
trailer<</Root 1 0 R/Size 5>>";
    output(&mut seed("letter.pdf", page));
    refused(&mut seed("broken.pdf", "nothing"), 3, "DG0621");
}
