//! `plugin`: build plugins, and look at those there are.

use std::path::Path;

use docgenie_plugin_host::{Offer, Plugin, PluginError, Plugins};
use docgenie_runtime::stage::StageFailure;
use serde_json::{Value, json};

use crate::{
    app,
    args::{Format, PluginCommand},
    report::{self, Status, Stop},
};

pub(crate) fn plugin(command: PluginCommand, home: &Path) -> Result<Status, Stop> {
    let plugins = app::plugins(home);
    match command {
        PluginCommand::List { format } => list(&plugins, format),
        PluginCommand::Inspect { plugin } => inspect(&plugins, &plugin),
        PluginCommand::Build { folder, out } => build(&plugins, &folder, out.as_deref()),
        PluginCommand::Check { plugin } => check(&plugins, &plugin),
    }
}

fn list(plugins: &Plugins, format: Format) -> Result<Status, Stop> {
    let library = plugins.library();
    match format {
        Format::Json => {
            let all: Vec<Value> = library.plugins().map(told).collect();
            report::data(&format!("{:#}\n", Value::Array(all)));
        }
        Format::Human => {
            let mut text = String::new();
            for plugin in library.plugins() {
                let about = &plugin.manifest.plugin;
                let (kind, summary) = (plugin.offers.kind.name(), &about.summary);
                text.push_str(&format!(
                    "{:24} {:8} {kind:20} {summary}\n",
                    about.id, about.version
                ));
            }
            report::data(&text);
        }
    }
    for fault in library.faults() {
        report::talk(&format!("warning: {fault}"));
    }
    Ok(Status::Done)
}

fn inspect(plugins: &Plugins, name: &str) -> Result<Status, Stop> {
    let plugin = found(plugins, name)?;
    report::data(&format!("{:#}\n", told(&plugin)));
    Ok(Status::Done)
}

fn build(plugins: &Plugins, folder: &Path, out: Option<&Path>) -> Result<Status, Stop> {
    let sandbox = plugins.sandbox().map_err(stopped)?;
    let plugin = Plugin::build(sandbox, folder, out.unwrap_or(folder)).map_err(stopped)?;
    report::talk(&format!("built plugin `{}`", plugin.id()));
    for (name, offer) in plugin.names() {
        report::talk(&format!("    uses = \"plugin:{name}\"   {}", offer.summary));
    }
    Ok(Status::Done)
}

fn check(plugins: &Plugins, name: &str) -> Result<Status, Stop> {
    let plugin = found(plugins, name)?;
    let sandbox = plugins.sandbox().map_err(stopped)?;
    plugin.check(sandbox).map_err(stopped)?;
    report::talk(&format!("plugin `{}` is sound", plugin.id()));
    Ok(Status::Done)
}

/// The plugin in this folder, or of this name.
fn found(plugins: &Plugins, name: &str) -> Result<Plugin, Stop> {
    let folder = Path::new(name);
    if folder.is_dir() {
        return Plugin::read(folder).map_err(stopped);
    }
    match plugins.library().get(name) {
        Some(plugin) => Ok(plugin.clone()),
        None => Err(stopped(PluginError::NotFound {
            plugin: name.to_owned(),
        })),
    }
}

fn told(plugin: &Plugin) -> Value {
    let about = &plugin.manifest.plugin;
    let offer = |(uses, offer): (String, &Offer)| {
        json!({
            "uses": format!("plugin:{uses}"),
            "title": offer.title,
            "summary": offer.summary,
            "options": offer.params_schema,
        })
    };
    json!({
        "id": about.id,
        "version": about.version,
        "kind": plugin.offers.kind,
        "summary": about.summary,
        "license": about.license,
        "folder": plugin.folder,
        "wants": plugin.manifest.wants,
        "offers": plugin.names().map(offer).collect::<Vec<_>>(),
    })
}

fn stopped(error: PluginError) -> Stop {
    Stop::of(Status::BadInput, StageFailure::from(error))
}
