//! PAGE XML in the version of 2019-07-15: a file a page with its regions in reading order, their
//! lines and words, and the page's image beside it, as Transkribus, eScriptorium and OCR-D read it.
//!
//! Places are polygons in whole pixels of the image, origin at its top left.

mod model;

use std::fmt::{self, Write};

use docgenie_plugin::{
    Document, Exporter, Failure, ImageFormat, Job, Offer, PageImage, PixelGrid, Point,
    Reconciliation, Rect, Result, Summary, Word, lines, write, xml::Text,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{Block, Shape, Type};

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How the images are encoded.
    image_format: ImageFormat,
}

struct PageXml {
    params: Params,
    count: Reconciliation,
}

impl Exporter for PageXml {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "page-xml",
        "PAGE XML",
        "Regions, lines and words as PAGE XML.",
    );

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            params: job.params,
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for image in &images {
            let file_name = image.save("images", self.params.image_format)?;
            self.count.written.images += 1;
            let words = image.page.words();
            let regions = image.page.regions();
            let blocks = model::blocks(&words, &regions)?;
            self.count.taken.boxes += words.len() as u32;
            self.count.taken.labels += blocks.iter().map(Block::count).sum::<u32>();
            let mut xml = Xml {
                text: String::new(),
                grid: &image.grid,
                words: 0,
                regions: 0,
            };
            xml.page(image, &file_name, &words, &blocks)
                .map_err(Failure::broken)?;
            write(&format!("page/{}.xml", image.name), xml.text)?;
            self.count.written.boxes += xml.words;
            self.count.written.labels += xml.regions;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        Ok(self.count.into())
    }
}

struct Xml<'a> {
    text: String,
    grid: &'a PixelGrid,
    /// Written so far.
    words: u32,
    /// Written so far.
    regions: u32,
}

