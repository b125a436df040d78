//! Plugins as files: packed, installed, removed, locked, and bundles that nobody should trust.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use docgenie_document::Digest;
use docgenie_runtime::files::zip_of;
use serde_json::{Value, json};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::{
    program::{engine, output},
    root,
    runs::refused,
};

/// Files by their paths.
type Files = BTreeMap<String, Vec<u8>>;

/// What a component says of itself. Another title is another component.
fn offer(title: &str) -> [String; 5] {
    [
        "lines",
        title,
        "One line.",
        r#"{"type":"object","properties":{}}"#,
        "{}",
    ]
    .map(str::to_owned)
}

/// A dataset exporter that describes itself and can do nothing else.
fn component(title: &str) -> Vec<u8> {
    let (mut record, mut texts) = (Vec::new(), String::new());
    for text in offer(title) {
        for number in [1024 + texts.len() as u32, text.len() as u32] {
            record.extend(number.to_le_bytes());
        }
        texts.push_str(&text);
    }
    let data = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("\\{it:02x}")).collect() };
    let interface = "docgenie:plugin/exporter@0.1.0";
    let module = format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 16) "\40\00\00\00\01\00\00\00")
            (data (i32.const 64) "{}")
            (data (i32.const 1024) "{}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{interface}#describe") (result i32) i32.const 16)
            (func (export "{interface}#check-params") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{interface}#begin") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{interface}#add") (param i32) (result i32) unreachable)
            (func (export "{interface}#finish") (result i32) unreachable))"#,
        data(&record),
        data(texts.as_bytes()),
    );
    let mut module = wat::parse_str(module).unwrap();
    let mut wit = wit_parser::Resolve::default();
    let (package, _) = wit.push_path(root().join("wit/v0.1")).unwrap();
    let world = wit
        .select_world(&[package], Some("dataset-exporter"))
        .unwrap();
    embed_component_metadata(&mut module, &wit, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    encoder.unwrap().encode().unwrap()
}

/// Of the component with this title, as the engine counts it.
fn digest(title: &str) -> String {
    Digest::of(&component(title)).to_string()
}

/// The files of a built plugin `lines`, as a folder has them.
fn plugin(version: &str, title: &str) -> Files {
    let [id, title, summary, params_schema, traits] = offer(title);
    let json_of = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let offers = json!({ "kind": "dataset-exporter", "offers": [{
        "id": id,
        "title": title,
        "summary": summary,
        "params_schema": json_of(&params_schema),
        "traits": json_of(&traits),
    }] });
    let manifest = format!(
        "[plugin]\nid = 'lines'\nversion = '{version}'\napi = '0.1'\nsummary = 'Lines'\nlicense = 'MIT'\n\
         [wants]\nassets = ['assets/font.ttf']\n[build]\nlanguage = 'rust'\n"
    );
    let files = [
        ("docgenie-plugin.toml", manifest.into_bytes()),
        ("offers.json", offers.to_string().into_bytes()),
        ("plugin.wasm", component(&title)),
        ("assets/font.ttf", b"letters".to_vec()),
        ("LICENSE", b"MIT".to_vec()),
        ("README.md", b"# Lines".to_vec()),
    ];
    files.map(|(path, bytes)| (path.to_owned(), bytes)).into()
}

#[allow(clippy::disallowed_methods, reason = "a user's files")]
fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

/// An engine with nothing installed, and a folder to work in.
struct Bench {
    home: TempDir,
    place: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            place: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = engine(&self.home);
        command.current_dir(self.place.path()).args(arguments);
        command
    }

    fn output(&self, arguments: &[&str]) -> String {
        output(&mut self.command(arguments))
    }

    /// The digests of the components of which machine code is kept.
    fn compiled(&self) -> Vec<String> {
        let files = fs::read_dir(self.home.path().join("plugins-compiled"));
        let names = files.unwrap().map(|file| file.unwrap().file_name());
        let digest = |name: String| name.split('-').next().unwrap().to_owned();
        names
            .map(|name| digest(name.into_string().unwrap()))
            .collect()
    }

    /// Standard error of what ends well.
    fn talk(&self, arguments: &[&str]) -> String {
        let Output { status, stderr, .. } = self.command(arguments).output().unwrap();
        let talk = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{talk}");
        talk
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], told: &str) {
        refused(&mut self.command(arguments), 2, told);
    }

    /// A folder with a built plugin.
    fn built(&self, version: &str, title: &str) -> String {
        let name = format!("built-{version}-{title}");
        write(&self.path(&name), &plugin(version, title));
        name
    }

    /// A bundle of it, by its file's name.
    fn bundle(&self, version: &str, title: &str) -> String {
        let built = self.built(version, title);
        let file = format!("{version}-{title}.docgenie-plugin");
        self.output(&["plugin", "pack", &built, "--out", &file]);
        file
    }

    /// What lies in the user's folder, hidden files too.
    fn installed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path().join("plugins"));
        let entries = entries.into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn told(&self, plugin: &str) -> Value {
        serde_json::from_str(&self.output(&["plugin", "inspect", plugin])).unwrap()
    }
}

