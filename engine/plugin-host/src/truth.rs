//! A form of ground truth of a plugin: what it wants annotated, and the stage that makes and checks
//! the truth once boxes are known.

use std::sync::Arc;

use async_trait::async_trait;
use docgenie_document::{
    Seed, Slot,
    truth::{Annotation, Annotations, Draft, Drafts, GroundTruth},
};
use docgenie_runtime::{
    extension::{TruthBrief, TruthFormat},
    stage::{Built, DocumentContext, DocumentStage, Outputs, SlotUse, StageFailure},
};
use tokio::sync::OnceCell;

use crate::{
    documents::Lent,
    error::{PluginError, Reason},
    offered::Offered,
    replay::Asked,
    v0_1,
};

/// What the stage reads and writes.
pub(crate) fn slots() -> SlotUse {
    SlotUse {
        reads: vec![Slot::Words],
        reads_if_present: vec![
            Slot::GroundTruth,
            Slot::Drafts,
            Slot::Annotations,
            Slot::Layout,
            Slot::Handwriting,
            Slot::VisualElements,
            Slot::PageImages,
        ],
        writes: vec![Slot::Annotations],
    }
}

/// A form of ground truth that runs in the sandbox, a fresh instance for each call.
pub(crate) struct PluginTruth {
    offered: Offered,
    name: String,
    brief: OnceCell<TruthBrief>,
}

impl PluginTruth {
    pub(crate) fn new(offered: Offered) -> Result<Self, PluginError> {
        offered.check_params()?;
        let name = format!("plugin:{}", offered.plugin.name_of(&offered.offer));
        Ok(Self {
            offered,
            name,
            brief: OnceCell::new(),
        })
    }

    /// The stage that makes it.
    pub(crate) fn stage(self) -> Built {
        Built::Document(Arc::new(self))
    }

    /// The truth of a document; `None` with the reason where it cannot have one.
    pub(crate) async fn annotation(
        &self,
        draft: &str,
        document: Arc<Lent>,
        seed: Seed,
    ) -> Result<Result<Annotation, String>, StageFailure> {
        let offered = &self.offered;
        offered.check_enabled()?;
        let (loaded, offer, params) = (&offered.loaded, &offered.offer, offered.params_text());
        let asked = || Asked::Truth {
            draft: draft.to_owned(),
            document: document.snapshot(),
        };
        let mut store = offered.store(seed, None);
        let built = v0_1::build(&mut store, loaded, offer, &params, draft, &document).await;
        let text = match offered.answered("build", &mut store, built, asked)? {
            Ok(text) => text,
            Err(why) => return Ok(Err(why)),
        };
        let truth = serde_json::from_str(&text).map_err(|error| {
            let reason = Reason::Unbelievable(format!("its ground truth is no JSON: {error}"));
            offered.failed("build", &mut store, reason, Some(asked()))
        })?;
        let mut store = offered.store(seed, None);
        let verified = v0_1::verify(&mut store, loaded, offer, &params, &text, &document).await;
        let problems = offered.answered("verify", &mut store, verified.map(Ok), asked)?;
        Ok(Ok(Annotation {
            format: self.name.clone(),
            truth,
            problems: problems.unwrap_or_default(),
        }))
    }
}

#[async_trait]
impl TruthFormat for PluginTruth {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.offered.identity()
    }

    async fn brief(&self) -> Result<TruthBrief, StageFailure> {
        let ask = async || {
            let offered = &self.offered;
            offered.check_enabled()?;
            let mut store = offered.store(Seed(0), None);
            let params = offered.params_text();
            let brief = v0_1::brief(&mut store, &offered.loaded, &offered.offer, &params).await;
            let brief = offered.answered("instructions", &mut store, brief, || Asked::Brief)?;
            brief.map_err(|why| {
                let reason = Reason::Broken(why);
                offered
                    .failed("instructions", &mut store, reason, Some(Asked::Brief))
                    .into()
            })
        };
        self.brief.get_or_try_init(ask).await.cloned()
    }
}

#[async_trait]
impl DocumentStage for PluginTruth {
    fn identity(&self) -> String {
        self.offered.identity()
    }

    fn seeded(&self) -> bool {
        true
    }

    async fn run(&self, context: &DocumentContext) -> Result<Outputs, StageFailure> {
        let mut annotations = context
            .read_if_present::<Annotations>()
            .await?
            .map_or_else(Vec::new, |others| others.0.clone());
        // Where a pipeline has it twice, the later one counts.
        annotations.retain(|it| it.format != self.name);
        let drafts = context.read_if_present::<Drafts>().await?;
        let document = Arc::new(Lent::read(context).await?);
        let own = |draft: &&Draft| draft.format == self.name;
        let drafted = drafts.as_ref().and_then(|drafts| drafts.0.iter().find(own));
        // Who was not asked has annotated what a writer always does.
        let draft = drafted.map(|draft| draft.value.clone());
        let draft = draft.or_else(|| document.truth().map(GroundTruth::draft));
        let Some(draft) = draft else {
            let remark = format!(
                "`{}` has nothing to work on: nobody has annotated the document",
                self.name
            );
            return Ok(Outputs::new()
                .with(&Annotations(annotations))?
                .noting(remark));
        };
        let made = self
            .annotation(&draft.to_string(), document, context.seed)
            .await?;
        let mut remark = None;
        match made {
            Ok(annotation) => {
                if !annotation.problems.is_empty() {
                    remark = Some(format!(
                        "`{}` finds its ground truth untrue of the document",
                        self.name
                    ));
                }
                annotations.push(annotation);
            }
            Err(why) => remark = Some(format!("`{}` has left documents out: {why}", self.name)),
        }
        let outputs = Outputs::new().with(&Annotations(annotations))?;
        Ok(remark.into_iter().fold(outputs, Outputs::noting))
    }
}
