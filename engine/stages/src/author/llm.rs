//! Documents from language models.
//!
//! One answer holds several documents: those of a group share a question, which whoever comes first
//! asks. What is asked has a digest, under which its answer is kept in a folder before it is used;
//! a question whose answer is there is not asked. So a run that is resumed pays for nothing twice,
//! and the provider `recorded` is this module without anybody to ask.

mod answers;
mod anthropic;
mod batch;
mod endpoint;
mod openai;
mod pace;
mod prompt;
mod reading;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicBool},
};

use async_trait::async_trait;
use docgenie_document::{Code, Digest, Seed, slot::TokenUsage};
use docgenie_runtime::{
    extension::TruthBrief,
    secret::Secrets,
    stage::{BAD_OPTIONS, DocumentContext, Reach, StageEnv, StageFailure, blocking},
};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::{AuthorConfig, Provider, dice::Dice, drafts, seeds::SeedPage};
use answers::{Answer, Answers, Stop};
use endpoint::Endpoint;
use prompt::{Prompt, Wanted};
use reading::Documents;

/// There is no key for the language model.
pub const NO_KEY: Code = Code::new("DG0630");
/// The language model's interface refuses the key.
pub const KEY_REFUSED: Code = Code::new("DG0631");
/// The language model is not known there.
pub const UNKNOWN_MODEL: Code = Code::new("DG0632");
/// The language model's interface does not answer, however often it is asked.
pub const NO_ANSWER: Code = Code::new("DG0633");
/// The language model does not want to write this.
pub const MODEL_REFUSES: Code = Code::new("DG0634");
/// The answers do not hold a document.
pub const UNUSABLE_ANSWER: Code = Code::new("DG0635");
/// A batch ended without an answer.
pub const LOST_IN_BATCH: Code = Code::new("DG0636");
/// No answer to this is recorded.
pub const NOT_RECORDED: Code = Code::new("DG0637");
/// The interface refuses what it is asked.
pub const REFUSED_REQUEST: Code = Code::new("DG0638");
/// Answers cannot be kept or read.
pub const UNKEPT_ANSWERS: Code = Code::new("DG0639");

/// What the models of Anthropic are asked by default.
const CLAUDE: &str = "claude-sonnet-4-5-20250929";

/// Somebody who answers.
#[async_trait]
trait Model: Send + Sync {
    /// The answer to a question, which is kept under the digest `asked`.
    async fn answer(&self, prompt: &Prompt, asked: Digest) -> Result<Answer, StageFailure>;
}

/// Has documents written by a language model.
pub(super) struct Writer {
    config: AuthorConfig,
    model: String,
    secrets: Secrets,
    home: PathBuf,
    answers: Answers,
    /// Whom to ask; found out when there is something to ask.
    asked: OnceCell<Arc<dyn Model>>,
    forms: OnceCell<Vec<(String, TruthBrief)>>,
    /// The groups that are under way, by seed. What is known of others is in the answers.
    groups: Mutex<HashMap<Seed, Weak<Group>>>,
}

/// The documents of a group, once they are written.
type Group = OnceCell<Result<Arc<Written>, StageFailure>>;

struct Written {
    documents: Documents,
    usage: TokenUsage,
    remark: Option<String>,
}

/// A document as it was written.
pub(super) struct Draft {
    /// HTML with its ground-truth script.
    pub(super) html: String,
    /// What was annotated for other forms of ground truth, by name.
    pub(super) drafts: Map<String, Value>,
    pub(super) remarks: Vec<String>,
    pub(super) usage: TokenUsage,
}

impl Writer {
    /// # Errors
    /// When the options do not say whom to ask.
    pub(super) fn new(config: AuthorConfig, env: &StageEnv) -> Result<Self, StageFailure> {
        // Parameters of a pipeline have no other way to say none.
        let model = config.model.as_ref().filter(|model| !model.is_empty());
        let model = match (model, config.provider) {
            (Some(model), _) => model.clone(),
            (None, Provider::Openai) => {
                let message = "the provider `openai` needs the name of a model";
                return Err(StageFailure::new(BAD_OPTIONS, message).hint(
                    "such as `model = \"gpt-4.1-mini\"`; the models an endpoint has are its own",
                ));
            }
            (None, _) => CLAUDE.to_owned(),
        };
        let folder = match &config.answers {
            Some(folder) => env.pipeline_dir.join(folder),
            None => env.home.join("answers"),
        };
        Ok(Self {
            model,
            secrets: env.secrets.clone(),
            home: env.home.clone(),
            answers: Answers::new(folder),
            asked: OnceCell::new(),
            forms: OnceCell::new(),
            groups: Mutex::default(),
            config,
        })
    }