#[test]
fn a_plugin_is_packed_the_same_to_the_byte() {
    let bench = Bench::new();
    let built = bench.built("0.1.0", "a");
    let printed = bench.output(&["plugin", "pack", &built]);
    let name = "lines-0.1.0.docgenie-plugin";
    assert!(printed.starts_with(&format!("{name}  ")), "{printed}");
    let bytes = fs::read(bench.path(name)).unwrap();
    let sum = output(crate::program::program("sha256sum").arg(bench.path(name)));
    let sum = sum.split(' ').next().unwrap();
    assert!(printed.contains(&format!("sha256:{sum}")), "{printed}");

    let again = bench.path("again");
    fs::create_dir(&again).unwrap();
    bench.output(&["plugin", "pack", &built, "--out", "again"]);
    assert!(fs::read(again.join(name)).unwrap() == bytes);

    let told = bench.told(name);
    assert_eq!(told["id"], "lines");
    assert_eq!(told["offers"][0]["uses"], "plugin:lines");
    assert_eq!(told["wants"]["assets"], json!(["assets/font.ttf"]));
    let component =
        output(crate::program::program("sha256sum").arg(bench.path(&built).join("plugin.wasm")));
    assert!(component.starts_with(told["sha256"].as_str().unwrap()));
    assert!(bench.installed().is_empty());
}

#[test]
fn what_cannot_be_installed_is_not_packed() {
    let bench = Bench::new();
    let check = |change: &dyn Fn(&mut Files), told: &str| {
        let mut files = plugin("0.1.0", "a");
        change(&mut files);
        let folder = tempfile::tempdir_in(bench.place.path()).unwrap();
        write(folder.path(), &files);
        let folder = folder.path().to_str().unwrap();
        bench.refused(&["plugin", "pack", folder, "--out", "p"], told);
        bench.refused(&["plugin", "install", folder], told);
        assert!(!bench.path("p").exists());
        assert!(bench.installed().is_empty());
    };
    check(&|files| drop(files.remove("plugin.wasm")), "DG0802");
    check(&|files| drop(files.remove("assets/font.ttf")), "DG0813");
    let offers = plugin("0.1.0", "b")["offers.json"].clone();
    check(
        &|files| drop(files.insert("offers.json".to_owned(), offers.clone())),
        "`offers.json` is not what the component says",
    );
    let manifest = |version: &str| {
        let manifest = &plugin(version, "a")["docgenie-plugin.toml"];
        manifest.clone()
    };
    check(
        &|files| drop(files.insert("docgenie-plugin.toml".to_owned(), manifest("one"))),
        "its version `one` is none such as `1.2.0`",
    );
}

