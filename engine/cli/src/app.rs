//! The composition root: every stage and store the engine has.

use std::path::{Path, PathBuf};

use docgenie_document::Code;
use docgenie_pipeline::{Catalogue, Diagnostic, Pipeline, Plan};
use docgenie_runtime::{registry::Registry, stage::StageKind};
use docgenie_stages as stages;

use crate::{
    args::PipelineArguments,
    find::{self, Found},
    report::{self, Status, Stop},
};

/// No folder for state can be found.
const NO_HOME: Code = Code::new("DG0901");

/// The engine's version as dataset cards name it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All stages there are.
pub(crate) fn registry() -> Registry {
    [
        StageKind::of::<stages::input::Input>(),
        StageKind::of::<stages::author::AuthorConfig>(),
        StageKind::of::<stages::render::RenderConfig>(),
        StageKind::of::<stages::boxes::BoxesConfig>(),
        StageKind::of::<stages::raster::Raster>(),
        StageKind::of::<stages::ocr::Ocr>(),
        StageKind::of::<stages::verify::Verify>(),
        StageKind::of::<stages::overlay::Overlay>(),
        StageKind::of::<stages::analyse::Analyse>(),
        StageKind::of::<stages::package::Package>(),
    ]
    .into_iter()
    .collect()
}

/// The folder for state: as given, else the XDG data folder.
pub(crate) fn home(given: Option<PathBuf>) -> Result<PathBuf, Stop> {
    let given = given.or_else(|| {
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
        let data = data.filter(|path| path.is_absolute());
        let own = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share"));
        Some(data.or_else(own)?.join("docgenie"))
    });
    let home = given.ok_or_else(|| {
        Stop::new(Status::Environment, NO_HOME, "there is no folder for state")
            .hint("set DOCGENIE_HOME, or HOME")
    })?;
    let made = std::fs::create_dir_all(&home).and_then(|()| std::path::absolute(&home));
    made.map_err(|error| {
        let message = format!("the folder for state `{}` cannot be made", home.display());
        Stop::new(Status::Environment, NO_HOME, message)
            .because(&error)
            .hint("set DOCGENIE_HOME to a folder that can be written")
    })
}

/// A pipeline that was found, read and found sound.
pub(crate) struct Loaded {
    pub(crate) found: Found,
    pub(crate) pipeline: Pipeline,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Finds and checks a pipeline.
pub(crate) fn load(name: &str, home: &Path, catalogue: &Catalogue) -> Result<Loaded, Stop> {
    let mut found = find::pipeline(name, home)?;
    let bytes = std::mem::take(&mut found.bytes);
    let text = docgenie_pipeline::decode(&found.shown, bytes)
        .map_err(|fault| Stop::Faults(vec![*fault]))?;
    let (pipeline, diagnostics) = Pipeline::parse(&found.shown, &text, catalogue);
    match pipeline {
        Some(pipeline) => Ok(Loaded {
            found,
            pipeline,
            warnings: diagnostics,
        }),
        None => Err(Stop::Faults(diagnostics)),
    }
}

/// The plan of a loaded pipeline with these parameters set.
pub(crate) fn plan(loaded: &Loaded, set: &[(String, String)]) -> Result<Plan, Stop> {
    let (plan, diagnostics) = loaded.pipeline.plan(set);
    plan.ok_or(Stop::Faults(diagnostics))
}

/// Finds, checks and plans; warnings are told.
pub(crate) fn load_and_plan(
    arguments: &PipelineArguments,
    home: &Path,
    catalogue: &Catalogue,
) -> Result<(Loaded, Plan), Stop> {
    let loaded = load(&arguments.pipeline, home, catalogue)?;
    report::diagnostics(&loaded.warnings);
    let plan = plan(&loaded, &arguments.set)?;
    Ok((loaded, plan))
}
