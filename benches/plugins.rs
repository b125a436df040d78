//! What plugins cost: `cargo bench -p docgenie-cli -p docgenie-tests --bench plugins`, once
//! `scripts/plugins.sh benches/guests target/release/plugins-bench` has built what is called here.
//!
//! Everything goes through the host as in a run: a fresh instance a picture, one an export.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark prints, and ends where something is wrong"
)]

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    slice::from_ref,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use docgenie_document::{
    image::PageImages,
    text::Words,
    truth::{GroundTruth, Layout},
};
use docgenie_plugin_host::Plugins;
use docgenie_runtime::{
    extension::{DrawRequest, Extensions},
    files::DatasetFolder,
    stage::{
        Built, DatasetContext, DatasetStage, DocumentContext, Outputs, RunFacts, StageFailure,
        StageKind,
    },
};
use docgenie_tests::exports;
use serde::Serialize;
use serde_json::Map;
use tokio::runtime::Runtime;

const DOCUMENTS: u64 = 500;
const WORDS: u32 = 1000;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = root.join("target/release/plugins-bench");
    let home = tempfile::tempdir().unwrap();
    let open = || Plugins::open(from_ref(&built), home.path());
    let runtime = Runtime::new().unwrap();

    println!("plugins{:>37}{:>10}{:>12}", "best", "median", "aim");
    // The first call compiles.
    let square = |plugins: &Plugins| plugins.element("plugin:bench-element/square", Map::new());
    square(&open()).unwrap();
    let plugins = open();
    plugins.sandbox().unwrap();
    report(
        "load a cached component",
        "5 ms",
        &sample(50, || {
            drop(square(&plugins).unwrap());
        }),
    );

    let draw = |element: &str, side: u32, content: String| {
        let element = plugins.element(element, Map::new()).unwrap();
        let request = DrawRequest {
            content,
            key: "bench".to_owned(),
            seed: 1,
            area: (side, side),
            dpi: 300.0,
            language: "en".to_owned(),
        };
        move |runtime: &Runtime| {
            let drawn = runtime.block_on(element.draw(&request));
            drawn.unwrap().unwrap();
        }
    };
    let small = draw("plugin:bench-element/square", 16, String::new());
    report(
        "draw 16 × 16 pixels, fresh instance",
        "0.1 ms",
        &sample(2000, || small(&runtime)),
    );
    let large = draw("plugin:bench-element/bytes", 512, "x".repeat(1 << 20));
    report(
        "1 MiB in and out, fresh instance",
        "1 ms",
        &sample(300, || large(&runtime)),
    );

    let (plugin, native) = exported(&plugins, &runtime);
    report("export 1,000 words and a page", "", &plugin);
    report("the same in native code", "", &native);
    let times = median(&plugin).as_secs_f64() / median(&native).as_secs_f64();
    println!("{:<36}{:>18.1}{:>12}", "  times native code", times, "3");
}

/// How long each of so many calls took, sorted.
fn sample(count: usize, mut call: impl FnMut()) -> Vec<Duration> {
    let mut spent: Vec<Duration> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            call();
            begun.elapsed()
        })
        .collect();
    spent.sort_unstable();
    spent
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

fn report(what: &str, aim: &str, sorted: &[Duration]) {
    let ms = |spent: Duration| format!("{:.3} ms", spent.as_secs_f64() * 1e3);
    let (best, median) = (ms(sorted[0]), ms(median(sorted)));
    println!("  {what:<34}{best:>10}{median:>10}{aim:>10}");
}

