//! What stages and plugins are called, and what a misspelt name means.

use docgenie_document::Code;

use crate::{
    catalogue::{Catalogue, StageSpec},
    diagnostic::Report,
    source::Span,
    wording::{did_you_mean, meant},
};

/// How the names of what plugins offer begin.
const PLUGIN: &str = "plugin:";
/// A plugin that is not installed.
pub(crate) const PLUGIN_NOT_FOUND: Code = Code::new("DG0011");
/// A name that no stage has.
pub(crate) const UNKNOWN_STAGE: Code = Code::new("DG0010");

/// The plugin in a name such as `plugin:seal/round`.
pub(crate) fn plugin_in(name: &str) -> Option<&str> {
    name.strip_prefix(PLUGIN)?.split('/').next()
}

/// The stage of this name, or the one that a misspelt name means, which is reported.
pub(crate) fn spec_named(
    catalogue: &Catalogue,
    uses: &str,
    span: &Span,
    report: &mut Report,
) -> Option<StageSpec> {
    if let Some(spec) = catalogue.get(uses) {
        return Some(spec.clone());
    }
    let names = || catalogue.iter().map(|spec| spec.name.as_str());
    if plugin_in(uses).is_some() {
        let intended = meant_plugin(uses, names());
        report_no_plugin(uses, intended, span, report);
        return intended.and_then(|name| catalogue.get(name)).cloned();
    }
    report
        .error(
            UNKNOWN_STAGE,
            span.clone(),
            format!("no stage is named `{uses}`"),
        )
        .hint(did_you_mean(uses, names(), "the stages"));
    meant(uses, names())
        .and_then(|name| catalogue.get(name))
        .cloned()
}

/// The plugin's offer that a misspelt name most likely means; what all such names begin with is no
/// likeness.
pub(crate) fn meant_plugin<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let own = name.strip_prefix(PLUGIN).unwrap_or(name);
    let all: Vec<_> = candidates
        .into_iter()
        .filter_map(|it| Some((it, it.strip_prefix(PLUGIN)?)))
        .collect();
    let likely = meant(own, all.iter().map(|(_, offer)| *offer))?;
    all.iter()
        .find(|(_, offer)| *offer == likely)
        .map(|(name, _)| *name)
}

/// Reports that a plugin is not there; `intended` is the name that may be meant.
pub(crate) fn report_no_plugin(
    name: &str,
    intended: Option<&str>,
    span: &Span,
    report: &mut Report,
) {
    let id = plugin_in(name).unwrap_or(name);
    let hint = match intended {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`docgenie-engine plugin install` installs one; or remove this".to_owned(),
    };
    report
        .error(
            PLUGIN_NOT_FOUND,
            span.clone(),
            format!("plugin `{id}` is not found"),
        )
        .note(
            "plugins are looked for in `plugins/` of the working folder, in the user's plugin \
             folder, and among those that come with the engine",
        )
        .hint(hint);
}
