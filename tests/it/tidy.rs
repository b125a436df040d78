//! The rules of this repository, as code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;

use crate::{
    program::{output, program},
    root,
};

/// Which of our crates a crate may depend on, names without `docgenie-`. Dependencies point one
/// way: a line that is not here is a decision about the architecture, not a detail.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("document", &[]),
    ("pipeline", &["document"]),
    ("guard", &["document"]),
    ("runtime", &["pipeline", "document"]),
    ("render", &["guard"]),
    ("handwriting", &[]),
    ("store", &["runtime", "guard", "document"]),
    (
        "stages",
        &["runtime", "render", "handwriting", "guard", "document"],
    ),
    ("plugin-host", &["runtime", "guard", "document"]),
    ("cluster", &["runtime", "store", "document"]),
    ("api", &["runtime", "guard", "document"]),
];

/// See everything, because someone has to put it together or look at it from outside.
const MAY_DEPEND_ON_ALL: &[&str] = &["cli", "tests"];

#[test]
fn dependencies_point_one_way() {
    let mut faults = Vec::new();
    for package in metadata()["packages"].as_array().unwrap() {
        let from = room(package["name"].as_str().unwrap()).unwrap();
        if MAY_DEPEND_ON_ALL.contains(&from) {
            continue;
        }
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(name, _)| *name == from) else {
            faults.push(format!("`{from}` has no line in MAY_DEPEND_ON"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().unwrap();
        let names = dependencies.iter().map(|it| it["name"].as_str().unwrap());
        let wrong = names.filter_map(room).filter(|to| !allowed.contains(to));
        faults.extend(wrong.map(|to| format!("`{from}` may not depend on `{to}`")));
    }
    none(&faults);
}

#[test]
fn versions_stand_in_the_workspace_only() {
    let mut faults = Vec::new();
    for (path, text) in files("Cargo.toml") {
        let manifest: toml::Table = text.parse().unwrap();
        // A plugin that is made of a template has no workspace to inherit from.
        if manifest.contains_key("workspace") || path.contains("/templates/") {
            continue;
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            let own = dependencies
                .iter()
                .filter(|(_, value)| value.get("workspace").is_none());
            faults
                .extend(own.map(|(name, _)| format!("{path}: `{name}` is not `workspace = true`")));
        }
        if manifest
            .get("lints")
            .and_then(|it| it.get("workspace"))
            .is_none()
        {
            faults.push(format!("{path}: the workspace's lints are not used"));
        }
    }
    none(&faults);
}

/// A plugin made by `plugin new` carries the SDK, which is then far from the workspace and `wit/`.
#[test]
fn the_sdk_can_be_carried_away() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    assert_eq!(
        read("plugins/sdk/wit/plugin.wit"),
        read("wit/v0.1/plugin.wit")
    );

    let table = |path: &str| read(path).parse::<toml::Table>().unwrap();
    let workspace = table("plugins/Cargo.toml");
    let workspace = &workspace["workspace"];
    let mut inherited = table("plugins/sdk/Cargo.toml");
    inherited.remove("lints");
    for section in ["package", "dependencies"] {
        for (name, value) in inherited[section].as_table_mut().unwrap() {
            if value.get("workspace").is_some() {
                *value = workspace[section][name].clone();
            }
        }
    }
    assert_eq!(table("plugins/sdk/templates/vendor/Cargo.toml"), inherited);
}

#[test]
fn documents_are_classified_by_the_types_there_are() {
    let types = fs::read_dir(root().join("engine/stages/templates/types")).unwrap();
    let types = types.map(|it| it.unwrap().file_name().into_string().unwrap());
    let types: BTreeSet<_> = types.collect();
    let classes = fs::read_to_string(root().join("plugins/classification/src/types.txt")).unwrap();
    assert_eq!(
        classes.lines().map(str::to_owned).collect::<BTreeSet<_>>(),
        types
    );
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let mut faults = Vec::new();
    let mut declared = BTreeMap::new();
    for (path, text) in files(".rs") {
        let ours = path.starts_with("engine/") && path.contains("/src/");
        if !ours || path.ends_with("/tests.rs") {
            continue;
        }
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for code in between(shipped, "Code::new(\"", "\")") {
            let well_formed = code.len() == 6
                && code.starts_with("DG")
                && code.bytes().skip(2).all(|byte| byte.is_ascii_digit());
            if !well_formed {
                faults.push(format!("{path}: `{code}` is not `DG` and four digits"));
            }
            if let Some(other) = declared.insert(code.to_owned(), path.clone()) {
                faults.push(format!("{path}: `{code}` is declared in {other} as well"));
            }
        }
    }
    let mut explained = BTreeSet::new();
    for (path, text) in files(".md") {
        let Some(code) = path
            .strip_prefix("docs/errors/")
            .and_then(|it| it.strip_suffix(".md"))
        else {
            continue;
        };
        if !text.starts_with(&format!("# {code}: ")) {
            faults.push(format!(
                "{path}: the first line is not `# {code}: short title`"
            ));
        }
        if !declared.contains_key(code) {
            faults.push(format!("{path}: no error has this code"));
        }
        explained.insert(code.to_owned());
    }
    let unexplained = declared
        .iter()
        .filter(|(code, _)| !explained.contains(*code));
    faults.extend(unexplained.map(|(code, path)| format!("{path}: {code} has no page")));
    none(&faults);
}

#[test]
fn sources_keep_the_house_rules() {
    let machine = ["work", "root"].map(|folder| format!("/{folder}/"));
    let shortcuts = ["ignore", "should_panic"].map(|name| format!("#[{name}"));
    let mut faults = Vec::new();
    for (path, text) in files(".rs") {
        let named_for_its_purpose = path.ends_with("/tests.rs");
        if !named_for_its_purpose && !text.starts_with("//!") {
            faults.push(format!("{path}: does not begin by saying what it is for"));
        }
        if path.ends_with("/mod.rs") {
            faults.push(format!("{path}: modules are `foo.rs` and `foo/`"));
        }
        let shortcut = shortcuts.iter().find(|shortcut| text.contains(*shortcut));
        faults.extend(shortcut.map(|it| format!("{path}: `{it}` hides what is not tested")));
    }
    for ending in [".rs", ".md", ".toml", ".sh", ".py"] {
        for (path, text) in files(ending) {
            let place = machine.iter().find(|place| text.contains(*place));
            faults.extend(place.map(|it| format!("{path}: `{it}` exists on one machine only")));
        }
    }
    none(&faults);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut faults = Vec::new();
    for (path, text) in files(".md") {
        let folder = root().join(&path);
        let folder = folder.parent().unwrap();
        for target in between(&text, "](", ")") {
            let file = target.split('#').next().unwrap();
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            if !elsewhere && !folder.join(file).exists() {
                faults.push(format!("{path}: `{target}` leads nowhere"));
            }
        }
    }
    none(&faults);
}

#[test]
fn shipped_pipelines_are_complete() {
    let mut faults = Vec::new();
    for folder in fs::read_dir(root().join("pipelines")).unwrap() {
        let folder = folder.unwrap().path();
        for name in ["pipeline.toml", "README.md", "tests.toml"] {
            if !folder.join(name).is_file() {
                faults.push(format!("{}: there is no {name}", folder.display()));
            }
        }
    }
    none(&faults);
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A crate's name without the prefix that all of ours have.
fn room(name: &str) -> Option<&str> {
    name.strip_prefix("docgenie-")
}

/// What stands between each `before` and the next `after`.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(move |part| part.split_once(after).map(|(inside, _)| inside))
}

/// The files of the repository whose names end so, as (path with `/` from the root, text).
fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                let foreign = ["target", "out", ".git"].contains(&name.as_str());
                if !foreign {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                // Some files under `tests/ui` are deliberately not UTF-8.
                let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                found.push((path.into_os_string().into_string().unwrap(), text));
            }
        }
    }
    found.sort();
    found
}

/// `cargo metadata` of the workspace without its dependencies.
fn metadata() -> Value {
    let mut cargo = program(env!("CARGO"));
    let printed =
        output(cargo.args(["metadata", "--no-deps", "--format-version", "1", "--locked"]));
    serde_json::from_str(&printed).unwrap()
}
