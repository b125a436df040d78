//! `plugin`: make, look at, install and lock plugins.

mod dev;
mod new;
mod test;

use std::path::{Path, PathBuf};

use docgenie_plugin_host::{
    Bundle, BundleError, Installed, Lock, LockError, Manifest, Offer, Offers, Plugin, PluginError,
    Plugins, Wants, Wasi, sha256,
};
use docgenie_runtime::{files::write_atomically, stage::StageFailure};
use serde_json::{Value, json};

use crate::{
    app::{self, Loaded},
    args::{Format, PipelineArguments, PluginCommand},
    pins,
    report::{self, Status, Stop},
};

pub(crate) fn plugin(command: PluginCommand, home: &Path) -> Result<Status, Stop> {
    let plugins = app::plugins(home);
    match command {
        PluginCommand::New(new) => new::new(&new),
        PluginCommand::List { format } => list(&plugins, format, home),
        PluginCommand::Inspect { plugin } => inspect(&plugins, &plugin),
        PluginCommand::Build { folder, out } => build(&plugins, &folder, out.as_deref()),
        PluginCommand::Check { plugin } => check(&plugins, &plugin),
        PluginCommand::Test {
            folder,
            out,
            bless,
            replay,
        } => {
            let sandbox = plugins.sandbox().map_err(stopped)?;
            match replay {
                Some(file) => test::replay(sandbox, &folder, &file),
                None => test::test(sandbox, &folder, out, bless),
            }
        }
        PluginCommand::Dev { folder } => dev::dev(&plugins, &folder, home),
        PluginCommand::Pack { folder, out } => pack(&plugins, &folder, out),
        PluginCommand::Install { bundle, force } => install(&plugins, &bundle, force, home),
        PluginCommand::Remove { plugin } => remove(&plugins, &plugin, home),
        PluginCommand::Lock { pipeline } => lock(&plugins, &pipeline, home),
    }
}

fn list(plugins: &Plugins, format: Format, home: &Path) -> Result<Status, Stop> {
    let library = plugins.library();
    match format {
        Format::Json => {
            let all = library.plugins().map(|plugin| {
                let mut told = told_of(plugin);
                told["from"] = origin(&plugin.folder, home).into();
                told
            });
            report::data(&format!("{:#}\n", all.collect::<Value>()));
        }
        Format::Human => {
            let lines = library.plugins().map(|plugin| line(plugin, home));
            report::data(&lines.collect::<String>());
        }
    }
    for fault in library.faults() {
        report::talk(&format!("warning: {fault}"));
    }
    Ok(Status::Done)
}

/// A plugin in a list: what it is, and indented what is special about it.
fn line(plugin: &Plugin, home: &Path) -> String {
    let about = &plugin.manifest.plugin;
    let (kind, from) = (plugin.offers.kind.name(), origin(&plugin.folder, home));
    let mut text = format!(
        "{:24} {:8} {kind:20} {from:15} {}\n",
        about.id, about.version, about.summary
    );
    if plugin.offer(None).is_none() {
        let names: Vec<_> = plugin.names().map(|(name, _)| name).collect();
        text.push_str(&format!("    offers {}\n", names.join(", ")));
    }
    let wants = wants(&plugin.manifest.wants);
    if !wants.is_empty() {
        text.push_str(&format!("    wants {}\n", wants.join(", ")));
    }
    text
}

/// Whose place a plugin lies in.
fn origin(folder: &Path, home: &Path) -> &'static str {
    let places = app::plugin_places(home);
    let place = places.iter().find(|(_, place)| folder.starts_with(place));
    place.map_or("elsewhere", |(name, _)| name)
}

/// What a plugin asks for beyond what every plugin gets.
fn wants(wants: &Wants) -> Vec<String> {
    let usual = Wants::default();
    let memory = (wants.memory_mib > usual.memory_mib)
        .then(|| format!("{} MiB of memory", wants.memory_mib));
    let time = (wants.call_seconds > usual.call_seconds)
        .then(|| format!("{} s a call", wants.call_seconds));
    let output = (wants.output_mib > usual.output_mib)
        .then(|| format!("{} MiB of output", wants.output_mib));
    let assets = (!wants.assets.is_empty()).then(|| match wants.assets.len() {
        1 => "a file of its own".to_owned(),
        count => format!("{count} files of its own"),
    });
    let wasi = (wants.wasi == Wasi::Stub).then(|| "an empty system interface".to_owned());
    let all = [memory, time, output, assets, wasi];
    all.into_iter().flatten().collect()
}

