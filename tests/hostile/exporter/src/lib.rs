//! An exporter that misbehaves on purpose, as its option `misdeed` says. It goes below the SDK's
//! traits, which do not let a plugin say what is no JSON.

#![cfg(target_family = "wasm")]

use std::cell::RefCell;

use docgenie_hostile::{Common, forged_bytes, offer, params};
use docgenie_plugin::{
    Document, Failure, Problem, Tally,
    bindings::{
        docgenie::plugin::{sink, types::Offer},
        exports::docgenie::plugin::exporter::{Guest, Job, Summary},
    },
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What it does wrong.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
struct Params {
    misdeed: Misdeed,
    /// In which call; where a misdeed is about the end of an export, it is then all the same.
    #[serde(default)]
    during: Call,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Misdeed {
    Common(Common),
    Own(Own),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Call {
    CheckParams,
    Begin,
    #[default]
    Add,
    Finish,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Own {
    /// Encodes pages as images for ever.
    ImageFlood,
    /// Writes a list that says to be of 4 GiB.
    ForgedList,
    /// `../escape.txt` and its like.
    PathParent,
    /// `/etc/escape.txt` and its like.
    PathAbsolute,
    /// Blank, dotted, with NUL, backslashes, line feeds, escape sequences.
    PathNonsense,
    /// Names that Windows keeps for devices, or cannot have.
    PathDevice,
    /// A name of 5,000 letters.
    PathLong,
    /// The same path twice.
    PathTwice,
    /// Two paths that differ in case only.
    PathCase,
    /// A file where a folder is, and the other way around.
    PathFileAndFolder,
    /// 2 MiB, where 1 MiB is granted.
    OverQuota,
    /// More files than any dataset needs, none of which is ever closed.
    ManyFiles,
    /// A report that is no JSON.
    ReportNoJson,
    /// A report of 64 MiB.
    ReportHuge,
    /// Less is written than was taken.
    CountsDiffer,
    /// Fewer documents are taken than were handed over.
    DocumentsLost,
    /// A document is found unsuitable after half of it was written.
    UnsuitableLate,
}

struct Hostile;

thread_local! {
    static PARAMS: RefCell<Option<Params>> = const { RefCell::new(None) };
    static ADDED: RefCell<u32> = const { RefCell::new(0) };
    static OPEN: RefCell<Vec<sink::File>> = const { RefCell::new(Vec::new()) };
}

fn chosen() -> Result<Params, Failure> {
    PARAMS.with_borrow(|params| params.ok_or_else(|| Failure::broken("not begun")))
}

/// Refusals are what is hoped for: the host's word is passed on.
fn put(path: &str, bytes: &[u8]) -> Result<(), Failure> {
    sink::put(path, bytes).map_err(Failure::from)
}

/// Tries them all and passes the last refusal on; broken, where one was not refused.
fn refused(paths: &[&str]) -> Result<(), Failure> {
    let mut last = Ok(());
    for path in paths {
        match put(path, b"x") {
            Ok(()) => return Err(Failure::broken(format!("{path:?} was let through"))),
            refusal => last = refusal,
        }
    }
    last
}

impl Params {
    fn act(self, call: Call, document: Option<&Document>) -> Result<(), Failure> {
        if self.during != call {
            return Ok(());
        }
        match self.misdeed {
            Misdeed::Common(common) => common.commit(),
            Misdeed::Own(own) => own.commit(document),
        }
    }
}

impl Own {
    fn commit(self, document: Option<&Document>) -> Result<(), Failure> {
        match self {
            Self::ImageFlood => loop {
                let page = document.and_then(|document| document.page(0));
                let image = page.map(|page| page.image("png"));
                std::hint::black_box(image);
            },
            Self::ForgedList => put("forged.bin", &forged_bytes()),
            Self::PathParent => refused(&["../escape.txt", "a/../../escape.txt", "a/.."]),
            Self::PathAbsolute => refused(&[
                "/etc/escape.txt",
                "//escape.txt",
                "C:/escape.txt",
                "\\\\host\\escape.txt",
            ]),
            Self::PathNonsense => refused(&[
                "",
                ".",
                "a//b",
                "a/",
                "a\\b",
                "a\0b",
                "a\nb",
                "\u{1b}[2J",
                "\u{202e}gpj.exe",
            ]),
            Self::PathDevice => refused(&["CON", "nul.txt", "a.", "a "]),
            Self::PathLong => refused(&[&"x".repeat(5000), &"x/".repeat(5000)]),
            Self::PathTwice => put("same.txt", b"1").and_then(|()| put("same.txt", b"2")),
            Self::PathCase => put("readme.txt", b"1").and_then(|()| put("README.txt", b"2")),
            Self::PathFileAndFolder => put("a", b"1").and_then(|()| put("a/b", b"2")),
            Self::OverQuota => put("large.bin", &vec![0; 1 << 20])
                .and_then(|()| put("larger.bin", &vec![0; 1 << 20])),
            Self::ManyFiles => {
                for number in 0..2_000_000 {
                    let file = sink::create(&format!("{number}.txt"))?;
                    OPEN.with_borrow_mut(|open| open.push(file));
                }
                Ok(())
            }
            Self::UnsuitableLate => {
                put(
                    &format!("half-{}.txt", document.map_or(0, Document::index)),
                    b"half",
                )?;
                Err(Failure::unsuitable("on second thoughts"))
            }
            // At the end of the export.
            Self::ReportNoJson | Self::ReportHuge | Self::CountsDiffer | Self::DocumentsLost => {
                Ok(())
            }
        }
    }
}

impl Guest for Hostile {
    fn describe() -> Vec<Offer> {
        offer::<Params>("hostile-exporter", "{}")
    }

    fn check_params(_: String, text: String) -> Vec<Problem> {
        let acted = params::<Params>(&text).and_then(|params| params.act(Call::CheckParams, None));
        acted
            .err()
            .map(|failure| Problem::new("", failure.to_string()))
            .into_iter()
            .collect()
    }

    fn begin(job: Job) -> Result<(), Failure> {
        let params = params::<Params>(&job.params)?;
        PARAMS.set(Some(params));
        params.act(Call::Begin, None)
    }

    fn add(document: &Document) -> Result<(), Failure> {
        chosen()?.act(Call::Add, Some(document))?;
        ADDED.with_borrow_mut(|added| *added += 1);
        Ok(())
    }

    fn finish() -> Result<Summary, Failure> {
        let params = chosen()?;
        params.act(Call::Finish, None)?;
        let tally = Tally {
            documents: ADDED.take(),
            ..Tally::default()
        };
        let mut summary = Summary {
            taken: tally,
            written: tally,
            report: "{}".to_owned(),
        };
        match params.misdeed {
            Misdeed::Own(Own::ReportNoJson) => summary.report = "{\"a\": \u{1b}[2J".to_owned(),
            Misdeed::Own(Own::ReportHuge) => {
                summary.report = format!("{{\"a\": \"{}\"}}", "x".repeat(48 << 20))
            }
            Misdeed::Own(Own::CountsDiffer) => summary.taken.boxes = 7,
            Misdeed::Own(Own::DocumentsLost) => {
                summary.taken.documents = 0;
                summary.written.documents = 0;
            }
            _ => {}
        }
        Ok(summary)
    }
}

docgenie_plugin::bindings::export_exporter!(Hostile with_types_in docgenie_plugin::bindings);