/// What a document takes in a plugin and in native code, each sorted. Both see the same documents, one
/// after the other, whose words and images have been read before.
fn exported(plugins: &Arc<Plugins>, runtime: &Runtime) -> (Vec<Duration>, Vec<Duration>) {
    let mut exporters = plugins.stages().into_iter();
    let plugin = exporters
        .find(|it| it.spec.name == "plugin:bench-exporter")
        .unwrap();
    let named = |name: &str| {
        let mut spec = plugin.spec.clone();
        spec.name = name.to_owned();
        spec
    };
    let reader = StageKind::of_spec(named("reader"), |_, _| Ok(Built::Dataset(Box::new(Reader))));
    let native = StageKind::of_spec(named("native"), |_, _| {
        Ok(Built::Dataset(Box::new(Native::default())))
    });
    let (plugin, in_plugin) = timed(plugin.clone());
    let (native, in_native) = timed(native);
    let folder = tempfile::tempdir().unwrap();
    let stages = [reader, plugin, native];
    let run = exports::export(DOCUMENTS, WORDS, &stages, folder.path());
    runtime.block_on(run);
    let lines = |path: &str| std::fs::read(folder.path().join("dataset").join(path)).unwrap();
    assert!(
        lines("exports/bench-exporter/documents.jsonl") == lines("native/documents.jsonl"),
        "both write the same"
    );
    let sorted = |spent: Spent| {
        let mut spent = std::mem::take(&mut *spent.lock().unwrap());
        spent.sort_unstable();
        spent
    };
    (sorted(in_plugin), sorted(in_native))
}

type Spent = Arc<Mutex<Vec<Duration>>>;

/// The same stage, which notes how long each document takes.
fn timed(kind: StageKind) -> (StageKind, Spent) {
    let spent = Spent::default();
    let noted = spent.clone();
    let timed = StageKind::of_spec(kind.spec.clone(), move |options, env| {
        match kind.build(options, env)? {
            Built::Dataset(stage) => Ok(Built::Dataset(Box::new(Timed {
                stage,
                spent: noted.clone(),
            }))),
            _ => panic!("not an exporter"),
        }
    });
    (timed, spent)
}

struct Timed {
    stage: Box<dyn DatasetStage>,
    spent: Spent,
}

#[async_trait]
impl DatasetStage for Timed {
    async fn begin(&mut self, run: &RunFacts, folder: &DatasetFolder) -> Result<(), StageFailure> {
        self.stage.begin(run, folder).await
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let begun = Instant::now();
        self.stage.add(document, folder).await?;
        self.spent.lock().unwrap().push(begun.elapsed());
        Ok(())
    }

    async fn finish(
        &mut self,
        dataset: &DatasetContext,
        folder: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        self.stage.finish(dataset, folder).await
    }
}

/// Reads what the others read, so that none of them is the first.
struct Reader;

#[async_trait]
impl DatasetStage for Reader {
    async fn begin(&mut self, _: &RunFacts, _: &DatasetFolder) -> Result<(), StageFailure> {
        Ok(())
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        _: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        document.read::<Words>().await?;
        document.read::<Layout>().await?;
        document.read::<GroundTruth>().await?;
        document.read::<PageImages>().await?;
        Ok(())
    }

    async fn finish(
        &mut self,
        _: &DatasetContext,
        _: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        Ok(Outputs::new())
    }
}

/// What the exporter in `guests/exporter` does, natively.
#[derive(Default)]
struct Native(Option<BufWriter<File>>);

#[derive(Serialize)]
struct Line<'a> {
    document: String,
    words: Vec<Word<'a>>,
}

#[derive(Serialize)]
struct Word<'a> {
    text: &'a str,
    bbox: [f64; 4],
}

#[async_trait]
impl DatasetStage for Native {
    async fn begin(&mut self, _: &RunFacts, folder: &DatasetFolder) -> Result<(), StageFailure> {
        self.0 = Some(BufWriter::new(folder.create("native/documents.jsonl")?));
        Ok(())
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let words = document.read::<Words>().await?;
        for image in &document.read::<PageImages>().await?.0 {
            let name = format!("native/images/{}_page_{}.png", document.id, image.page + 1);
            folder.write(&name, &image.png)?;
        }
        let words = words.words.iter().map(|word| {
            let rect = &word.rect;
            Word {
                text: &word.text,
                bbox: [rect.x0, rect.y0, rect.width(), rect.height()],
            }
        });
        let line = Line {
            document: document.id.to_string(),
            words: words.collect(),
        };
        let file = self.0.as_mut().unwrap();
        serde_json::to_writer(&mut *file, &line).unwrap();
        file.write_all(b"\n").unwrap();
        Ok(())
    }

    async fn finish(
        &mut self,
        _: &DatasetContext,
        _: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        self.0.take().unwrap().flush().unwrap();
        Ok(Outputs::new())
    }
}