impl Xml<'_> {
    fn page(
        &mut self,
        image: &PageImage,
        file_name: &str,
        words: &[Word],
        blocks: &[Block<'_>],
    ) -> fmt::Result {
        // The format wants a time. A fixed one keeps equal pages equal.
        writeln!(
            self.text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15 http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15/pagecontent.xsd">
<Metadata><Creator>docgenie-engine</Creator><Created>1970-01-01T00:00:00</Created><LastChange>1970-01-01T00:00:00</LastChange></Metadata>
<Page imageFilename="../images/{}" imageWidth="{}" imageHeight="{}">"#,
            Text(file_name),
            image.grid.size.width,
            image.grid.size.height,
        )?;
        if !blocks.is_empty() {
            self.text
                .push_str("<ReadingOrder><OrderedGroup id=\"reading_order\">\n");
            for index in 0..blocks.len() {
                writeln!(
                    self.text,
                    r#"<RegionRefIndexed index="{index}" regionRef="region_{index}"/>"#
                )?;
            }
            self.text.push_str("</OrderedGroup></ReadingOrder>\n");
        }
        for (index, block) in blocks.iter().enumerate() {
            self.block(&format!("region_{index}"), block, words)?;
        }
        self.text.push_str("</Page>\n</PcGts>\n");
        Ok(())
    }

    fn block(&mut self, id: &str, block: &Block<'_>, words: &[Word]) -> fmt::Result {
        let element = block.r#type.element();
        write!(self.text, r#"<{element} id="{id}""#)?;
        match &block.r#type {
            Type::Text(Some(name)) | Type::Graphic(name) => write!(self.text, r#" type="{name}""#)?,
            _ => {}
        }
        self.text.push_str(">\n");
        self.regions += 1;
        match &block.shape {
            Shape::Region(region) if !region.outline.is_empty() => {
                let outline = region.outline.iter().map(|point| self.grid.point(point));
                self.coords(outline.map(|Point { x, y }| (x.round() as u32, y.round() as u32)))?;
            }
            Shape::Region(region) => self.rect(&region.bounds)?,
            Shape::Words => self.around(block.words.iter().map(|word| &words[*word]))?,
        }
        if let Type::Cell(cell) = &block.r#type {
            writeln!(
                self.text,
                r#"<Roles><TableCellRole rowIndex="{}" columnIndex="{}" rowSpan="{}" colSpan="{}" header="{}"/></Roles>"#,
                cell.row, cell.column, cell.row_span, cell.column_span, cell.header,
            )?;
        }
        for (index, inner) in block.inner.iter().enumerate() {
            self.block(&format!("{id}_{index}"), inner, words)?;
        }
        let own: Vec<Word> = block
            .words
            .iter()
            .map(|word| words[*word].clone())
            .collect();
        for (index, line) in lines(&own).enumerate() {
            self.line(&format!("{id}_line_{index}"), line)?;
        }
        if matches!(block.r#type, Type::Text(_) | Type::Cell(_)) {
            let text: Vec<_> = lines(&own).map(text_of).collect();
            self.transcription(&text.join("\n"))?;
        }
        writeln!(self.text, "</{element}>")
    }

    fn line(&mut self, id: &str, line: &[Word]) -> fmt::Result {
        writeln!(self.text, r#"<TextLine id="{id}">"#)?;
        self.around(line)?;
        for (index, word) in line.iter().enumerate() {
            writeln!(self.text, r#"<Word id="{id}_word_{index}">"#)?;
            self.rect(&word.bounds)?;
            self.transcription(&word.text)?;
            self.text.push_str("</Word>\n");
            self.words += 1;
        }
        self.transcription(&text_of(line))?;
        self.text.push_str("</TextLine>\n");
        Ok(())
    }

    fn around<'a>(&mut self, words: impl IntoIterator<Item = &'a Word>) -> fmt::Result {
        let bounds = Rect::around(words.into_iter().map(|word| &word.bounds));
        bounds.map_or(Ok(()), |bounds| self.rect(&bounds))
    }

    fn rect(&mut self, bounds: &Rect) -> fmt::Result {
        let [left, top, right, bottom] = self.grid.cover(bounds);
        self.coords([(left, top), (right, top), (right, bottom), (left, bottom)])
    }

    fn coords(&mut self, points: impl IntoIterator<Item = (u32, u32)>) -> fmt::Result {
        let points: Vec<_> = points
            .into_iter()
            .map(|(x, y)| format!("{x},{y}"))
            .collect();
        writeln!(self.text, r#"<Coords points="{}"/>"#, points.join(" "))
    }

    fn transcription(&mut self, text: &str) -> fmt::Result {
        writeln!(
            self.text,
            "<TextEquiv><Unicode>{}</Unicode></TextEquiv>",
            Text(text)
        )
    }
}

fn text_of(line: &[Word]) -> String {
    line.iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

docgenie_plugin::exporters!(PageXml);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_word_is_in_one_region() {
        let exported = testing::export::<PageXml>(&json!({}), &testing::documents()).unwrap();
        let text = exported.text("page/document_1_page_1.xml");
        for expected in [
            r#"imageFilename="../images/document_1_page_1.png" imageWidth="248" imageHeight="351""#,
            r#"<RegionRefIndexed index="3" regionRef="region_3"/>"#,
            r#"<TextRegion id="region_0" type="heading">"#,
            r#"<TableRegion id="region_3">"#,
            r#"<TableCellRole rowIndex="1" columnIndex="1" rowSpan="1" colSpan="1" header="false"/>"#,
            "<Unicode>Paper, A4</Unicode>",
            "<Unicode>Acme &amp; Söhne</Unicode>",
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert_eq!(text.matches("<Word ").count(), 11);
        let text = exported.text("page/document_1_page_2.xml");
        let stamp = "<GraphicRegion id=\"region_1\" type=\"stamp\">\n<Coords points=\"188,292 208,304 188,317 167,304\"/>";
        assert!(text.contains(stamp), "{text}");
        let empty = exported.text("page/document_2_page_1.xml");
        assert!(!empty.contains("<ReadingOrder>"), "{empty}");
    }
}