#[test]
fn installing_replaces_what_is_older() {
    let bench = Bench::new();
    let [one, other, two] = [("0.1.0", "a"), ("0.1.0", "b"), ("0.2.0", "a")]
        .map(|(version, title)| bench.bundle(version, title));
    let version = || bench.told("lines")["version"].clone();
    let install = |bundle: &str| bench.talk(&["plugin", "install", bundle]);

    assert!(install(&one).starts_with("installed plugin `lines` 0.1.0\n"));
    assert!(install(&one).contains("installed already, the same to the byte"));
    bench.refused(&["plugin", "install", &other], "DG0814");
    assert!(install(&two).starts_with("installed plugin `lines` 0.2.0 in place of 0.1.0"));
    bench.refused(&["plugin", "install", &one], "in version 0.2.0");
    assert_eq!(version(), "0.2.0");
    bench.output(&["plugin", "install", &one, "--force"]);
    assert_eq!(version(), "0.1.0");
    assert_eq!(bench.installed(), ["lines"]);

    let list = bench.output(&["plugin", "list"]);
    let line = list.lines().find(|line| line.starts_with("lines "));
    let line = line.unwrap();
    assert!(line.contains("0.1.0") && line.contains("user"), "{list}");
    assert!(list.contains("    wants a file of its own\n"), "{list}");
    let folder = bench.home.path().join("plugins/lines");
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    assert_eq!(read("assets/font.ttf"), b"letters");
    assert_eq!(read("LICENSE"), b"MIT");
    bench.output(&["plugin", "check", "lines"]);

    // One that somebody has changed, or that cannot be read, is replaced when that is asked for.
    let changed = [("plugin.wasm".to_owned(), component("b"))].into();
    write(&folder, &changed);
    bench.refused(&["plugin", "check", "lines"], "its manifest says");
    write(&folder, &[("offers.json".to_owned(), vec![])].into());
    bench.refused(&["plugin", "install", &two], "--force");
    bench.output(&["plugin", "install", &two, "--force"]);
    assert_eq!(version(), "0.2.0");
    bench.output(&["plugin", "remove", "lines"]);
    assert!(bench.installed().is_empty());
    assert!(!bench.compiled().contains(&digest("a")));
    bench.refused(&["plugin", "remove", "lines"], "DG0811");
    bench.refused(&["plugin", "remove", "../plugins"], "DG0811");
}

#[test]
fn machine_code_goes_with_the_last_plugin_that_it_is_of() {
    let bench = Bench::new();
    let mut twin = plugin("0.1.0", "a");
    let manifest = String::from_utf8(twin["docgenie-plugin.toml"].clone()).unwrap();
    let manifest = manifest.replace("'lines'", "'twin'");
    twin.insert("docgenie-plugin.toml".to_owned(), manifest.into_bytes());
    write(&bench.path("twin"), &twin);
    bench.output(&["plugin", "install", &bench.bundle("0.1.0", "a")]);
    bench.output(&["plugin", "install", "twin"]);
    bench.output(&["plugin", "remove", "lines"]);
    assert_eq!(bench.compiled(), [digest("a")]);
    bench.output(&["plugin", "remove", "twin"]);
    assert!(bench.compiled().is_empty());
}

#[test]
fn what_the_engine_has_not_made_stays() {
    let bench = Bench::new();
    let bundle = bench.bundle("0.2.0", "a");
    let source = bench.home.path().join("plugins/lines");
    let mut files = plugin("0.1.0", "a");
    files.insert("src/lib.rs".to_owned(), b"years of work".to_vec());
    write(&source, &files);
    for arguments in [
        &["plugin", "install", &bundle][..],
        &["plugin", "install", &bundle, "--force"],
        &["plugin", "remove", "lines"],
    ] {
        bench.refused(arguments, "src/lib.rs");
    }
    assert_eq!(
        fs::read(source.join("src/lib.rs")).unwrap(),
        b"years of work"
    );

    // A link to a plugin under work is taken away, not followed.
    let elsewhere = bench.path("elsewhere");
    fs::rename(&source, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &source).unwrap();
    bench.refused(&["plugin", "install", &bundle, "--force"], "DG0815");
    bench.output(&["plugin", "remove", "lines"]);
    assert!(bench.installed().is_empty());
    assert!(elsewhere.join("src/lib.rs").exists());

    write(
        &bench.home.path().join("plugins/other"),
        &plugin("0.1.0", "a"),
    );
    bench.refused(
        &["plugin", "remove", "other"],
        "it holds the plugin `lines`",
    );
    bench.output(&["plugin", "remove", "lines"]);
    assert!(bench.installed().is_empty());

    write(&bench.path("plugins/lines"), &plugin("0.3.0", "a"));
    bench.refused(&["plugin", "remove", "lines"], "working folder");
    let talk = bench.talk(&["plugin", "install", &bundle]);
    assert!(talk.contains("`plugins/lines` goes before it"), "{talk}");
}

