//! Starts documents: pages of HTML with their ground truth, from templates or from language models.

mod barcode;
mod check_digits;
mod dice;
mod doc_type;
mod drafts;
mod draw;
mod files;
mod fonts;
mod functions;
mod language;
mod likeness;
mod llm;
mod locale;
mod parties;
mod seeds;
mod set;
mod style;
mod sums;
mod value;

use std::{error::Error, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{
    Code, Slot,
    slot::Html,
    truth::{Drafts, GroundTruth},
};
use docgenie_runtime::stage::{
    Built, Concurrency, DocumentContext, DocumentStage, Implied, Outputs, Scope, SlotUse,
    StageConfig, StageEnv, StageFailure, blocking,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    OneOrMany,
    markup::{Markup, MarkupError},
};
use dice::Dice;
pub use fonts::font_families;
pub use llm::{
    KEY_REFUSED, LOST_IN_BATCH, MODEL_REFUSES, NO_ANSWER, NO_KEY, NOT_RECORDED, REFUSED_REQUEST,
    UNKEPT_ANSWERS, UNKNOWN_MODEL, UNUSABLE_ANSWER,
};
pub use seeds::draw_first_page;
use seeds::{SeedPage, Seeds};
use set::{Recipe, TemplateSet};

/// The templates cannot be used.
pub const BAD_TEMPLATES: Code = Code::new("DG0601");
/// A language the templates do not know.
pub const UNKNOWN_LANGUAGE: Code = Code::new("DG0602");
/// A document type the templates do not know.
pub const UNKNOWN_TYPE: Code = Code::new("DG0603");
/// A layout or a paper the templates do not know.
pub const UNKNOWN_LOOK: Code = Code::new("DG0604");
/// A template failed on a document.
pub const TEMPLATE_FAILED: Code = Code::new("DG0605");
/// What was annotated is not what a form of ground truth asks for.
pub const BAD_DRAFT: Code = Code::new("DG0607");
/// A page whose mark-up cannot be read.
pub const BAD_MARKUP: Code = Code::new("DG0606");
/// A seed image that cannot be had.
pub const UNREACHABLE_SEED: Code = Code::new("DG0620");
/// A seed image that cannot be looked at.
pub const BAD_SEED: Code = Code::new("DG0621");

/// Options of the `author` stage.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorConfig {
    /// Who writes: `template` needs neither key nor network, the others are language models.
    pub provider: Provider,
    /// What to write: a type's identifier such as `invoice`, free text for the nearest type, a
    /// group such as `business and administrative`, or a list to draw from. A language model takes
    /// any text as it is.
    pub doc_type: OneOrMany,
    /// Language by English name or ISO code, or a list to draw from. A language model takes any.
    pub language: OneOrMany,
    /// How many documents to start.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u64,
    /// A folder of templates laid over the embedded ones.
    pub templates: Option<PathBuf>,
    /// Paper such as `A4` or `Letter`, or `auto` for what suits type and country.
    pub paper: String,
    /// One layout family instead of all of a type.
    pub layout: Option<String>,
    /// Pictures or PDFs whose look the documents are to take after: paths beside the pipeline file, or
    /// `http` and `https` addresses.
    #[schemars(length(max = 10))]
    pub seed_images: Vec<String>,
    /// Further forms of ground truth to annotate for, such as `plugin:kie`. Each is made and checked
    /// once boxes are known, behind the other stages, or where the pipeline has it as a stage.
    pub ground_truth: Vec<FormatOption>,
    /// The language model; for Anthropic `claude-sonnet-4-5-20250929` unless another is named.
    pub model: Option<String>,
    /// What a language model is to say of each document, in any words.
    pub gt_type: String,
    /// The form it is to say it in, in any words.
    pub gt_format: String,
    /// How many documents a language model writes in one answer.
    #[schemars(range(min = 1, max = 5))]
    pub documents_per_answer: u64,
    /// Whether a language model is shown the seed images.
    pub images: bool,
    /// Address of the language model's interface, instead of `ANTHROPIC_BASE_URL` or
    /// `OPENAI_BASE_URL`.
    pub base_url: Option<String>,
    /// The folder of recorded answers, instead of `$DOCGENIE_HOME/answers`.
    pub answers: Option<PathBuf>,
}

