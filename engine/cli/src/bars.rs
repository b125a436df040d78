//! Progress bars: one for the documents, one for each stage.

use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use docgenie_runtime::progress::{Observer, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::report;

/// Draws a run on standard error, if that is a terminal; else tells only failures.
pub(crate) struct Bars {
    drawn: Mutex<Option<Drawn>>,
}

struct Drawn {
    all: MultiProgress,
    documents: ProgressBar,
    stages: Vec<(String, ProgressBar)>,
    failed: u64,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self {
            drawn: Mutex::new(None),
        }
    }

    /// Takes the bars away, so that the summary stands alone.
    pub(crate) fn clear(&self) {
        let drawn = self
            .drawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(drawn) = drawn {
            let stages = drawn.stages.iter().map(|(_, bar)| bar);
            for bar in stages.chain([&drawn.documents]) {
                bar.finish_and_clear();
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

impl Drawn {
    fn new(documents: u64, stages: &[String]) -> Self {
        let all = MultiProgress::new();
        let wide = stages
            .iter()
            .map(|id| id.chars().count())
            .max()
            .unwrap_or(0)
            .max(9);
        let add = |length: u64, template: &str, name: &str| {
            let bar = all.add(ProgressBar::new(length).with_style(style(template)));
            bar.set_prefix(format!("{name:<wide$}"));
            bar
        };
        let stages = stages
            .iter()
            .map(|id| {
                let template = "  {prefix:.dim} {bar:40.blue/black.bright} {pos:>5} {msg:.dim}";
                (id.clone(), add(documents, template, id))
            })
            .collect();
        let template = "  {prefix:.bold} {bar:40.green/black.bright} {pos:>5}/{len} {per_sec} {eta:>4} left {msg:.red}";
        let documents = add(documents, template, "documents");
        documents.enable_steady_tick(Duration::from_millis(200));
        Self {
            all,
            documents,
            stages,
            failed: 0,
        }
    }

    fn say(&self, line: &str) {
        if self.all.println(line).is_err() {
            report::talk(line);
        }
    }
}

impl Observer for Bars {
    fn progress(&self, event: &Progress) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Progress::Started {
                documents, stages, ..
            } => {
                if std::io::stderr().is_terminal() {
                    *drawn = Some(Drawn::new(*documents, stages));
                }
            }
            Progress::Stage { stage, .. } => {
                let stages = drawn.iter().flat_map(|drawn| &drawn.stages);
                stages
                    .filter(|(id, _)| id == stage)
                    .for_each(|(_, bar)| bar.inc(1));
            }
            Progress::Retry {
                document,
                stage,
                problem,
            } => {
                let line = format!("{document}: `{stage}` tries again after: {problem}");
                match &*drawn {
                    Some(drawn) => drawn.say(&line),
                    None => report::talk(&line),
                }
            }
            Progress::Document { document, failure } => {
                let line = failure
                    .as_ref()
                    .map(|(stage, problem)| format!("{document} failed in `{stage}`: {problem}"));
                match &mut *drawn {
                    Some(drawn) => {
                        drawn.documents.inc(1);
                        if let Some(line) = line {
                            drawn.failed += 1;
                            drawn
                                .documents
                                .set_message(format!("{} failed", drawn.failed));
                            drawn.say(&line);
                        }
                    }
                    None => line.iter().for_each(|line| report::talk(line)),
                }
            }
            Progress::Published { .. }
            | Progress::Delivering { .. }
            | Progress::Delivered { .. } => {}
        }
    }
}
