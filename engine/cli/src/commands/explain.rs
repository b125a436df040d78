//! `explain`: a page per error code, from the binary.

use docgenie_document::Code;
use include_dir::{Dir, include_dir};

use crate::report::{self, Status, Stop};

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../docs/errors");

/// No page explains this code.
const NO_PAGE: Code = Code::new("DG0904");

/// The page of a code.
pub(super) fn page(code: &str) -> Option<&'static str> {
    let name = code.trim().to_ascii_uppercase();
    PAGES.get_file(format!("{name}.md"))?.contents_utf8()
}

pub(super) fn explain(code: Option<&str>) -> Result<Status, Stop> {
    let Some(code) = code else {
        let mut titles: Vec<&str> = PAGES
            .files()
            .filter_map(|page| page.contents_utf8()?.lines().next())
            .collect();
        titles.sort_unstable();
        let titles: Vec<&str> = titles
            .iter()
            .map(|title| title.trim_start_matches("# "))
            .collect();
        report::data(&titles.join("\n"));
        return Ok(Status::Done);
    };
    let text = page(code).ok_or_else(|| {
        Stop::new(
            Status::BadInput,
            NO_PAGE,
            format!("there is no code `{code}`"),
        )
        .hint("`docgenie-engine explain` lists all codes")
    })?;
    report::data(text);
    Ok(Status::Done)
}