/// A form of ground truth, by its name or with its params.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum FormatOption {
    /// Its name.
    Name(String),
    /// Its name and what it is told.
    With {
        /// Its name.
        format: String,
        /// Its params.
        #[serde(default)]
        params: Map<String, Value>,
    },
}

impl FormatOption {
    fn parts(&self) -> (&str, Map<String, Value>) {
        match self {
            Self::Name(format) => (format, Map::new()),
            Self::With { format, params } => (format, params.clone()),
        }
    }
}

/// Who writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// The template set.
    #[default]
    Template,
    /// Anthropic's models, at once.
    Anthropic,
    /// Anthropic's models at half the price, within a day.
    AnthropicBatch,
    /// The models of any interface like OpenAI's.
    Openai,
    /// Nobody: answers that an earlier run has kept.
    Recorded,
}

impl Default for AuthorConfig {
    fn default() -> Self {
        Self {
            provider: Provider::Template,
            doc_type: OneOrMany::One("invoice".to_owned()),
            language: OneOrMany::One("English".to_owned()),
            count: 3,
            templates: None,
            paper: "auto".to_owned(),
            layout: None,
            seed_images: Vec::new(),
            ground_truth: Vec::new(),
            model: None,
            gt_type:
                "Multiple questions about each document, with their answers taken **verbatim** \
                      from the document."
                    .to_owned(),
            gt_format: "{\"<Text of question 1>\": \"<Answer to question 1>\", \
                        \"<Text of question 2>\": \"<Answer to question 2>\", ...}"
                .to_owned(),
            documents_per_answer: 3,
            images: true,
            base_url: None,
            answers: None,
        }
    }
}

impl StageConfig for AuthorConfig {
    const NAME: &'static str = "author";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Writes documents as HTML with their ground truth";
    const DOCUMENTATION: &'static str = include_str!("author.md");
    const SCOPE: Scope = Scope::Document;
    const STARTS_DOCUMENTS: bool = true;
    const NEUTRAL_OPTIONS: &'static [&'static str] = &["count"];

    fn slots(&self) -> SlotUse {
        let mut writes = vec![Slot::Html, Slot::GroundTruth];
        if !self.ground_truth.is_empty() {
            writes.push(Slot::Drafts);
        }
        if self.provider != Provider::Template {
            writes.push(Slot::TokenUsage);
        }
        SlotUse {
            writes,
            ..SlotUse::default()
        }
    }

    fn implies(&self) -> Vec<Implied> {
        let formats = self.ground_truth.iter().map(FormatOption::parts);
        formats
            .map(|(format, options)| Implied {
                uses: format.to_owned(),
                options,
                asked_by: "ground_truth",
            })
            .collect()
    }

    fn build(self, env: &StageEnv) -> Result<Built, StageFailure> {
        let count = self.count;
        let formats = self.ground_truth.iter().map(FormatOption::parts);
        let formats = formats.map(|(name, params)| {
            let format = env.extensions.truth_format(name, params)?;
            Ok::<_, StageFailure>(drafts::Asked::new(format))
        });
        let formats = formats.collect::<Result<_, _>>()?;
        let seeds = Seeds::new(&self.seed_images, env);
        let writer = if self.provider == Provider::Template {
            let templates = self.templates.as_ref();
            let templates = templates.map(|folder| env.pipeline_dir.join(folder));
            Writer::Templates(Arc::new(Author::new(&self, templates.as_ref())?))
        } else {
            Writer::Model(Box::new(llm::Writer::new(self, env)?))
        };
        Ok(Built::Document(Arc::new(AuthorStage {
            writer,
            seeds,
            formats,
            count,
        })))
    }
}

/// Writes pages.
pub struct Author {
    set: Arc<TemplateSet>,
    /// What each `doc_type` option means, and what to remark where it was free text.
    topics: Vec<(Vec<String>, Option<String>)>,
    languages: Vec<Arc<language::Language>>,
    paper: Option<String>,
    layout: Option<String>,
}

/// A page as it was written.
#[derive(Debug)]
pub struct Page {
    /// Its HTML with its semantic mark-up.
    pub markup: Markup,
    /// What to remark about it.
    pub remark: Option<String>,
}

