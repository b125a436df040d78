//! One line of JSON a document, and its images: what `benches/plugins.rs` does natively, too.

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, JsonLines, Offer, Reconciliation, Result, Summary,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {}

struct Lines {
    lines: JsonLines,
    count: Reconciliation,
}

#[derive(Serialize)]
struct Line {
    document: String,
    words: Vec<Word>,
}

#[derive(Serialize)]
struct Word {
    text: String,
    /// `[x, y, width, height]` in points.
    bbox: [f64; 4],
}

impl Exporter for Lines {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "lines",
        "Lines",
        "One line of JSON a document, and its images.",
    );

    fn begin(_: Job<Params>) -> Result<Self> {
        Ok(Self {
            lines: JsonLines::create("documents.jsonl")?,
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        self.count.taken.documents += 1;
        let mut words = Vec::new();
        for image in document.page_images()? {
            self.count.taken.images += 1;
            image.save("images", ImageFormat::Png)?;
            self.count.written.images += 1;
            words.extend(image.page.words().into_iter().map(|word| Word {
                text: word.text,
                bbox: [
                    word.bounds.x,
                    word.bounds.y,
                    word.bounds.width,
                    word.bounds.height,
                ],
            }));
        }
        self.lines.push(&Line {
            document: document.id(),
            words,
        })?;
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        self.lines.finish()?;
        Ok(self.count.into())
    }
}

docgenie_plugin::exporters!(Lines);