    pub(super) fn identity(&self) -> String {
        format!("prompt {}", prompt::identity())
    }

    /// How many documents are worth being waited for at once.
    pub(super) const fn at_once(&self) -> usize {
        match self.config.provider {
            Provider::AnthropicBatch => 256,
            _ => 64,
        }
    }

    /// A document of the run, after these pages, annotated for these forms of ground truth.
    ///
    /// # Errors
    /// When it is not written.
    pub(super) async fn document(
        &self,
        document: &DocumentContext,
        pages: &[SeedPage],
        formats: &[drafts::Asked],
    ) -> Result<Draft, StageFailure> {
        let size = self.config.documents_per_answer;
        let (number, position) = (document.id.index() / size, document.id.index() % size);
        let group = self.group(document.run_seed.derive(&format!("group {number}")));
        let (seed, group) = group;
        let written = group.get_or_init(|| async {
            Box::pin(self.write(number, seed, pages, formats))
                .await
                .map(Arc::new)
        });
        let written = written.await.clone()?;
        let usable = &written.documents.usable;
        let found = usize::try_from(position).ok().and_then(|at| usable.get(at));
        let document = found.ok_or_else(|| written.documents.missing())?;
        let remarks = document.remarks.iter().chain(&written.remark);
        Ok(Draft {
            html: document.html.clone(),
            drafts: document.drafts.clone(),
            remarks: remarks.cloned().collect(),
            usage: share(&written.usage, usable.len() as u64, position),
        })
    }

