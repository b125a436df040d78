//! From modules in JavaScript to a component: QuickJS with the modules in it.

use std::path::{Path, PathBuf};

use docgenie_guard::child::Launch;
use docgenie_runtime::files::write_atomically;
use include_dir::{Dir, include_dir};

use super::{
    lent,
    source::Workshop,
    toolchain::{self, Toolchain},
};
use crate::{manifest::Wasi, offers::Kind};

/// What plugins import as `docgenie-plugin`.
const SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/sdk-js/docgenie-plugin");
/// Where a plugin begins.
const MAIN: &str = "plugin.js";
const PLACE: &str = "node_modules/docgenie-plugin";

const TOOL: &str = "componentize-qjs";
const TOOLCHAIN: Toolchain = Toolchain {
    language: "javascript",
    version: "0.4.5",
};
const PACKAGE: &str = include_str!("../../../../plugins/sdk-js/toolchain/package.json");
/// The digests of all that is installed.
const LOCK: &str = include_str!("../../../../plugins/sdk-js/toolchain/package-lock.json");

const NODE: &str =
    "install Node.js 18 or newer with npm, such as with `apt-get install nodejs npm`";

/// The component of `plugin.js` in this folder.
pub(super) fn component(
    home: &Path,
    folder: &Path,
    kind: Kind,
    wasi: Wasi,
) -> Result<Vec<u8>, String> {
    let tool = tool(home)?;
    let workshop = Workshop::new(folder, MAIN, &SDK, PLACE)?;
    let source = workshop.source();
    let entry = source.join(PLACE).join("entry");
    let mut node = Launch::new("node")
        .args([tool])
        .args(["--sync", "--world", kind.name()])
        .args([Path::new("--wit"), &workshop.wit()])
        .args([
            Path::new("--js"),
            &entry.join(format!("{}.js", kind.name())),
        ])
        .args([Path::new("--module-root"), &source])
        .args([Path::new("--output"), &workshop.component()]);
    if wasi == Wasi::None {
        node = node.args(["--stub-wasi"]);
    }
    let component = workshop.make(&node, ("node", NODE), folder, readable)?;
    lent::received_as_owned(component)
}

/// The tool as npm has installed it for everyone, if it is the same version, or our own.
fn tool(home: &Path) -> Result<PathBuf, String> {
    if let Some(tool) = installed() {
        return Ok(tool);
    }
    let folder = TOOLCHAIN.folder(home, |folder| {
        let put = |name, text: &str| write_atomically(&folder.join(name), text.as_bytes());
        put("package.json", PACKAGE)
            .and_then(|()| put("package-lock.json", LOCK))
            .map_err(|error| error.to_string())?;
        // Nothing of it needs a script to be installed, so none is run.
        let npm = Launch::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .args(["--loglevel", "error", "--fetch-retries", "1"])
            .within(folder);
        toolchain::run(&npm, "npm", NODE)
    })?;
    Ok(folder
        .join("node_modules")
        .join(TOOL)
        .join("bin")
        .join(TOOL))
}

fn installed() -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Package {
        version: String,
    }
    let tool = std::fs::canonicalize(toolchain::on_path(TOOL)?).ok()?;
    let package = std::fs::read(tool.parent()?.parent()?.join("package.json")).ok()?;
    let package: Package = serde_json::from_slice(&package).ok()?;
    (package.version == TOOLCHAIN.version).then_some(tool)
}

/// What the tool says of the author's code, as the author knows it.
fn readable(said: &str, folder: &Path) -> String {
    // Where a function of the engine is called.
    if said.contains("unknown import: `docgenie:plugin/") {
        return super::TOO_EARLY.to_owned();
    }
    let (_, text) = said
        .rsplit_once("JavaScript module evaluation: ")
        .or_else(|| said.rsplit_once("JavaScript module: "))
        .unwrap_or(("", said));
    let ours = |line: &str| line.trim_start().starts_with("at ") && line.contains(PLACE);
    let own = text.lines().filter(|line| !ours(line));
    let own: Vec<&str> = own.map(str::trim_end).collect();
    let folder = folder.display();
    own.join("\n")
        .replace("(/", &format!("({folder}/"))
        .replace(" at /", &format!(" at {folder}/"))
        .replace(" '/", &format!(" '{folder}/"))
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
            "Error: : Failed to evaluate user JavaScript module: Failed to declare JavaScript module: Error: unexpected \
             token in expression: ';'\n    at /plugin.js:4:9",
            "Error: unexpected token in expression: ';'\n    at ./my-seal/plugin.js:4:9",
        );
        check(
            "Error: : Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: Error: \
             foo is not defined\n    at <anonymous> (/lib/wavy.js:4:1)",
            "Error: foo is not defined\n    at <anonymous> (./my-seal/lib/wavy.js:4:1)",
        );
    }

    #[test]
    fn places_in_the_sdk_are_left_out() {
        check(
            "Error: : Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: Error: \
             offer `x` has no text `title`\n    at offersOf (/node_modules/docgenie-plugin/guest.js:27:76)",
            "Error: offer `x` has no text `title`",
        );
    }

    #[test]
    fn a_call_of_the_engine_is_too_early_while_modules_are_loaded() {
        check(
            "Error: error while executing at wasm backtrace:\n   14:  0x6692b - unknown import: \
             `docgenie:plugin/random@0.1.0#unit` has not been defined",
            crate::build::TOO_EARLY,
        );
    }

    #[test]
    fn what_is_installed_is_what_is_asked_for() {
        assert!(PACKAGE.contains(&format!("\"{TOOL}\": \"{}\"", TOOLCHAIN.version)));
        assert!(LOCK.contains(&format!("\"{TOOL}\": \"{}\"", TOOLCHAIN.version)));
    }
}
