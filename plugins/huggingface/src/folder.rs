//! An image folder: `<part>/<page>.png` with `<part>/metadata.jsonl`.

use docgenie_plugin::{ImageFormat, JsonLines, PageImage, Part, Parts, Result};
use serde::Serialize;

use crate::{Rows, row::Row};

#[derive(Default)]
pub(crate) struct Folders(Parts<JsonLines>);

/// The name of this key is how the library finds the image.
#[derive(Serialize)]
struct Line<'a> {
    file_name: String,
    #[serde(flatten)]
    row: &'a Row,
}

impl Rows for Folders {
    fn push(
        &mut self,
        part: Part,
        row: &Row,
        image: &PageImage,
        format: ImageFormat,
    ) -> Result<()> {
        let file_name = image.save(part.name(), format)?;
        let path = format!("{}/metadata.jsonl", part.name());
        self.0
            .get(part, || JsonLines::create(&path))?
            .push(&Line { file_name, row })
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.into_iter().try_for_each(|(_, lines)| lines.finish())
    }
}
