//! What was typed.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

/// Make synthetic document datasets, and read documents back.
///
/// A pipeline is a TOML file whose stages pass documents along: author, render, boxes, raster, …
/// `docgenie-engine run invoices` runs a shipped one; `docgenie-engine new mine` starts your own.
#[derive(Debug, Parser)]
#[command(
    name = "docgenie-engine",
    version,
    propagate_version = true,
    after_help = "Exit status: 0 done, 1 some documents failed, 2 bad input, 3 environment, 130 interrupted.\n\
                  State, artifacts and caches live under $DOCGENIE_HOME (default: the XDG data folder)."
)]
pub(crate) struct Arguments {
    /// Where state, artifacts and caches live.
    #[arg(long, global = true, env = "DOCGENIE_HOME", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<OsString>,

    /// Log what happens inside: -v for decisions, -vv for details. `RUST_LOG` refines it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a pipeline of your own: a folder with pipeline.toml, README.md and tests.toml.
    New {
        /// Its name; the folder is pipelines/NAME.
        name: String,
    },
    /// Run a pipeline and put its dataset into a folder or ZIP.
    Run(RunArguments),
    /// Check a pipeline file without running it; every fault is shown at once.
    Validate {
        #[command(flatten)]
        pipeline: PipelineArguments,
        /// Treat warnings as faults.
        #[arg(long)]
        deny_warnings: bool,
        /// How to print what was found.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Run the cases of a pipeline's tests.toml.
    Test {
        /// Name of a pipeline, or a path to its file or folder.
        pipeline: String,
        /// Run only cases whose name contains this.
        #[arg(long, value_name = "TEXT")]
        case: Option<String>,
    },
    /// Make the first document, whatever the count, and say what was made.
    Preview(PreviewArguments),
    /// Draw the plan of a pipeline.
    Graph {
        #[command(flatten)]
        pipeline: PipelineArguments,
        /// The language of the drawing.
        #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
        format: GraphFormat,
    },
    /// List the stages, or explain one.
    Stages {
        /// The stage to explain.
        name: Option<String>,
        /// Print the whole reference page as Markdown.
        #[arg(long, conflicts_with = "name")]
        reference: bool,
    },
    /// Print the JSON Schema of pipeline files, for editors.
    Schema {
        /// Print the OpenAPI document of the service instead.
        #[arg(long)]
        openapi: bool,
    },
    /// Make, look at, install and lock plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at runs and steer them.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Draw the first page of a PDF that may mean harm, for the engine that started this.
    #[command(hide = true)]
    DrawFirstPage {
        /// The PDF.
        file: PathBuf,
    },
    /// Serve pipelines over HTTP, and speak the protocol of the DocGenie service.
    ///
    /// Settings come from docgenie.toml (here, or in the home), then from the environment, then from
    /// these options.
    Serve(ServeArguments),
    /// Make, list and revoke API keys of the service.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Look at the artifact cache and tidy it.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Explain an error code, such as DG0301.
    Explain {
        /// The code; all codes are listed without it.
        code: Option<String>,
    },
    /// Check what the engine needs on this machine and say how to get what is missing.
    Doctor,
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Plugins are looked for in plugins/ here, then in $DOCGENIE_HOME/plugins, then in the shipped set.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Start a plugin of your own: a folder with its source, which builds as it is.
    New(NewPlugin),
    /// List the plugins there are: version, kind, where from, what they want beyond the default.
    List {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Show what a plugin is, wants and offers, as JSON.
    Inspect {
        /// Its name, its folder, or a bundle, which is not installed by this.
        plugin: String,
    },
    /// Build a plugin from its source: plugin.wasm and offers.json beside its manifest.
    Build {
        /// The folder of its source.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// Put the built plugin, ready to be used, into this folder instead.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
    /// Check a built plugin: what it imports, exports and says of itself.
    Check {
        /// Its name, or its folder.
        plugin: String,
    },
    /// Try a built plugin on the cases in its folder `tests`, and keep what they give to look at.
    Test {
        /// The folder of the built plugin.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// Where what the cases give is kept (default: target/plugin-test in its folder).
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
        /// Take what the cases give now as what they are expected to give.
        #[arg(long)]
        bless: bool,
        /// Instead, make a call again that failed in a run; the failure names the file.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["out", "bless"])]
        replay: Option<PathBuf>,
    },
    /// Build, try and install a plugin whenever its source changes; `preview --watch` follows.
    Dev {
        /// The folder of its source.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Check a built plugin and pack it into one file, ID-VERSION.docgenie-plugin.
    Pack {
        /// The folder of the built plugin.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
        /// The file, or the folder to put it into (default: the working folder).
        #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
        out: Option<PathBuf>,
    },
    /// Check a bundle and put it into $DOCGENIE_HOME/plugins. Nothing of it is built or run outside
    /// the sandbox.
    Install {
        /// A bundle, or the folder of a built plugin.
        #[arg(value_hint = ValueHint::AnyPath)]
        bundle: PathBuf,
        /// Replace one of the same name that is not older.
        #[arg(long)]
        force: bool,
    },
    /// Remove a plugin from $DOCGENIE_HOME/plugins.
    Remove {
        /// Its name.
        plugin: String,
    },
    /// Write down by digest which plugins a pipeline uses, in pipeline.lock.toml beside it; others
    /// are refused from then on. Again to take those that are here now.
    Lock {
        #[command(flatten)]
        pipeline: PipelineArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NewPlugin {
    /// Its name, in lower-case letters, digits and hyphens.
    pub(crate) name: String,

    /// What it does.
    #[arg(long, value_enum)]
    pub(crate) kind: PluginKind,

    /// What it is written in.
    #[arg(long, value_enum)]
    pub(crate) language: PluginLanguage,

    /// The folder to make (default: the name).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// Draws stamps, seals, charts.
    VisualElement,
    /// Annotates documents in a format of its own.
    GroundTruthFormat,
    /// Writes a dataset in a format of its own.
    DatasetExporter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginLanguage {
    Rust,
    Javascript,
    Python,
}

/// Which pipeline, with which parameters.
#[derive(Debug, Clone, Args)]
pub(crate) struct PipelineArguments {
    /// Name of a pipeline, or a path to its file or folder. Names are looked up in pipelines/ here,
    /// then in $DOCGENIE_HOME/pipelines, then in the shipped set.
    pub(crate) pipeline: String,

    /// Set a parameter of the pipeline; one of type strings as a,b or as '["a", "b"]'.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
}

/// Which documents: those of a pipeline for a seed.
#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,

    /// Seed of the run; the same seed gives the same bytes.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// A file to start from, where the pipeline has an `input` stage.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) input: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,

    /// Where the document goes (default: out/preview/NAME).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,

    /// Do it again whenever the pipeline or its templates change.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,

    /// How many documents: short for --set count=N.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Where the dataset goes (default: out/NAME, unless --zip is given).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,

    /// Write the dataset as a ZIP.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) zip: Option<PathBuf>,

    /// How many documents are worked on at once (default: the number of cores).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,

    /// Ignore what is remembered and make everything anew.
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Progress bars and a summary, or one JSON object a line on standard output.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs, newest first.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Show a run: progress and time by stage, and the documents that failed.
    Show {
        /// The run, such as run-17.
        run: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Run it again with the same pipeline, parameters and seed; what is done stays done.
    Retry {
        /// The run, such as run-17.
        run: String,
    },
    /// Stop a run that is under way.
    Cancel {
        /// The run, such as run-17.
        run: String,
    },
    /// Forget a run that has ended. Its dataset and artifacts stay.
    Remove {
        /// The run, such as run-17.
        run: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The file with the settings (default: docgenie.toml here, else the one in the home).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Where to listen (default: 127.0.0.1:8000).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// Let everybody in who can reach the address, without API keys.
    #[arg(long)]
    pub(crate) no_auth: bool,

    /// Runs under way at once (default: 2).
    #[arg(long, value_name = "N")]
    pub(crate) runs: Option<usize>,

    /// Documents of a run that are worked on at once (default: the number of cores).
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,

    /// Also fetch from private networks what requests name.
    #[arg(long)]
    pub(crate) allow_private_addresses: bool,

    /// The address that clients reach the service by, for links.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) public_url: Option<String>,

    /// Log as JSON, an object a line.
    #[arg(long, value_enum)]
    pub(crate) log: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key. It is printed once and kept nowhere.
    Create {
        /// What it is for.
        name: String,
        /// What it opens: read one's own runs, run more, or everything.
        #[arg(long, value_enum, default_value_t = KeyScope::Run)]
        scope: KeyScope,
        /// Requests a minute.
        #[arg(long, default_value_t = 600, value_name = "N")]
        requests_per_minute: u32,
        /// Runs a day (default: no limit).
        #[arg(long, value_name = "N")]
        runs_per_day: Option<u32>,
    },
    /// List the keys, without what is secret in them.
    List {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Revoke a key for good; a running service refuses it within seconds.
    Revoke {
        /// Its id, as `keys list` shows it.
        id: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyScope {
    /// Look at one's own runs and fetch their results.
    Read,
    /// Start, steer and remove one's own runs.
    Run,
    /// Everything.
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Say how much is kept.
    Show,
    /// Remove artifacts, oldest first, until the rest fits.
    Prune {
        /// The size that may stay, such as 500M or 2G; 0 removes everything.
        #[arg(long, value_name = "SIZE", value_parser = size)]
        keep: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Mermaid flowchart, as Markdown viewers draw it.
    Mermaid,
    /// Graphviz.
    Dot,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(
        text.trim_end_matches(|c: char| c.is_ascii_alphabetic())
            .len(),
    );
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        "T" | "TB" => 1_u64 << 40,
        _ => return Err(format!("`{unit}` is no unit: use K, M, G or T")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is no size such as 500M or 2G"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes() {
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("17"), Ok(17));
        assert!(size("2X").is_err());
        assert!(size("many").is_err());
        assert!(size("99999999999T").is_err());
    }
}
