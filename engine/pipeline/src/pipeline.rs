//! A pipeline file and what it means, before its parameters have values.

mod reader;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use docgenie_document::{Code, Digest};
use serde_json::Value;

use self::reader::Reader;
use crate::{
    catalogue::{Catalogue, StageSpec},
    diagnostic::{Diagnostic, Report},
    node::{self, Node},
    param::Param,
    planner::Memo,
    source::{Source, Span},
    template::Formula,
};

/// A parameter that nothing uses.
pub(crate) const UNUSED_PARAM: Code = Code::new("DG0027");
/// A pipeline file with its text, its spans and all that can be known of it without the values of
/// its parameters.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) source: Arc<Source>,
    pub(crate) catalogue: Catalogue,
    pub(crate) digest: Digest,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) params: Vec<Param>,
    pub(crate) stages: Vec<Stage>,
    /// Whether parsing has found errors, so that no plan can be made.
    pub(crate) faulty: bool,
}

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) id: String,
    /// The header that opens it.
    pub(crate) span: Span,
    pub(crate) uses: String,
    pub(crate) uses_span: Span,
    /// What the catalogue says about it, or about the stage that a misspelt name means.
    pub(crate) spec: Option<StageSpec>,
    pub(crate) when: Option<Formula>,
    pub(crate) with: Option<Node>,
    /// The templates in `with` by where they start; `None` for one that cannot be evaluated.
    pub(crate) templates: BTreeMap<usize, Option<Formula>>,
    /// Positions of the stages that its `after` names.
    pub(crate) after: Vec<usize>,
    /// The schema of its options, once it was needed, as [`crate::shape::resolved`] makes it.
    pub(crate) schema: OnceLock<Value>,
    /// The parameters that have a part in it.
    pub(crate) depends: BTreeSet<String>,
    pub(crate) memo: Memo,
}

impl Pipeline {
    /// Reads a pipeline file, shown as `path_shown`, and reports every fault that does not depend
    /// on the values of parameters, in order of place. There is no pipeline only where the text is
    /// not TOML; a pipeline with faults can still be [planned](Self::plan) to find more of them.
    #[must_use]
    pub fn parse(
        path_shown: &str,
        text: &str,
        catalogue: &Catalogue,
    ) -> (Option<Self>, Vec<Diagnostic>) {
        let source = Arc::new(Source::new(path_shown, text));
        let mut report = Report::new(Arc::clone(&source));
        let Some(table) = node::parse(source.text(), &mut report) else {
            return (None, report.finish());
        };
        let reader = Reader {
            source: &source,
            catalogue,
            report: &mut report,
        };
        let (name, description, params, stages) = reader.pipeline(&table);
        if report.errors() == 0 {
            warn_of_unused(&params, &stages, &mut report);
        }
        let pipeline = Self {
            catalogue: catalogue.clone(),
            digest: Digest::of(text.as_bytes()),
            name,
            description,
            params,
            stages,
            faulty: report.errors() > 0,
            source,
        };
        (Some(pipeline), report.finish())
    }

    /// Its name; empty where the file gives none, which is a fault.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The text that it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// A fault at a place of the file, found by who knows more than the file says.
    #[must_use]
    pub fn fault(&self, code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.source, code, span, message)
    }

    /// Its parameters in order of the file.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }
}

fn warn_of_unused(params: &[Param], stages: &[Stage], report: &mut Report) {
    let used = |param: &&Param| stages.iter().any(|it| it.depends.contains(&param.name));
    for param in params.iter().filter(|param| !used(param)) {
        let name = &param.name;
        report
            .warning(
                UNUSED_PARAM,
                param.span.clone(),
                format!("parameter `{name}` is never used"),
            )
            .hint(format!("use it as `{{{{ params.{name} }}}}`, or remove it"));
    }
}