    /// The group of a seed, which all that ask for it at a time share.
    fn group(&self, seed: Seed) -> (Seed, Arc<Group>) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(&seed).and_then(Weak::upgrade) {
            return (seed, group);
        }
        groups.retain(|_, group| group.strong_count() > 0);
        let group = Arc::new(Group::new());
        groups.insert(seed, Arc::downgrade(&group));
        (seed, group)
    }

    /// The documents of a group. Where an answer does not hold them all, the others are asked for
    /// once more.
    async fn write(
        &self,
        group: u64,
        seed: Seed,
        pages: &[SeedPage],
        formats: &[drafts::Asked],
    ) -> Result<Written, StageFailure> {
        let size = self.config.documents_per_answer;
        let expected = size
            .min(self.config.count.saturating_sub(group * size))
            .max(1);
        let mut dice = Dice::new(seed.derive("topic"));
        let mut one_of = |texts: &[String]| dice.pick(texts).cloned().unwrap_or_default();
        let doc_type = one_of(self.config.doc_type.all());
        let language = one_of(self.config.language.all());
        let forms = self.forms(formats).await?;
        let shown = if self.config.images { pages } else { &[] };
        let prompt = |documents: u64, again: bool| {
            Prompt::new(&Wanted {
                doc_type: &doc_type,
                language: &language,
                paper: Some(self.config.paper.as_str()).filter(|paper| *paper != "auto"),
                gt_type: &self.config.gt_type,
                gt_format: &self.config.gt_format,
                forms,
                pages: shown,
                group,
                seed,
                documents,
                again,
            })
        };
        let answer = self.answer(prompt(expected, false)?).await?;
        let mut written = Written {
            usage: usage(&answer),
            remark: answer.remark.clone(),
            documents: read(answer, &doc_type).await?,
        };
        let documents = &mut written.documents;
        let missing = expected.saturating_sub(documents.usable.len() as u64);
        if missing > 0 {
            match self.answer(prompt(missing, true)?).await {
                Ok(answer) => {
                    add(&mut written.usage, &usage(&answer));
                    let more = read(answer, &doc_type).await?;
                    documents.usable.extend(more.usable);
                    documents.faults.extend(more.faults);
                }
                Err(failure) if failure.reach == Reach::Run || documents.usable.is_empty() => {
                    return Err(failure);
                }
                Err(failure) => documents.faults.push(failure.to_string()),
            }
        }
        documents
            .usable
            .truncate(usize::try_from(expected).unwrap_or(usize::MAX));
        Ok(written)
    }

    /// What other forms of ground truth want to be annotated.
    async fn forms(
        &self,
        formats: &[drafts::Asked],
    ) -> Result<&[(String, TruthBrief)], StageFailure> {
        let forms = self.forms.get_or_try_init(|| async {
            let mut forms = Vec::new();
            for format in formats {
                forms.push((format.name().to_owned(), format.brief().await?));
            }
            Ok::<_, StageFailure>(forms)
        });
        Ok(forms.await?)
    }

    /// The answer to a question: the one that is kept, else the model's, which is kept.
    async fn answer(&self, prompt: Prompt) -> Result<Answer, StageFailure> {
        let asked = prompt.digest(&self.model);
        let answer = match self.answers.get(asked).await? {
            Some(answer) => answer,
            None => {
                let model = self
                    .asked
                    .get_or_try_init(|| async { self.open(asked) })
                    .await?;
                let answer = model.answer(&prompt, asked).await?;
                self.answers.put(asked, &answer).await?;
                answer
            }
        };
        if answer.stop == Stop::Refusal {
            let mut failure = StageFailure::new(
                MODEL_REFUSES,
                format!("{} does not want to write this", answer.model),
            )
            .hint("ask for another document type or ground truth, or another model");
            let said = answer.text.trim();
            if !said.is_empty() {
                failure
                    .problem
                    .causes
                    .push(said.chars().take(300).collect());
            }
            return Err(failure);
        }
        Ok(answer)
    }

    /// Whom to ask.
    fn open(&self, asked: Digest) -> Result<Arc<dyn Model>, StageFailure> {
        let model = self.model.clone();
        Ok(match self.config.provider {
            Provider::Anthropic => Arc::new(anthropic::Messages {
                endpoint: self.anthropic()?,
                model,
            }),
            Provider::AnthropicBatch => Arc::new(batch::Batched {
                batches: batch::Batches::at(
                    self.anthropic()?,
                    &self.answers,
                    &self.home,
                    batch::poll_interval(),
                )?,
                model,
            }),
            Provider::Openai => {
                let (address, own) = self.address(openai::MANNER.address, openai::ADDRESS);
                let key = self.secrets.get(openai::MANNER.key);
                Arc::new(openai::Completions {
                    endpoint: Endpoint::at(&address, openai::MANNER, key.as_ref(), own)?,
                    model,
                    pictures: AtomicBool::new(true),
                })
            }
            Provider::Recorded | Provider::Template => {
                let path = self.answers.path(asked);
                let message = format!("there is no recorded answer `{}`", path.display());
                return Err(StageFailure::new(NOT_RECORDED, message).hint(
                    "answers are recorded by a run with a live provider, the same options, model and seed",
                ));
            }
        })
    }

    fn anthropic(&self) -> Result<Arc<Endpoint>, StageFailure> {
        let manner = anthropic::MANNER;
        let (address, _) = self.address(manner.address, anthropic::ADDRESS);
        let key = self.secrets.get(manner.key);
        // Some give the address as other interfaces have it.
        let address = address.trim_end_matches('/').trim_end_matches("/v1");
        Endpoint::at(address, manner, key.as_ref(), true)
    }

    /// The address to call, and whether it is the provider's own.
    fn address(&self, variable: &str, own: &str) -> (String, bool) {
        let of_environment = || std::env::var(variable).ok().filter(|it| !it.is_empty());
        let given = self.config.base_url.clone().or_else(of_environment);
        let address = given.unwrap_or_else(|| own.to_owned());
        let is_own = address == own;
        (address, is_own)
    }
}

async fn read(answer: Answer, doc_type: &str) -> Result<Documents, StageFailure> {
    let doc_type = doc_type.to_owned();
    blocking(move || Ok(reading::documents(&answer.text, answer.stop, &doc_type))).await
}

fn usage(answer: &Answer) -> TokenUsage {
    TokenUsage {
        model: answer.model.clone(),
        input_tokens: answer.input_tokens,
        output_tokens: answer.output_tokens,
        micro_usd: answer.micro_usd,
    }
}

fn add(usage: &mut TokenUsage, more: &TokenUsage) {
    usage.input_tokens += more.input_tokens;
    usage.output_tokens += more.output_tokens;
    usage.micro_usd = usage.micro_usd.zip(more.micro_usd).map(|(a, b)| a + b);
}

/// What one of several documents took; the shares of all are the whole.
fn share(usage: &TokenUsage, documents: u64, position: u64) -> TokenUsage {
    let part = |whole: u64| whole / documents + u64::from(position < whole % documents);
    TokenUsage {
        model: usage.model.clone(),
        input_tokens: part(usage.input_tokens),
        output_tokens: part(usage.output_tokens),
        micro_usd: usage.micro_usd.map(part),
    }
}

#[cfg(test)]
mod tests;
