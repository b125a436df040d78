//! `plugin new`: a plugin of one's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use docgenie_document::Code;
use docgenie_plugin_host::Plugin;
use docgenie_runtime::files::NewFolder;
use include_dir::{Dir, File, include_dir};

use crate::{
    args::{NewPlugin, PluginKind, PluginLanguage},
    report::{self, Status, Stop},
};

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk/templates");
static RUST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk/src");
static RUST_WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk/wit");
static JAVASCRIPT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-js/templates");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-python/templates");

/// The folder of a new plugin cannot be made.
const CANNOT_START: Code = Code::new("DG0819");
/// Where a plugin in Rust has the crate that it is written with.
const VENDOR: &str = "vendor/docgenie-plugin";

pub(super) fn new(arguments: &NewPlugin) -> Result<Status, Stop> {
    let name = &arguments.name;
    if !Plugin::is_name(name) {
        let message = format!("`{name}` cannot name a plugin");
        return Err(Stop::new(Status::BadInput, CANNOT_START, message).hint(
            "use lower-case letters and digits, with hyphens between them, such as `my-seal`",
        ));
    }
    let folder = arguments.out.clone().unwrap_or_else(|| name.into());
    check_free(&folder)?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let message = format!("cannot write `{}`", folder.display());
        Stop::new(Status::Environment, CANNOT_START, message).because(error)
    };
    let made = NewFolder::beside(&folder).map_err(|error| failed(&error))?;
    for (path, bytes) in files(arguments) {
        made.write(&path, &bytes).map_err(|error| failed(&error))?;
    }
    made.put().map_err(|error| failed(&error))?;
    let shown = folder.display();
    report::data(&format!(
        "{shown}\n\nNext:\n  \
         docgenie-engine plugin build {shown}      plugin.wasm, beside its source\n  \
         docgenie-engine plugin check {shown}      whether it is sound\n  \
         docgenie-engine plugin test {shown}       try its cases\n  \
         docgenie-engine plugin install {shown}    and use it as `plugin:{name}`\n\n\
         {shown}/README.md tells more."
    ));
    Ok(Status::Done)
}

/// Whether a new folder may be put here.
fn check_free(folder: &Path) -> Result<(), Stop> {
    let is_free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => fs::symlink_metadata(folder).is_err(),
    };
    if is_free {
        return Ok(());
    }
    let message = format!("`{}` exists already", folder.display());
    Err(Stop::new(Status::BadInput, CANNOT_START, message)
        .hint("choose another name, or a place with `--out`"))
}

/// The files of a new plugin.
fn files(arguments: &NewPlugin) -> Vec<(String, Vec<u8>)> {
    let (templates, vendored) = match arguments.language {
        PluginLanguage::Rust => (&RUST, vendored()),
        PluginLanguage::Javascript => (&JAVASCRIPT, Vec::new()),
        PluginLanguage::Python => (&PYTHON, Vec::new()),
    };
    let kind = match arguments.kind {
        PluginKind::VisualElement => "visual-element",
        PluginKind::GroundTruthFormat => "ground-truth-format",
        PluginKind::DatasetExporter => "dataset-exporter",
    };
    let of_kind = templates.get_dir(kind).map(|it| below(it, it.path()));
    let filled = of_kind.into_iter().flatten().map(|(path, file)| {
        // Under its own name it would be obeyed where the template lies.
        let path = match path.as_str() {
            "gitignore" => ".gitignore".to_owned(),
            _ => path,
        };
        (path, filled(file, &arguments.name))
    });
    filled.chain(vendored).collect()
}

/// A template with the name of the plugin put in.
fn filled(file: &File<'_>, name: &str) -> Vec<u8> {
    let Some(text) = file.contents_utf8() else {
        return file.contents().to_vec();
    };
    let mut title = name.replace('-', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let text = text.replace("{{ id }}", name);
    // No name of a plugin is a reserved name of a crate, or that of the crate it is written with.
    let text = text.replace("{{ crate }}", &format!("plugin-{name}"));
    text.replace("{{ title }}", &title).into_bytes()
}

/// The crate that a plugin in Rust is written with.
fn vendored() -> Vec<(String, Vec<u8>)> {
    let manifest = RUST.get_file("vendor/Cargo.toml").into_iter();
    let manifest = manifest.map(|file| ("Cargo.toml".to_owned(), file));
    let under = |name: &'static str| move |(path, file)| (format!("{name}/{path}"), file);
    let source = below(&RUST_SDK, Path::new(""))
        .into_iter()
        .map(under("src"));
    let wit = below(&RUST_WIT, Path::new(""))
        .into_iter()
        .map(under("wit"));
    let all = manifest.chain(source).chain(wit);
    all.map(|(path, file)| (format!("{VENDOR}/{path}"), file.contents().to_vec()))
        .collect()
}

/// The files below a folder, by their paths from `root`.
fn below<'a>(folder: &'a Dir<'a>, root: &Path) -> Vec<(String, &'a File<'a>)> {
    let own = folder.files().map(|file| {
        let path: PathBuf = file.path().strip_prefix(root).unwrap_or(file.path()).into();
        (path.to_string_lossy().into_owned(), file)
    });
    let deeper = folder.dirs().flat_map(|folder| below(folder, root));
    own.chain(deeper).collect()
}
