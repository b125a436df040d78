//! {{ title }}: a file with one line of JSON a page.

use docgenie_plugin::{Document, Exporter, Job, JsonLines, Offer, Reconciliation, Result, Summary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a pipeline can set under `with`. The comments are what its users read.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// The file's name.
    file: String,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            file: "pages.jsonl".to_owned(),
        }
    }
}

struct Lines {
    lines: JsonLines,
    count: Reconciliation,
}

#[derive(Serialize)]
struct Line {
    document: String,
    /// From 1.
    page: u32,
    text: String,
}

impl Exporter for Lines {
    type Params = Params;
    const OFFER: Offer = Offer::new("{{ id }}", "{{ title }}", "One line of JSON a page.");

    fn begin(job: Job<Params>) -> Result<Self> {
        let lines = JsonLines::create(&job.params.file)?;
        let count = Reconciliation::default();
        Ok(Self { lines, count })
    }

    // What is taken and what is written are counted apart: the host fails an export that lost
    // something in between.
    fn add(&mut self, document: &Document) -> Result<()> {
        self.count.taken.documents += 1;
        for (page, number) in document.pages().zip(1..) {
            self.lines.push(&Line {
                document: document.id(),
                page: number,
                text: page.text(),
            })?;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        self.lines.finish()?;
        Ok(self.count.into())
    }
}

docgenie_plugin::exporters!(Lines);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_a_line() {
        let exported = testing::export::<Lines>(&json!({}), &testing::documents()).unwrap();
        let lines = exported.text("pages.jsonl");
        assert_eq!(lines.lines().count(), 4);
        assert!(lines.starts_with(r#"{"document":"document_1","page":1,"text":"Invoice\n"#));
    }
}