fn inspect(plugins: &Plugins, name: &str) -> Result<Status, Stop> {
    let file = Path::new(name);
    let told = if file.is_file() {
        let bundle = Bundle::read(file).map_err(refused)?;
        let mut told = told(&bundle.manifest, &bundle.offers);
        told["bundle"] = json!(file);
        told
    } else {
        told_of(&found(plugins, name)?)
    };
    report::data(&format!("{told:#}\n"));
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

fn pack(plugins: &Plugins, folder: &Path, out: Option<PathBuf>) -> Result<Status, Stop> {
    let plugin = Plugin::read(folder).map_err(stopped)?;
    let sandbox = plugins.sandbox().map_err(stopped)?;
    plugin.check(sandbox).map_err(stopped)?;
    let bundle = Bundle::of(&plugin).map_err(refused)?;
    let bytes = bundle.packed().map_err(refused)?;
    let file = match out {
        Some(out) if out.is_dir() => out.join(bundle.file_name()),
        Some(out) => out,
        None => bundle.file_name().into(),
    };
    let written = write_atomically(&file, &bytes);
    written.map_err(|source| {
        let plugin = plugin.id().to_owned();
        refused(BundleError::Unwritable { plugin, source })
    })?;
    report::data(&format!(
        "{}  {}  sha256:{}\n",
        file.display(),
        report::bytes(bytes.len() as u64),
        sha256(&bytes)
    ));
    Ok(Status::Done)
}

fn install(plugins: &Plugins, path: &Path, force: bool, home: &Path) -> Result<Status, Stop> {
    let bundle = if path.is_dir() {
        Bundle::of(&Plugin::read(path).map_err(stopped)?)
    } else {
        Bundle::read(path)
    };
    let bundle = bundle.map_err(refused)?;
    let place = app::user_plugins(home);
    let sandbox = plugins.sandbox().map_err(stopped)?;
    let installed = bundle.install(sandbox, &place, force).map_err(refused)?;
    let about = &bundle.manifest.plugin;
    let what = format!("plugin `{}` {}", about.id, about.version);
    report::talk(&match installed {
        Installed::New => format!("installed {what}"),
        Installed::Same => format!("{what} is installed already, the same to the byte"),
        Installed::Instead(Some(version)) => format!("installed {what} in place of {version}"),
        Installed::Instead(None) => format!("installed {what} in place of one that was damaged"),
    });
    let wants = wants(&bundle.manifest.wants);
    if !wants.is_empty() {
        report::talk(&format!("    it wants {}", wants.join(", ")));
    }
    // As the next command sees it.
    let plugins = app::plugins(home);
    let folder = place.join(&about.id);
    match plugins.library().get(&about.id) {
        Some(plugin) if plugin.folder != folder => {
            let first = plugin.folder.display();
            report::talk(&format!("warning: `{first}` goes before it"));
        }
        Some(plugin) => {
            for (name, offer) in plugin.names() {
                report::talk(&format!("    plugin:{name}   {}", offer.summary));
            }
        }
        None => {}
    }
    report::data(&format!("{}\n", folder.display()));
    Ok(Status::Done)
}

fn remove(plugins: &Plugins, id: &str, home: &Path) -> Result<Status, Stop> {
    let place = app::user_plugins(home);
    let removed = plugins.remove(&place, id);
    let folder = match (removed, plugins.library().get(id)) {
        (Err(BundleError::Plugin(PluginError::NotFound { .. })), Some(plugin)) => {
            let folder = plugin.folder.clone();
            let from = origin(&folder, home);
            return Err(refused(BundleError::NotOurs {
                folder,
                why: format!("it is of the {from} set, not in `{}`", place.display()),
                hint: "remove it by hand, if it is yours",
            }));
        }
        (removed, _) => removed.map_err(refused)?,
    };
    report::talk(&format!("removed plugin `{id}`, `{}`", folder.display()));
    if let Some(plugin) = app::plugins(home).library().get(id) {
        let (version, folder) = (&plugin.manifest.plugin.version, plugin.folder.display());
        report::talk(&format!("    `plugin:{id}` is now {version} in `{folder}`"));
    }
    Ok(Status::Done)
}

fn lock(plugins: &Plugins, arguments: &PipelineArguments, home: &Path) -> Result<Status, Stop> {
    let catalogue = app::registry(home).catalogue();
    let loaded = Loaded::unlocked(&arguments.pipeline, home, &catalogue)?;
    let plan = loaded.plan(&arguments.set)?;
    let lock = pins::lock(&loaded.pipeline, &plan, plugins).map_err(Stop::Faults)?;
    let file = loaded.found.file.as_deref().map(Lock::file_of);
    let file = file.ok_or_else(|| unlocked(LockError::Shipped(plan.name.clone())))?;
    lock.write(&file).map_err(unlocked)?;
    let lines = lock
        .pins()
        .map(|pin| format!("{:24} {:8} {}\n", pin.id, pin.version, pin.sha256));
    report::data(&lines.collect::<String>());
    report::talk(&format!("wrote `{}`", file.display()));
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

fn told_of(plugin: &Plugin) -> Value {
    let mut told = told(&plugin.manifest, &plugin.offers);
    told["folder"] = json!(plugin.folder);
    told
}

fn told(manifest: &Manifest, offers: &Offers) -> Value {
    let about = &manifest.plugin;
    let offer = |(uses, offer): (String, &Offer)| {
        json!({
            "uses": format!("plugin:{uses}"),
            "title": offer.title,
            "summary": offer.summary,
            "options": offer.params_schema,
        })
    };
    let mut told = json!({
        "id": about.id,
        "version": about.version,
        "kind": offers.kind,
        "summary": about.summary,
        "license": about.license,
        "wants": manifest.wants,
        "offers": offers.names(&about.id).map(offer).collect::<Vec<_>>(),
    });
    if let Some(sha256) = &about.sha256 {
        told["sha256"] = json!(sha256);
    }
    told
}

fn stopped(error: PluginError) -> Stop {
    Stop::of(Status::BadInput, StageFailure::from(error))
}

fn unlocked(error: LockError) -> Stop {
    let status = match error {
        LockError::Io { .. } => Status::Environment,
        _ => Status::BadInput,
    };
    Stop::of(status, StageFailure::from(error))
}

fn refused(error: BundleError) -> Stop {
    let status = match error {
        BundleError::Unwritable { .. } => Status::Environment,
        _ => Status::BadInput,
    };
    Stop::of(status, StageFailure::from(error))
}
