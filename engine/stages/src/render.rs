//! The render stage: HTML → PDF.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use docgenie_document::{
    Code, Slot,
    slot::{Html, Pdf},
};
use docgenie_render::{HtmlPage, PageSize, RenderError, RenderSettings, Renderer};
use docgenie_runtime::{
    resident::Resident,
    stage::{
        Built, Concurrency, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig,
        StageEnv, StageFailure, blocking,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::markup::Markup;

/// There is no browser on this machine.
pub const NO_BROWSER: Code = Code::new("DG0301");
/// A program that tells what this machine renders with does not answer.
pub const NO_ANSWER: Code = Code::new("DG0302");
/// The browser does not come up.
pub const BROWSER_NOT_STARTED: Code = Code::new("DG0303");
/// The browser dies again and again.
pub const BROWSER_DIED: Code = Code::new("DG0304");
/// The page takes longer than the limit.
pub const PAGE_TIMED_OUT: Code = Code::new("DG0305");
/// The page cannot be printed as it is.
pub const UNPRINTABLE_PAGE: Code = Code::new("DG0306");

/// Options of the render stage.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RenderConfig {
    /// Page size: `css` as the document's `@page` rules say (A4 where they say nothing), `content`
    /// for one page as large as the content. A document may ask for the latter itself:
    /// `<html data-page="content">`.
    pub page: PageOption,
    /// Seconds one document may take before the browser is killed.
    #[schemars(range(min = 1, max = 3600))]
    pub limit_s: u32,
    /// Pages after which the browser is replaced by a fresh one.
    #[schemars(range(min = 1))]
    pub pages_per_browser: u32,
}

/// How large the printed pages are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PageOption {
    /// As the document's `@page` rules say.
    Css,
    /// One page as large as the content.
    Content,
}

impl Default for RenderConfig {
    fn default() -> Self {
        Self {
            page: PageOption::Css,
            limit_s: 60,
            pages_per_browser: 500,
        }
    }
}

impl StageConfig for RenderConfig {
    const NAME: &'static str = "render";
    const VERSION: u32 = 2;
    const SUMMARY: &'static str = "Prints the HTML to PDF in a headless Chromium";
    const DOCUMENTATION: &'static str = "\
One browser is kept for the whole run and is fresh again after `pages_per_browser` documents. The \
page reaches neither the network nor files, and its scripts do not run: images and fonts stand in \
it as `data:` URLs. The same HTML gives the same bytes with the same browser and fonts.

```toml
[[stage]]
uses = \"render\"
with = { page = \"content\" }   # one page as large as the content, for receipts
```
";
    const SCOPE: Scope = Scope::Document;
    const NEUTRAL_OPTIONS: &'static [&'static str] = &["limit_s", "pages_per_browser"];

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Html],
            writes: vec![Slot::Pdf],
            ..SlotUse::default()
        }
    }

    fn build(self, env: &StageEnv) -> Result<Built, StageFailure> {
        let tabs = env.jobs.clamp(1, MOST_TABS);
        let settings = RenderSettings {
            home: env.home.clone(),
            tabs,
            pages_per_browser: self.pages_per_browser,
            limit: Duration::from_secs(self.limit_s.into()),
        };
        let size = match self.page {
            PageOption::Css => PageSize::Css,
            PageOption::Content => PageSize::Content,
        };
        let name = format!("render {tabs} {} {}", self.pages_per_browser, self.limit_s);
        let start = || Renderer::start(settings).map(KeptRenderer);
        let (renderer, kept) = env
            .residents
            .get(&name, start)
            .map_err(|error| failure(&error))?;
        Ok(Built::Document(Arc::new(Render {
            renderer,
            kept,
            size,
            tabs,
        })))
    }
}

/// More tabs than this gain nothing, even where there are cores for them.
const MOST_TABS: usize = 3;

struct KeptRenderer(Renderer);

#[async_trait]
impl Resident for KeptRenderer {
    async fn close(&self) {
        self.0.close().await;
    }
}

struct Render {
    renderer: Arc<KeptRenderer>,
    /// Whether it goes on after this run.
    kept: bool,
    size: PageSize,
    tabs: usize,
}

#[async_trait]
impl DocumentStage for Render {
    fn identity(&self) -> String {
        self.renderer.0.identity()
    }

    fn concurrency(&self) -> Concurrency {
        Concurrency::AtMost(self.tabs)
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let html = document.read::<Html>().await?;
        let (marked, fits_content) = blocking(move || {
            let markup = Markup::parse(&html.0).map_err(|error| {
                let failure = StageFailure::new(error.code(), "the HTML cannot be printed");
                failure.because(&error).hint(error.hint())
            })?;
            Ok((markup.marked(), markup.is_as_long_as_content()))
        })
        .await?;
        let page = HtmlPage {
            html: &marked,
            size: if fits_content {
                PageSize::Content
            } else {
                self.size
            },
        };
        let printed = self.renderer.0.print(page).await;
        let pdf = printed.map_err(|error| failure(&error))?;
        Outputs::new().with(&Pdf(pdf))
    }

    async fn close(&self) {
        if !self.kept {
            self.renderer.close().await;
        }
    }
}

fn failure(error: &RenderError) -> StageFailure {
    let code = match error {
        RenderError::NoBrowser { .. } => NO_BROWSER,
        RenderError::NoAnswer { .. } => NO_ANSWER,
        RenderError::Profile { .. } | RenderError::Spawn { .. } | RenderError::NotReady { .. } => {
            BROWSER_NOT_STARTED
        }
        RenderError::Died => BROWSER_DIED,
        RenderError::TimedOut { .. } => PAGE_TIMED_OUT,
        RenderError::Refused { .. } | RenderError::Empty | RenderError::TooLarge { .. } => {
            UNPRINTABLE_PAGE
        }
    };
    let failure = StageFailure::new(code, error.to_string())
        .because_of(error.source())
        .hint(error.hint());
    match error {
        // A page that has twice reached the limit would reach it again.
        RenderError::Died => failure.retryable(),
        error if error.is_environment() => failure.ends_run(),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use docgenie_runtime::stage::Reach;

    use super::*;

    #[test]
    fn failures_reach_as_far_as_they_must() {
        let check = |error: RenderError, code: Code, reach: Reach| {
            let failure = failure(&error);
            assert_eq!(failure.problem.code, code.as_str());
            assert_eq!(failure.reach, reach, "{error}");
            assert!(failure.problem.hint.is_some());
        };
        let looked_for = "chromium".to_owned();
        check(
            RenderError::NoBrowser { looked_for },
            NO_BROWSER,
            Reach::Run,
        );
        check(RenderError::Died, BROWSER_DIED, Reach::Attempt);
        let limit = Duration::from_secs(60);
        check(
            RenderError::TimedOut { limit },
            PAGE_TIMED_OUT,
            Reach::Document,
        );
        check(RenderError::Empty, UNPRINTABLE_PAGE, Reach::Document);
    }
}
