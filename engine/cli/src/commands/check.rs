//! Commands that look at a pipeline without running it.

use std::path::Path;

use docgenie_document::Code;
use docgenie_pipeline::{self as pipeline, Catalogue};
use serde_json::json;

use crate::{
    app::{self, Loaded},
    args::{Format, GraphFormat, PipelineArguments},
    report::{self, Status, Stop},
};

/// No stage has this name.
const NO_STAGE: Code = Code::new("DG0905");

/// `validate`
pub(super) fn validate(
    arguments: &PipelineArguments,
    deny_warnings: bool,
    format: Format,
    home: &Path,
) -> Result<Status, Stop> {
    let catalogue = app::registry(home).catalogue();
    let (plan, diagnostics) = match Loaded::new(&arguments.pipeline, home, &catalogue) {
        Err(Stop::Faults(faults)) => (None, faults),
        Err(Stop::Problem(status, problem)) => {
            if format == Format::Json {
                let none = json!({ "valid": false, "diagnostics": [], "problem": problem });
                report::data(&none.to_string());
            }
            return Err(Stop::Problem(status, problem));
        }
        Ok(loaded) => loaded.examine(&arguments.set),
    };
    let bad = plan.is_none() || (deny_warnings && !diagnostics.is_empty());
    match format {
        Format::Json => {
            let list = json!({ "valid": !bad, "diagnostics": diagnostics });
            report::data(&list.to_string());
        }
        Format::Human => {
            report::diagnostics(&diagnostics);
            if let (Some(plan), false) = (&plan, bad) {
                let stages: Vec<&str> = plan.stages.iter().map(|stage| stage.id.as_str()).collect();
                report::data(&format!("{} is sound: {}", plan.name, stages.join(" → ")));
            }
        }
    }
    Ok(if bad { Status::BadInput } else { Status::Done })
}

/// `graph`
pub(super) fn graph(
    arguments: &PipelineArguments,
    format: GraphFormat,
    home: &Path,
) -> Result<Status, Stop> {
    let catalogue = app::registry(home).catalogue();
    let loaded = Loaded::new(&arguments.pipeline, home, &catalogue)?;
    let plan = loaded.plan(&arguments.set)?;
    report::data(&match format {
        GraphFormat::Mermaid => pipeline::graph::mermaid(&plan),
        GraphFormat::Dot => pipeline::graph::dot(&plan),
    });
    Ok(Status::Done)
}

/// `stages`
pub(super) fn stages(name: Option<&str>, reference: bool, home: &Path) -> Result<Status, Stop> {
    if reference {
        report::data(&pipeline::reference(&native()));
        return Ok(Status::Done);
    }
    let catalogue = app::registry(home).catalogue();
    let Some(name) = name else {
        let wide = catalogue
            .iter()
            .map(|spec| spec.name.len())
            .max()
            .unwrap_or(0);
        let lines: Vec<String> = catalogue
            .iter()
            .map(|spec| format!("{:<wide$}  {}", spec.name, spec.summary))
            .collect();
        report::data(&lines.join("\n"));
        return Ok(Status::Done);
    };
    let spec = catalogue.get(name).ok_or_else(|| {
        Stop::new(
            Status::BadInput,
            NO_STAGE,
            format!("there is no stage `{name}`"),
        )
        .hint("`docgenie-engine stages` lists them")
    })?;
    report::data(&pipeline::stage_reference(spec));
    Ok(Status::Done)
}

/// `schema`
pub(super) fn schema(openapi: bool) -> Result<Status, Stop> {
    let schema = if openapi {
        docgenie_api::openapi()
    } else {
        pipeline::schema(&native())
    };
    report::data(&format!("{schema:#}"));
    Ok(Status::Done)
}

/// What the pages and the schema of this repository speak of.
fn native() -> Catalogue {
    app::native(&[]).into_iter().map(|kind| kind.spec).collect()
}
