//! What goes over the wire, with `tests/python/model_server.py` in the place of the interfaces. What
//! a run makes of it is in `tests/it/models.rs`.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use docgenie_runtime::secret::Secret;
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// Between looks at a batch.
const SOON: Duration = Duration::from_millis(20);

struct Server {
    folder: TempDir,
    child: Child,
    address: String,
}

impl Server {
    #[allow(clippy::disallowed_methods, reason = "a test's own child and file")]
    fn start(script: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("script.json"), script.to_string()).unwrap();
        let root = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/python/model_server.py"
        );
        let mut python = Command::new("python3");
        let python = python.arg(root).arg(folder.path());
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

    fn requests(&self, path: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join("log.jsonl")).unwrap_or_default();
        let requests = log.lines().map(|line| serde_json::from_str(line).unwrap());
        requests
            .filter(|it: &Value| it["path"].as_str().unwrap().ends_with(path))
            .filter(|it| it["method"] == "POST")
            .collect()
    }

    fn anthropic(&self) -> Arc<Endpoint> {
        let key = Secret::new("sk-test");
        Endpoint::at(&self.address, anthropic::MANNER, Some(&key), true).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn prompt(group: u64, pages: &[SeedPage]) -> Prompt {
    let wanted = Wanted {
        doc_type: "receipt",
        language: "English",
        paper: None,
        gt_type: "the total",
        gt_format: "{\"total\": \"…\"}",
        forms: &[],
        pages,
        group,
        seed: Seed(group),
        documents: 2,
        again: false,
    };
    Prompt::new(&wanted).unwrap()
}

fn page() -> SeedPage {
    SeedPage {
        media_type: "image/png",
        bytes: b"\x89PNG".to_vec(),
        size: (1, 1),
        points: None,
        colours: Vec::new(),
        digest: Digest::of(b"page"),
    }
}

#[test]
fn a_question_is_its_words_its_pictures_and_its_seed() {
    let asked = prompt(3, &[]);
    for part in [
        "receipt",
        "English",
        "the total",
        "{\"total\": \"…\"}",
        "set 4",
        "2 different",
    ] {
        assert!(asked.text.contains(part), "{part} is not in {}", asked.text);
    }
    assert!(!asked.text.contains("{%") && !asked.system.contains("====="));
    let digest = asked.digest("a");
    assert_eq!(digest, prompt(3, &[]).digest("a"));
    assert_ne!(digest, asked.digest("b"));
    assert_ne!(digest, prompt(3, &[page()]).digest("a"));
    let reseeded = Prompt {
        seed: Seed(9),
        ..asked
    };
    assert_ne!(digest, reseeded.digest("a"));
}

#[test]
fn shares_make_up_the_whole() {
    let whole = TokenUsage {
        model: "a".to_owned(),
        input_tokens: 10,
        output_tokens: 11,
        micro_usd: Some(2),
    };
    let shares: Vec<_> = (0..3).map(|at| share(&whole, 3, at)).collect();
    let sum = |of: fn(&TokenUsage) -> u64| shares.iter().map(of).sum::<u64>();
    assert_eq!(sum(|it| it.input_tokens), 10);
    assert_eq!(sum(|it| it.output_tokens), 11);
    assert_eq!(sum(|it| it.micro_usd.unwrap()), 2);
}

#[tokio::test]
async fn seed_images_are_blocks_before_the_words() {
    let server = Server::start(&json!({}));
    let model = anthropic::Messages {
        endpoint: server.anthropic(),
        model: CLAUDE.to_owned(),
    };
    let answer = model.answer(&prompt(0, &[page()]), Digest::of(b"")).await;
    assert_eq!(answer.unwrap().micro_usd, Some(48_000));
    let asked = &server.requests("/messages")[0]["body"];
    let content = &asked["messages"][0]["content"];
    let image = json!({"type": "image", "source":
        {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}});
    assert_eq!((&content[0], &content[1]["type"]), (&image, &json!("text")));
    assert!(asked["system"].as_str().unwrap().contains("data-field"));
}

#[tokio::test]
async fn pictures_that_are_refused_are_left_out() {
    for pictures in [true, false] {
        let server = Server::start(&json!({"pictures": pictures, "key": ""}));
        let address = format!("{}/v1", server.address);
        let model = openai::Completions {
            endpoint: Endpoint::at(&address, openai::MANNER, None, false).unwrap(),
            model: "local".to_owned(),
            pictures: AtomicBool::new(true),
        };
        for group in 0..2 {
            let answer = model
                .answer(&prompt(group, &[page()]), Digest::of(b""))
                .await;
            assert_eq!(answer.unwrap().remark.is_none(), pictures);
        }
        let asked = server.requests("/completions");
        let shown = |it: &&Value| it.to_string().contains("data:image/png;base64,iVBORw==");
        assert_eq!(
            asked.iter().filter(shown).count(),
            if pictures { 2 } else { 1 }
        );
        assert_eq!(asked.len(), if pictures { 2 } else { 3 });
    }
}

#[tokio::test]
async fn runs_share_a_batch_and_equal_questions_an_answer() {
    let server = Server::start(&json!({}));
    let home = tempfile::tempdir().unwrap();
    let answers = Answers::new(home.path().join("answers"));
    let asked = |group| {
        let endpoint = server.anthropic();
        let batches = batch::Batches::at(endpoint, &answers, home.path(), SOON);
        let model = batch::Batched {
            batches: batches.unwrap(),
            model: CLAUDE.to_owned(),
        };
        async move {
            let prompt = prompt(group, &[]);
            model.answer(&prompt, prompt.digest(CLAUDE)).await.unwrap()
        }
    };
    let (a, b, c) = futures::join!(asked(0), asked(1), asked(0));
    assert_ne!(a.text, b.text);
    assert_eq!((a.text, a.micro_usd), (c.text, Some(24_000)));
    let created = server.requests("/batches");
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["body"]["requests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_is_cancelled() {
    let server = Server::start(&json!({"polls": 1_000_000}));
    let home = tempfile::tempdir().unwrap();
    let answers = Answers::new(home.path().join("answers"));
    let batches = batch::Batches::at(server.anthropic(), &answers, home.path(), SOON);
    let model = batch::Batched {
        batches: batches.unwrap(),
        model: CLAUDE.to_owned(),
    };
    let asked = prompt(0, &[]);
    let waiting = model.answer(&asked, asked.digest(CLAUDE));
    let patience = Duration::from_secs(2);
    assert!(tokio::time::timeout(patience, waiting).await.is_err());
    for _ in 0..500 {
        if server.requests("/cancel").len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the batch is not cancelled");
}
