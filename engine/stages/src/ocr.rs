//! Page images → words, by Tesseract in process.
//!
//! Tesseract is built with OpenMP, whose threads cost three times the processor time and make a
//! page slower. The library reads [`ENVIRONMENT`] when it is loaded, so that a program that uses
//! this stage must have the variable set **before it starts**: the binary starts itself anew with
//! it where [`openmp_is_limited`] is false.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{
    Slot,
    image::{PageImage, PageImages},
    ocr::{Ocr as Recognised, OcrPage},
    truth::GroundTruth,
};
use docgenie_runtime::stage::{
    BAD_OPTIONS, Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig,
    StageEnv, StageFailure, blocking,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{OneOrMany, bitmap::Bitmap};

mod engine;
mod error;
mod languages;

pub use error::{ENGINE_FAILED, MISSING_LANGUAGE, NO_DATA, OcrError, UNKNOWN_LANGUAGE};
pub use languages::{Language, Tessdata};

use engine::{Pool, Reading};

/// The variable that keeps Tesseract to one thread a page, and its value.
pub const ENVIRONMENT: (&str, &str) = ("OMP_THREAD_LIMIT", "1");

/// Whether this process was started with [`ENVIRONMENT`] set.
#[must_use]
pub fn openmp_is_limited() -> bool {
    std::env::var(ENVIRONMENT.0).is_ok_and(|value| value == ENVIRONMENT.1)
}

/// What of Tesseract is installed.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Tesseract's version, such as `5.3.0`.
    pub version: String,
    /// The language data.
    pub data: Tessdata,
}

/// Looks for Tesseract's version and language data.
///
/// # Errors
/// When there is no folder of language data.
pub fn probe() -> Result<Probe, OcrError> {
    Ok(Probe {
        version: engine::version(),
        data: Tessdata::find()?,
    })
}

/// Options of the stage `ocr`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OcrConfig {
    /// The language, or a list of them, the most frequent first: English name (`German`), ISO code
    /// (`de`, `deu`) or the name of Tesseract's data (`chi_sim`). `auto` is the language of the
    /// ground truth.
    pub languages: OneOrMany,
    /// Scales the page image to this resolution before it is read; by default it is read as it is.
    #[schemars(range(min = 36, max = 600))]
    pub dpi: Option<u32>,
    /// Leaves out words read with less confidence, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f64,
}

impl Default for OcrConfig {
    fn default() -> Self {
        Self {
            languages: OneOrMany::One("eng".to_owned()),
            dpi: None,
            min_confidence: 0.0,
        }
    }
}

const AUTO: &str = "auto";

impl OcrConfig {
    fn has_auto(&self) -> bool {
        self.languages.all().iter().any(|name| name == AUTO)
    }

    /// The languages it names itself.
    fn named(&self) -> Result<BTreeSet<Language>, OcrError> {
        let names = self.languages.all().iter().filter(|name| *name != AUTO);
        names.map(|name| Language::named(name)).collect()
    }

    /// The data to read a document in `document_language` with.
    fn resolve(&self, document_language: &str) -> Result<Vec<Language>, OcrError> {
        let names = self.languages.all().iter();
        let names = names.map(|name| match name.as_str() {
            AUTO => document_language,
            name => name,
        });
        let mut languages = Vec::new();
        for name in names {
            let language = Language::named(name)?;
            if !languages.contains(&language) {
                languages.push(language);
            }
        }
        Ok(languages)
    }
}

impl StageConfig for OcrConfig {
    const NAME: &'static str = "ocr";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Reads the page images with Tesseract.";
    const DOCUMENTATION: &'static str = "\
Every page image is read; the words come with a confidence from 0 to 1 and a box in points of the \
page. A page on which nothing is found is tried once more with a threshold for faint and uneven \
pages (Sauvola).

```toml
[[stage]]
uses = \"ocr\"
with = { languages = [\"German\", \"eng\"] }
```

`languages = \"auto\"` reads every document in the language of its ground truth. The data of a \
language comes in a package of its own, such as `tesseract-ocr-deu`.
";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        let auto = self.has_auto();
        SlotUse {
            reads: vec![Slot::PageImages],
            reads_if_present: if auto {
                vec![Slot::GroundTruth]
            } else {
                vec![]
            },
            writes: vec![Slot::Ocr],
        }
    }

    fn build(self, env: &StageEnv) -> Result<Built, StageFailure> {
        if !openmp_is_limited() {
            let (name, value) = ENVIRONMENT;
            tracing::warn!("reading takes three times as long where {name} is not {value}");
        }
        let stage = Stage::new(self, Tessdata::find()?, env.jobs)?;
        Ok(Built::Document(Arc::new(stage)))
    }
}

/// The language of a document whose ground truth names none.
const FALLBACK: &str = "eng";

struct Stage {
    options: OcrConfig,
    engine: String,
    /// Versions of the data that the options name.
    named: String,
    data: Tessdata,
    pool: Arc<Pool>,
}

impl Stage {
    fn new(options: OcrConfig, data: Tessdata, jobs: usize) -> Result<Self, StageFailure> {
        let named = options.named()?;
        if named.is_empty() && !options.has_auto() {
            return Err(
                StageFailure::new(BAD_OPTIONS, "`languages` names no language")
                    .hint("name one, or `auto` for the language of the ground truth"),
            );
        }
        Ok(Self {
            engine: format!("tesseract {}", engine::version()),
            named: data.versions(&named)?,
            pool: Arc::new(Pool::new(data.clone(), jobs)),
            data,
            options,
        })
    }

    /// The languages to read a document in.
    async fn languages(&self, document: &DocumentContext) -> Result<Vec<Language>, StageFailure> {
        let truth = match self.options.has_auto() {
            true => document.read_if_present::<GroundTruth>().await?,
            false => None,
        };
        let own = truth.as_deref().map(|truth| truth.language.as_str());
        let own = own.filter(|language| !language.is_empty());
        Ok(self.options.resolve(own.unwrap_or(FALLBACK))?)
    }
}

#[async_trait]
impl DocumentStage for Stage {
    fn identity(&self) -> String {
        format!("{}{}", self.engine, self.named)
    }

    /// The data of the document's own language: what else is installed is nothing to it.
    async fn identity_for(&self, document: &DocumentContext) -> Result<String, StageFailure> {
        if !self.options.has_auto() {
            return Ok(String::new());
        }
        let languages = self.languages(document).await?;
        let data = self.data.clone();
        blocking(move || Ok(data.versions(&languages)?)).await
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let images = document.read::<PageImages>().await?;
        let languages = self.languages(document).await?;
        let reading = Reading {
            dpi: self.options.dpi,
            min_confidence: self.options.min_confidence,
        };
        let (pool, engine) = (self.pool.clone(), self.engine.clone());
        let recognised =
            blocking(move || recognise(&pool, engine, &languages, &images, &reading)).await?;
        Outputs::new().with(&recognised)
    }
}

fn recognise(
    pool: &Pool,
    engine: String,
    languages: &[Language],
    images: &PageImages,
    reading: &Reading,
) -> Result<Recognised, StageFailure> {
    let pages = images.0.iter().map(|image: &PageImage| {
        let bitmap = Bitmap::from_png(&image.png)?.into_grey();
        let (grid, words) = pool.read(languages, bitmap, image.grid.page, reading)?;
        Ok(OcrPage {
            page: image.page,
            grid,
            angle: 0.0,
            words,
        })
    });
    Ok(Recognised {
        engine,
        languages: languages.iter().map(ToString::to_string).collect(),
        pages: pages.collect::<Result<_, StageFailure>>()?,
    })
}

#[cfg(test)]
mod tests;
