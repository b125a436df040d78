//! What a writer annotates for other forms of ground truth than the engine's own.

use std::sync::Arc;

use docgenie_document::truth::Draft;
use docgenie_runtime::{
    extension::{TruthBrief, TruthFormat},
    stage::StageFailure,
};
use jsonschema::Validator;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::BAD_DRAFT;

/// Faults of a draft that a message names.
const FAULTS_SHOWN: usize = 3;

/// A form of ground truth that drafts are written for.
pub(super) struct Asked {
    format: Arc<dyn TruthFormat>,
    schema: OnceCell<Validator>,
}

impl Asked {
    pub(super) fn new(format: Arc<dyn TruthFormat>) -> Self {
        Self {
            format,
            schema: OnceCell::new(),
        }
    }

    pub(super) fn identity(&self) -> String {
        self.format.identity()
    }

    pub(super) fn name(&self) -> &str {
        self.format.name()
    }

    /// What a writer must annotate.
    pub(super) async fn brief(&self) -> Result<TruthBrief, StageFailure> {
        self.format.brief().await
    }

    /// The draft, if it is what the form asks for.
    pub(super) async fn accepted(&self, value: Value) -> Result<Draft, StageFailure> {
        let schema = self.schema.get_or_try_init(|| self.compiled()).await?;
        let faults = schema.iter_errors(&value).take(FAULTS_SHOWN);
        let faults: Vec<_> = faults
            .map(|fault| format!("`{}`: {fault}", fault.instance_path()))
            .collect();
        let format = self.format.name().to_owned();
        if faults.is_empty() {
            return Ok(Draft { format, value });
        }
        let message = format!("what is annotated is not what `{format}` asks for");
        let mut failure = StageFailure::new(BAD_DRAFT, message);
        failure.problem.causes = faults;
        Err(failure.hint("leave it out of `ground_truth`, or let a language model write"))
    }

    async fn compiled(&self) -> Result<Validator, StageFailure> {
        let brief = self.brief().await?;
        jsonschema::validator_for(&brief.draft_schema).map_err(|error| {
            let name = self.format.name();
            let message = format!("the schema that `{name}` has for drafts is none");
            let mut failure = StageFailure::new(BAD_DRAFT, message);
            failure.problem.causes.push(error.to_string());
            failure.ends_run()
        })
    }
}