impl Author {
    /// An author for these options, with the templates of a folder over the embedded ones.
    ///
    /// # Errors
    /// When the templates cannot be used or do not have what the options ask for.
    pub fn new(config: &AuthorConfig, templates: Option<&PathBuf>) -> Result<Self, StageFailure> {
        let set = TemplateSet::load(templates).map_err(|error| {
            StageFailure::new(BAD_TEMPLATES, error.to_string())
                .because_of(error.source())
                .hint("docs/templates.md describes every file of a template folder")
                .ends_run()
        })?;
        let topics = config
            .doc_type
            .all()
            .iter()
            .map(|text| topic(&set, text))
            .collect::<Result<_, _>>()?;
        let languages = config
            .language
            .all()
            .iter()
            .map(|name| known_language(&set, name))
            .collect::<Result<_, _>>()?;
        let paper = Some(config.paper.clone()).filter(|paper| paper != "auto");
        let author = Self {
            set,
            topics,
            languages,
            paper,
            layout: config.layout.clone(),
        };
        author.check_texts()?;
        author.check_look()?;
        Ok(author)
    }

    /// Every type that may be drawn is written in every language that may be drawn.
    fn check_texts(&self) -> Result<(), StageFailure> {
        let types = self.topics.iter().flat_map(|(types, _)| types);
        for (id, language) in
            types.flat_map(|id| self.languages.iter().map(move |language| (id, language)))
        {
            let written = self
                .set
                .types
                .get(id)
                .is_some_and(|kind| kind.texts.contains_key(&language.code));
            if !written {
                let message = format!("document type `{id}` is not written in {}", language.name);
                let hint = format!(
                    "add `types/{id}/texts/{}.toml` to your templates",
                    language.code
                );
                return Err(StageFailure::new(UNKNOWN_LANGUAGE, message)
                    .hint(hint)
                    .ends_run());
            }
        }
        Ok(())
    }

    fn check_look(&self) -> Result<(), StageFailure> {
        if let Some(paper) = &self.paper {
            let papers: Vec<&str> = self.set.styles.papers.keys().map(String::as_str).collect();
            if !papers.contains(&paper.as_str()) {
                return Err(unknown(UNKNOWN_LOOK, "paper", paper, &papers));
            }
        }
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        for id in self.topics.iter().flat_map(|(types, _)| types) {
            let layouts = self
                .set
                .types
                .get(id)
                .map(|kind| kind.layouts.as_slice())
                .unwrap_or_default();
            let layouts: Vec<&str> = layouts.iter().map(String::as_str).collect();
            if !layouts.contains(&layout.as_str()) {
                return Err(unknown(
                    UNKNOWN_LOOK,
                    &format!("layout of `{id}`"),
                    layout,
                    &layouts,
                ));
            }
        }
        Ok(())
    }

    /// The page that belongs to this seed.
    ///
    /// # Errors
    /// When a template fails.
    pub fn page(&self, seed: docgenie_document::Seed) -> Result<Page, StageFailure> {
        self.page_after(None, seed)
    }

    /// As [`Self::page`], on the paper and in the colours of another.
    fn page_after(
        &self,
        after: Option<&SeedPage>,
        seed: docgenie_document::Seed,
    ) -> Result<Page, StageFailure> {
        let mut dice = Dice::new(seed.derive("topic"));
        let no_choice =
            || StageFailure::new(UNKNOWN_TYPE, "no document type and language to choose from");
        let (types, remark) = dice.pick(&self.topics).ok_or_else(no_choice)?;
        let doc_type = dice.pick(types).ok_or_else(no_choice)?;
        let language = dice.pick(&self.languages).ok_or_else(no_choice)?;
        let recipe = Recipe {
            doc_type: doc_type.clone(),
            language: Arc::clone(language),
            paper: self.paper.clone(),
            layout: self.layout.clone(),
            after,
            seed,
        };
        let html = self.set.author(&recipe).map_err(|error| {
            StageFailure::new(TEMPLATE_FAILED, error.to_string()).because_of(error.source())
        })?;
        let remark = remark
            .as_ref()
            .map(|text| format!("document type `{text}` taken as `{doc_type}`"));
        let markup = Markup::parse(&html).map_err(|error| {
            StageFailure::new(
                BAD_MARKUP,
                format!("the mark-up of a `{doc_type}` cannot be read"),
            )
            .because(&error)
            .hint(error.hint())
        })?;
        Ok(Page { markup, remark })
    }
}

fn topic(set: &TemplateSet, text: &str) -> Result<(Vec<String>, Option<String>), StageFailure> {
    let ids: Vec<&str> = set.types.keys().map(String::as_str).collect();
    let meaning = doc_type::find(text, &set.types)
        .ok_or_else(|| unknown(UNKNOWN_TYPE, "document type", text, &ids))?;
    let remark = (!meaning.exact).then(|| text.to_owned());
    Ok((meaning.types, remark))
}

