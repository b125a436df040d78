//! The composition root: every stage and store the engine has.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use docgenie_document::Code;
use docgenie_pipeline::{Catalogue, Diagnostic, Pipeline, Plan};
use docgenie_plugin_host::Plugins;
use docgenie_runtime::{extension::ElementOffer, registry::Registry, stage::StageKind};
use docgenie_stages as stages;

use serde_json::{Map, Value};

use crate::{
    find::{self, Found},
    pins::Pins,
    report::{self, Status, Stop},
};

/// No folder for state can be found.
const NO_HOME: Code = Code::new("DG0901");

/// The engine's version as dataset cards name it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All stages there are: those of the engine and those that plugins offer.
pub(crate) fn registry(home: &Path) -> Registry {
    let plugins = plugins(home);
    native(&plugins.elements())
        .into_iter()
        .chain(plugins.stages())
        .collect()
}

/// The plugins of the working folder, of the user and of the shipped set.
pub(crate) fn plugins(home: &Path) -> Arc<Plugins> {
    let places = plugin_places(home).into_iter().map(|(_, place)| place);
    Plugins::open(&places.collect::<Vec<_>>(), home)
}

/// Where plugins are looked for, in this order, and whose place it is.
pub(crate) fn plugin_places(home: &Path) -> Vec<(&'static str, PathBuf)> {
    let program = std::env::current_exe().and_then(std::fs::canonicalize);
    let program = program.ok();
    let beside = program.as_deref().and_then(Path::parent);
    let installed = beside.and_then(Path::parent);
    let places = [
        Some(("working folder", PathBuf::from("plugins"))),
        Some(("user", user_plugins(home))),
        beside.map(|folder| ("shipped", folder.join("plugins"))),
        installed.map(|folder| ("shipped", folder.join("share/docgenie/plugins"))),
    ];
    places.into_iter().flatten().collect()
}

/// Where plugins are installed.
pub(crate) fn user_plugins(home: &Path) -> PathBuf {
    home.join("plugins")
}

/// The stages of the engine itself, which can place these elements.
pub(crate) fn native(elements: &[ElementOffer]) -> Vec<StageKind> {
    let mut kinds = vec![
        StageKind::of::<stages::input::InputConfig>(),
        StageKind::of::<stages::author::AuthorConfig>(),
        StageKind::of::<stages::render::RenderConfig>(),
        StageKind::of::<stages::boxes::BoxesConfig>(),
        StageKind::of::<stages::raster::RasterConfig>(),
        StageKind::of::<stages::ocr::OcrConfig>(),
        StageKind::of::<stages::verify::VerifyConfig>(),
        StageKind::of::<stages::overlay::OverlayConfig>(),
        StageKind::of::<stages::analyse::AnalyseConfig>(),
        StageKind::of::<stages::package::PackageConfig>(),
        StageKind::of::<stages::deliver::DeliverConfig>(),
    ];
    kinds.extend(stages::place::kinds(elements));
    kinds
}

/// The folder for state, which is made by whoever keeps state: as given, else in the XDG data
/// folder.
pub(crate) fn home(given: Option<OsString>) -> Result<PathBuf, Stop> {
    let given = given.filter(|given| !given.is_empty()).map(PathBuf::from);
    let home = given.or_else(|| {
        let folder = |name| std::env::var_os(name).map(PathBuf::from);
        let folder = |name| folder(name).filter(|path| path.is_absolute());
        let own = || Some(folder("HOME")?.join(".local/share"));
        Some(folder("XDG_DATA_HOME").or_else(own)?.join("docgenie"))
    });
    let home = home.ok_or_else(|| {
        Stop::new(Status::Environment, NO_HOME, "there is no folder for state")
            .hint("set DOCGENIE_HOME, or HOME")
    })?;
    std::path::absolute(&home).map_err(|error| {
        let message = format!("the folder for state `{}` cannot be found", home.display());
        Stop::new(Status::Environment, NO_HOME, message)
            .because(&error)
            .hint("set DOCGENIE_HOME to an absolute path")
    })
}

