//! Writes pages of the template set as HTML, to look at while writing templates:
//!
//! ```text
//! cargo run -p docgenie-stages --example author -- --type invoice --language de --seed 1..8 \
//!     --templates engine/stages/templates --out /tmp/pages
//! ```
//!
//! `--layout NAME` fixes the layout family, `--paper NAME` the paper.

use std::{env, error::Error, fs, path::PathBuf};

use docgenie_document::Seed;
use docgenie_stages::{
    OneOrMany,
    author::{Author, AuthorConfig},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = AuthorConfig::default();
    let (mut seeds, mut out, mut templates) = (1..9, None, None);
    let mut args = env::args().skip(1);
    while let (Some(option), Some(value)) = (args.next(), args.next()) {
        match option.as_str() {
            "--type" => config.doc_type = OneOrMany::One(value),
            "--language" => config.language = OneOrMany::One(value),
            "--layout" => config.layout = Some(value),
            "--paper" => config.paper = value,
            "--templates" => templates = Some(PathBuf::from(value)),
            "--out" => out = Some(PathBuf::from(value)),
            "--seed" => {
                let (first, last) = value.split_once("..").unwrap_or((&value, &value));
                seeds = first.parse()?..last.parse::<u64>()? + 1;
            }
            other => return Err(format!("unknown option `{other}`").into()),
        }
    }
    let out = out.ok_or("say where with --out DIR")?;
    fs::create_dir_all(&out)?;
    let author = Author::new(&config, templates.as_ref())
        .map_err(|failure| format!("{:#?}", failure.problem))?;
    for seed in seeds {
        match author.page(Seed(seed)) {
            #[allow(clippy::disallowed_methods, reason = "pages for a person to look at")]
            Ok(page) => fs::write(out.join(format!("{seed:03}.html")), page.markup.clean())?,
            Err(failure) => return Err(format!("seed {seed}: {:#?}", failure.problem).into()),
        }
    }
    Ok(())
}