fn known_language(set: &TemplateSet, name: &str) -> Result<Arc<language::Language>, StageFailure> {
    let found = set.language(name).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = set
            .languages
            .iter()
            .map(|language| language.name.as_str())
            .collect();
        unknown(UNKNOWN_LANGUAGE, "language", name, &names)
    })
}

/// A failure that names what there is instead.
fn unknown(code: Code, what: &str, given: &str, known: &[&str]) -> StageFailure {
    let alike = |name: &&&str| strsim::jaro_winkler(&name.to_lowercase(), &given.to_lowercase());
    let nearest = known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    let nearest = nearest.filter(|name| alike(name) > 0.75);
    let list = format!("known: {}", known.join(", "));
    let hint = match nearest {
        Some(name) => format!("did you mean `{name}`? {list}"),
        None => list,
    };
    StageFailure::new(code, format!("unknown {what} `{given}`"))
        .hint(hint)
        .ends_run()
}

struct AuthorStage {
    writer: Writer,
    seeds: Seeds,
    formats: Vec<drafts::Asked>,
    count: u64,
}

/// Who writes.
enum Writer {
    Templates(Arc<Author>),
    Model(Box<llm::Writer>),
}

#[async_trait]
impl DocumentStage for AuthorStage {
    fn documents(&self) -> Option<u64> {
        Some(self.count)
    }

    fn identity(&self) -> String {
        let formats = self
            .formats
            .iter()
            .map(|format| format!(", {}", format.identity()));
        let formats: String = formats.collect();
        match &self.writer {
            Writer::Templates(author) => format!("templates {}{formats}", author.set.digest),
            Writer::Model(writer) => format!("{}{formats}", writer.identity()),
        }
    }

    /// What is remembered of a document must not outlive a change of what it takes after.
    async fn identity_for(&self, _document: &DocumentContext) -> Result<String, StageFailure> {
        self.seeds.identity().await
    }

    fn seeded(&self) -> bool {
        true
    }

    fn concurrency(&self) -> Concurrency {
        match &self.writer {
            Writer::Templates(_) => Concurrency::Jobs,
            Writer::Model(writer) => Concurrency::AtMost(writer.at_once()),
        }
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let pages = self.seeds.pages().await?;
        let (truth, outputs, mut annotated) = match &self.writer {
            Writer::Templates(author) => {
                let (author, seed) = (Arc::clone(author), document.seed);
                let index = document.id.index() as usize;
                let written = blocking(move || {
                    let after = pages.get(index % pages.len().max(1));
                    let page = author.page_after(after, seed)?;
                    let (truth, outputs) = outputs(&page.markup)?;
                    Ok((
                        truth,
                        page.remark.into_iter().fold(outputs, Outputs::noting),
                    ))
                });
                let (truth, outputs) = written.await?;
                (truth, outputs, Map::new())
            }
            Writer::Model(writer) => {
                let draft = writer.document(document, &pages, &self.formats).await?;
                let html = draft.html;
                let written = blocking(move || {
                    outputs(&Markup::parse(&html).map_err(|error| unreadable(&error))?)
                });
                let (truth, outputs) = written.await?;
                let outputs = draft.remarks.into_iter().fold(outputs, Outputs::noting);
                (truth, outputs.with(&draft.usage)?, draft.drafts)
            }
        };
        if self.formats.is_empty() {
            return Ok(outputs);
        }
        let mut drafts = Drafts::default();
        for format in &self.formats {
            let value = annotated.remove(format.name());
            let value = value.unwrap_or_else(|| truth.draft());
            drafts.0.push(format.accepted(value).await?);
        }
        outputs.with(&drafts)
    }
}

/// What a page says, and the slots that hold it.
fn outputs(markup: &Markup) -> Result<(GroundTruth, Outputs), StageFailure> {
    let truth = markup.truth();
    let outputs = Outputs::new().with(&Html(markup.clean()))?.with(&truth)?;
    Ok((truth, outputs))
}

fn unreadable(error: &MarkupError) -> StageFailure {
    StageFailure::new(BAD_MARKUP, "the mark-up of a document cannot be read")
        .hint(error.hint())
        .because(error)
}

#[cfg(test)]
mod tests;