/// The text of a pipeline file, parsed. Clones share it.
#[derive(Clone)]
pub(crate) struct Parsed {
    pipeline: Arc<Pipeline>,
    /// What parsing has found; faults among them mean that there will be no plan.
    diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    pub(crate) fn of(found: &Found, catalogue: &Catalogue) -> Result<Self, Stop> {
        let text = docgenie_pipeline::decode(&found.shown, found.bytes.to_vec())
            .map_err(|fault| Stop::Faults(vec![*fault]))?;
        let (pipeline, diagnostics) = Pipeline::parse(&found.shown, &text, catalogue);
        match pipeline {
            Some(pipeline) => Ok(Self {
                pipeline: Arc::new(pipeline),
                diagnostics,
            }),
            None => Err(Stop::Faults(diagnostics)),
        }
    }
}

/// A pipeline file that was found and read.
pub(crate) struct Loaded {
    pub(crate) found: Found,
    pub(crate) pipeline: Arc<Pipeline>,
    diagnostics: Vec<Diagnostic>,
    /// What its plugins must be.
    pins: Option<Pins>,
}

impl Loaded {
    /// Finds and reads a pipeline file, and its lock file where there is one.
    pub(crate) fn new(name: &str, home: &Path, catalogue: &Catalogue) -> Result<Self, Stop> {
        let found = find::pipeline(name, home)?;
        let parsed = Parsed::of(&found, catalogue)?;
        Self::locked(found, parsed, home)
    }

    /// A pipeline file that was parsed, with its lock file where there is one.
    pub(crate) fn locked(found: Found, parsed: Parsed, home: &Path) -> Result<Self, Stop> {
        let pins = Pins::of(&found, home)?;
        Ok(Self {
            pins,
            ..Self::of(found, parsed)
        })
    }

    /// Finds and reads a pipeline file, to be planned with whatever plugins there are.
    pub(crate) fn unlocked(name: &str, home: &Path, catalogue: &Catalogue) -> Result<Self, Stop> {
        let found = find::pipeline(name, home)?;
        let parsed = Parsed::of(&found, catalogue)?;
        Ok(Self::of(found, parsed))
    }

    fn of(found: Found, parsed: Parsed) -> Self {
        let Parsed {
            pipeline,
            diagnostics,
        } = parsed;
        Self {
            found,
            pipeline,
            diagnostics,
            pins: None,
        }
    }

    /// The plan with these parameters, and everything that was found, in order of place.
    pub(crate) fn examine(&self, set: &[(String, String)]) -> (Option<Plan>, Vec<Diagnostic>) {
        self.with_diagnostics(self.pipeline.plan(set))
    }

    /// The plan with these parameters; warnings are told.
    pub(crate) fn plan(&self, set: &[(String, String)]) -> Result<Plan, Stop> {
        sound(self.examine(set))
    }

    /// As [`Self::plan`], with parameters as a job or a test keeps them.
    pub(crate) fn plan_json(&self, params: &Map<String, Value>) -> Result<Plan, Stop> {
        sound(self.with_diagnostics(self.pipeline.plan_json(params)))
    }

    fn with_diagnostics(
        &self,
        (plan, mut found): (Option<Plan>, Vec<Diagnostic>),
    ) -> (Option<Plan>, Vec<Diagnostic>) {
        found.extend(self.diagnostics.iter().cloned());
        let pins = self.pins.as_ref().zip(plan.as_ref());
        let wrong = pins.map_or_else(Vec::new, |(pins, plan)| pins.faults(&self.pipeline, plan));
        let plan = plan.filter(|_| wrong.is_empty());
        found.extend(wrong);
        (plan, docgenie_pipeline::in_order(found))
    }
}

fn sound((plan, diagnostics): (Option<Plan>, Vec<Diagnostic>)) -> Result<Plan, Stop> {
    let Some(plan) = plan else {
        return Err(Stop::Faults(diagnostics));
    };
    report::diagnostics(&diagnostics);
    Ok(plan)
}