#[test]
fn no_hostile_bundle_is_installed() {
    let bench = Bench::new();
    let good = bench.bundle("0.1.0", "a");
    let target = bench.path("unpacked");
    output(
        crate::program::program("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(bench.path(&good))
            .arg(&target),
    );
    let whole: Files = [
        "docgenie-plugin.toml",
        "offers.json",
        "plugin.wasm",
        "assets/font.ttf",
    ]
    .map(|path| (path.to_owned(), fs::read(target.join(path)).unwrap()))
    .into();
    let try_it = |bytes: &[u8], told: &str| {
        write(
            bench.place.path(),
            &[("hostile".to_owned(), bytes.to_vec())].into(),
        );
        bench.refused(&["plugin", "install", "hostile"], told);
        assert!(bench.installed().is_empty(), "{told}");
    };
    let with = |path: &str, bytes: &[u8], told: &str| {
        let mut files = whole.clone();
        files.insert(path.to_owned(), bytes.to_vec());
        try_it(&zip_of(&files).unwrap(), told);
    };
    let without = |path: &str, told: &str| {
        let mut files = whole.clone();
        files.remove(path);
        try_it(&zip_of(&files).unwrap(), told);
    };
    with(
        "build.sh",
        b"rm -rf",
        "`build.sh` is no file that a plugin has",
    );
    with(
        "plugin.cwasm",
        b"native",
        "`plugin.cwasm` is no file that a plugin has",
    );
    with("LICENSE.cwasm", b"native", "DG0812");
    with("../lines2", b"", "not a plain relative path");
    with("/etc/cron.d/x", b"", "not a plain relative path");
    with("PLUGIN.wasm", b"", "but for the case of letters");
    with(
        "README.md",
        &vec![0; 40 << 20],
        "more than 100 times as much",
    );
    with(
        "plugin.wasm",
        &component("b"),
        "the SHA-256 of `plugin.wasm` is",
    );
    with("docgenie-plugin.toml", b"[plugin]\nid = '../x'\n", "DG0801");
    with(
        "offers.json",
        br#"{"kind":"dataset-exporter","offers":[]}"#,
        "it offers nothing",
    );
    without("plugin.wasm", "it lacks `plugin.wasm`");
    without("assets/font.ttf", "it lacks `assets/font.ttf`");
    without("docgenie-plugin.toml", "it has no `docgenie-plugin.toml`");
    try_it(b"", "DG0812");
    bench.refused(&["plugin", "inspect", "hostile"], "DG0812");
    let bytes = fs::read(bench.path(&good)).unwrap();
    try_it(&bytes[..bytes.len() - 1], "DG0812");
    try_it(&component("a"), "not a plain ZIP archive");

    let text = |name: &str| String::from_utf8(whole[name].clone()).unwrap();
    let manifest = text("docgenie-plugin.toml");
    let unpinned: String = manifest
        .lines()
        .filter(|it| !it.contains("sha256"))
        .map(|it| format!("{it}\n"))
        .collect();
    with(
        "docgenie-plugin.toml",
        unpinned.as_bytes(),
        "its manifest says none",
    );
    let asks = manifest.replace("summary = \"Lines\"", "summary = \"\\u001b[2JLines\"");
    with(
        "docgenie-plugin.toml",
        asks.as_bytes(),
        "not one line of plain text",
    );
    let asks = manifest.replace("id = \"lines\"", "id = \"../../lines\"");
    with(
        "docgenie-plugin.toml",
        asks.as_bytes(),
        "not a name in kebab case",
    );
    let unknown = manifest.replace("[wants]", "[wants]\nnetwork = true");
    with("docgenie-plugin.toml", unknown.as_bytes(), "network");
    // Its digest is right, but it is not what its files say.
    let other = text("offers.json").replace("One line.", "Free money.");
    with(
        "offers.json",
        other.as_bytes(),
        "`offers.json` is not what the component says",
    );
}

#[test]
fn a_locked_pipeline_takes_no_other_plugin() {
    let bench = Bench::new();
    let [one, two] =
        [("0.1.0", "a"), ("0.2.0", "b")].map(|(version, title)| bench.bundle(version, title));
    let pipeline = |more: &str| {
        let text = format!(
            "name = 'p'\n[[stage]]\nuses = 'author'\nwith = {{ doc_type = 'invoice' }}\n\
             [[stage]]\nuses = 'render'\n[[stage]]\nuses = 'boxes'\n[[stage]]\nuses = 'raster'\n\
             [[stage]]\nuses = 'plugin:lines'\n{more}[[stage]]\nuses = 'package'\n"
        );
        write(
            bench.place.path(),
            &[("p.toml".to_owned(), text.into_bytes())].into(),
        );
    };
    pipeline("");
    bench.output(&["plugin", "install", &one]);
    bench.output(&["validate", "./p.toml"]);
    assert!(
        bench
            .output(&["plugin", "lock", "./p.toml"])
            .starts_with("lines")
    );
    let lock = fs::read_to_string(bench.path("p.lock.toml")).unwrap();
    let digest = bench.told("lines")["sha256"].as_str().unwrap().to_owned();
    assert!(lock.contains(&format!("sha256 = \"{digest}\"")), "{lock}");
    bench.output(&["validate", "./p.toml"]);

    bench.output(&["plugin", "install", &two]);
    for command in ["validate", "run", "preview"] {
        bench.refused(&[command, "./p.toml"], "./p.toml:12:8");
        bench.refused(&[command, "./p.toml"], "DG0817");
    }
    let found = bench.command(&["validate", "./p.toml", "--format", "json"]);
    let found = { found }.output().unwrap();
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let notes = found["diagnostics"][0]["notes"].as_array().unwrap();
    let here = bench.told("lines")["sha256"].as_str().unwrap().to_owned();
    let expected = format!("component: {digest} is locked, {here} is here");
    assert!(notes.contains(&json!(expected)), "{found:#}");
    assert_eq!(
        found["diagnostics"][0]["hint"],
        "install the one that is locked, or take this one with `docgenie-engine plugin lock ./p.toml`"
    );

    // The cures that the hint names.
    bench.output(&["plugin", "install", &one, "--force"]);
    bench.output(&["validate", "./p.toml"]);
    bench.output(&["plugin", "install", &two]);
    bench.output(&["plugin", "lock", "./p.toml"]);
    bench.output(&["validate", "./p.toml"]);

    bench.output(&["plugin", "remove", "lines"]);
    bench.refused(&["validate", "./p.toml"], "DG0011");
    bench.output(&["plugin", "install", &two]);

    // An asset or a component that somebody changes in its place.
    let font = [("assets/font.ttf".to_owned(), b"others".to_vec())].into();
    write(&bench.home.path().join("plugins/lines"), &font);
    bench.refused(&["validate", "./p.toml"], "assets: ");

    write(
        bench.place.path(),
        &[("p.lock.toml".to_owned(), b"version = 1\n".to_vec())].into(),
    );
    bench.refused(
        &["validate", "./p.toml"],
        "is not in the pipeline's lock file",
    );
    write(
        bench.place.path(),
        &[("p.lock.toml".to_owned(), b"version = 9\n".to_vec())].into(),
    );
    bench.refused(&["validate", "./p.toml"], "DG0818");
    bench.output(&["plugin", "lock", "./p.toml"]);
    bench.refused(&["plugin", "lock", "invoices"], "DG0818");
}

#[test]
fn a_new_plugin_is_whole_and_nothing_is_overwritten() {
    let bench = Bench::new();
    for kind in ["visual-element", "ground-truth-format", "dataset-exporter"] {
        for language in ["rust", "javascript", "python"] {
            let name = format!("my-{kind}-in-{language}");
            let new = [
                "plugin",
                "new",
                &name,
                "--kind",
                kind,
                "--language",
                language,
            ];
            let told = bench.output(&new);
            assert!(
                told.contains(&format!("docgenie-engine plugin build {name}")),
                "{told}"
            );
            let files = files(&bench.path(&name));
            assert!(files.len() > 2, "{name}: {files:?}");
            for file in &files {
                let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
                let left = ["id", "crate", "title"].map(|it| format!("{{{{ {it} }}}}"));
                let left = left.iter().any(|it| text.contains(it));
                assert!(!left, "{}", file.display());
            }
            let manifest = fs::read_to_string(bench.path(&name).join("docgenie-plugin.toml"));
            let manifest: toml::Table = manifest.unwrap().parse().unwrap();
            assert_eq!(manifest["plugin"]["id"].as_str(), Some(name.as_str()));
            assert_eq!(manifest["build"]["language"].as_str(), Some(language));
            bench.refused(&new, "exists already");
        }
    }
    let new = |name, out| {
        let kind = [
            "--kind",
            "visual-element",
            "--language",
            "rust",
            "--out",
            out,
        ];
        [&["plugin", "new", name][..], &kind].concat()
    };
    for bad in ["", "My-Seal", "a_b", "a--b", "-a", "../a", "é"] {
        bench.refused(
            &new(bad, "x"),
            if bad == "-a" { "unexpected" } else { "DG0819" },
        );
    }
    assert!(!bench.path("x").exists());
    bench.output(&new("seal", "deep/in/folders"));
    assert!(bench.path("deep/in/folders/Cargo.toml").is_file());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
