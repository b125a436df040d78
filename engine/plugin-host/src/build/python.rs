//! From modules in Python to a component: CPython with the modules in it.

use std::path::{Path, PathBuf};

use docgenie_guard::child::{self, Launch};
use docgenie_runtime::files::write_atomically;
use include_dir::{Dir, include_dir};

use super::{
    source::Workshop,
    toolchain::{self, Toolchain},
};
use crate::{manifest::Wasi, offers::Kind};

/// What plugins import as `docgenie_plugin`.
const SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-python/docgenie_plugin");
/// Where a plugin begins.
const MAIN: &str = "plugin.py";
const PLACE: &str = "docgenie_plugin";

const TOOL: &str = "componentize-py";
const TOOLCHAIN: Toolchain = Toolchain {
    language: "python",
    version: "0.25.1",
};
/// With the digests of what is installed.
const REQUIREMENTS: &str =
    include_str!("../../../../plugins/sdk-python/toolchain/requirements.txt");
/// The script of the tool names the folder that it was installed into, before that was moved.
const START: &str = "from componentize_py import script; script()";

const PYTHON: &str =
    "install Python 3.9 or newer with venv, such as with `apt-get install python3 python3-venv`";

/// The component of `plugin.py` in this folder.
pub(super) fn component(
    home: &Path,
    folder: &Path,
    kind: Kind,
    wasi: Wasi,
) -> Result<Vec<u8>, String> {
    let tool = tool(home)?;
    let workshop = Workshop::new(folder, MAIN, &SDK, PLACE)?;
    let mut python = tool
        .env("RUST_BACKTRACE", "0")
        .args([Path::new("--wit-path"), &workshop.wit()])
        .args(["--world", kind.name(), "componentize"])
        .args([Path::new("--output"), &workshop.component()])
        .args([Path::new("--python-path"), &workshop.source()]);
    if wasi == Wasi::None {
        python = python.args(["--stub-wasi"]);
    }
    let entry = format!("{PLACE}.entry.{}", kind.name().replace('-', "_"));
    workshop.make(&python.args([entry]), (TOOL, PYTHON), folder, readable)
}

/// The tool that is on the machine, if it is the same version, or our own.
fn tool(home: &Path) -> Result<Launch, String> {
    if let Some(tool) = installed() {
        return Ok(Launch::new(tool));
    }
    let folder = TOOLCHAIN.folder(home, |folder| {
        let requirements = folder.join("requirements.txt");
        write_atomically(&requirements, REQUIREMENTS.as_bytes())
            .map_err(|error| error.to_string())?;
        let venv = Launch::new("python3").args(["-m", "venv"]).args([folder]);
        toolchain::run(&venv, "python3", PYTHON)?;
        let pip = Launch::new(folder.join("bin/python3"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args([
                "--require-hashes",
                "--no-deps",
                "--retries",
                "1",
                "--requirement",
            ])
            .args([requirements]);
        toolchain::run(&pip, "pip install", PYTHON)
    })?;
    Ok(Launch::new(folder.join("bin/python3")).args(["-c", START]))
}

fn installed() -> Option<PathBuf> {
    let tool = toolchain::on_path(TOOL)?;
    let ask = Launch::new(&tool).args(["--version"]);
    let answer = child::output(&ask, std::time::Duration::from_secs(20)).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    (answer.split_whitespace().nth(1) == Some(TOOLCHAIN.version)).then_some(tool)
}

/// What the tool says of the author's code, as the author knows it.
fn readable(said: &str, folder: &Path) -> String {
    if said.contains("called trapping stub: docgenie:plugin/") {
        return super::TOO_EARLY.to_owned();
    }
    let text = said
        .split_once("AssertionError: ")
        .map_or(said, |(_, text)| text);
    let text = text.split("\n\nCaused by:").next().unwrap_or(text);
    let mut own = Vec::new();
    let mut ours = false;
    for line in text.lines() {
        // A place and the lines that show it.
        if line.starts_with("  File ") {
            ours = line.contains(PLACE);
        } else if !line.starts_with("    ") {
            ours = false;
        }
        if !ours {
            own.push(line);
        }
    }
    let own = own.join("\n");
    own.trim_end()
        .replace("\"/0/", &format!("\"{}/", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, expected: &str) {
        let said = format!("it ended with exit status: 1\n{said}");
        assert_eq!(readable(&said, Path::new("./my-seal")), expected);
    }

    #[test]
    fn faults_have_their_place_in_the_authors_folder() {
        check(
            r#"Traceback (most recent call last):
  File "<string>", line 1, in <module>
AssertionError: Traceback (most recent call last):
  File "/0/docgenie_plugin/entry/visual_element.py", line 7, in <module>
    import plugin  # noqa: F401
    ^^^^^^^^^^^^^
  File "/0/plugin.py", line 22
    let x = ;
        ^
SyntaxError: invalid syntax


Caused by:
    SyntaxError: invalid syntax (plugin.py, line 22)"#,
            "Traceback (most recent call last):\n  File \"./my-seal/plugin.py\", line 22\n    let x = ;\n        ^\n\
             SyntaxError: invalid syntax",
        );
    }

    #[test]
    fn a_call_of_the_engine_is_too_early_while_modules_are_loaded() {
        check(
            "AssertionError: \n\nCaused by:\n    1: called trapping stub: docgenie:plugin/random@0.1.0#fill",
            crate::build::TOO_EARLY,
        );
    }

    #[test]
    fn what_is_installed_is_what_is_asked_for() {
        assert!(REQUIREMENTS.contains(&format!("{TOOL}=={} ", TOOLCHAIN.version)));
    }
}
