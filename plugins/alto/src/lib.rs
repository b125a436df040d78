//! ALTO 4.4: an XML file a page with its blocks, lines and words, and the page's image beside it.
//! What regions say is in tags: layout labels on blocks, named entities and fields on words.
//!
//! Places are in pixels of the image, origin at its top left.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use docgenie_plugin::{
    Document, Exporter, Failure, ImageFormat, Job, Kind, Offer, PageImage, PixelGrid,
    Reconciliation, Rect, Region, Result, Summary, Word, lines, write, xml::Text,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How the images are encoded.
    image_format: ImageFormat,
}

struct Alto {
    params: Params,
    count: Reconciliation,
}

/// Regions that become tags.
const TAGGED: [Kind; 3] = [Kind::Layout, Kind::Entity, Kind::Field];

impl Exporter for Alto {
    type Params = Params;
    const OFFER: Offer = Offer::new("alto", "ALTO", "Blocks, lines, words and tags as ALTO XML.");

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
        for (image, number) in images.iter().zip(1..) {
            let file_name = image.save("images", self.params.image_format)?;
            self.count.written.images += 1;
            let words = image.page.words();
            let regions = image.page.regions_of(&TAGGED);
            let pictures = image.page.regions_of(&[Kind::VisualElement]);
            self.count.taken.boxes += (words.len() + pictures.len()) as u32;
            let mut xml = Xml {
                text: String::new(),
                boxes: 0,
                tags: Tags::of(&regions),
            };
            xml.page(image, number, &file_name, &words, &pictures)
                .map_err(Failure::broken)?;
            write(&format!("alto/{}.xml", image.name), xml.text)?;
            self.count.written.boxes += xml.boxes;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        Ok(self.count.into())
    }
}

/// A tag for each kind and label on the page, and which regions carry it.
struct Tags<'a>(BTreeMap<(&'a str, &'a str), Vec<&'a Region>>);

impl<'a> Tags<'a> {
    fn of(regions: &'a [Region]) -> Self {
        let mut tags = BTreeMap::<_, Vec<_>>::new();
        for region in regions {
            tags.entry((region.kind.as_str(), region.label.as_str()))
                .or_default()
                .push(region);
        }
        Self(tags)
    }

    /// The attribute that names the tags of regions which hold all of so many words from the first.
    fn refs(&self, kinds: &[Kind], first: u32, count: u32) -> String {
        let holds =
            |region: &&Region| (first..first + count).all(|word| region.words.contains(&word));
        let found = self.0.iter().zip(1..).filter(|(((kind, _), regions), _)| {
            kinds.iter().any(|it| it.name() == *kind) && regions.iter().any(holds)
        });
        let ids: Vec<_> = found.map(|(_, number)| format!("tag_{number}")).collect();
        match ids.as_slice() {
            [] => String::new(),
            ids => format!(" TAGREFS=\"{}\"", ids.join(" ")),
        }
    }
}

struct Xml<'a> {
    text: String,
    /// Written so far.
    boxes: u32,
    tags: Tags<'a>,
}

impl Xml<'_> {
    fn page(
        &mut self,
        image: &PageImage,
        number: u32,
        file_name: &str,
        words: &[Word],
        pictures: &[Region],
    ) -> fmt::Result {
        let (width, height) = (image.grid.size.width, image.grid.size.height);
        writeln!(
            self.text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-4.xsd" SCHEMAVERSION="4.4">
<Description>
<MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>../images/{}</fileName></sourceImageInformation>
<Processing ID="processing_1"><processingSoftware><softwareName>docgenie-engine</softwareName></processingSoftware></Processing>
</Description>"#,
            Text(file_name)
        )?;
        self.tags()?;
        writeln!(
            self.text,
            r#"<Layout>
<Page ID="page_{number}" PHYSICAL_IMG_NR="{number}" WIDTH="{width}" HEIGHT="{height}">
<PrintSpace HPOS="0" VPOS="0" WIDTH="{width}" HEIGHT="{height}">"#
        )?;
        let mut first = 0;
        for (block, number) in words.chunk_by(|a, b| a.block == b.block).zip(1..) {
            self.block(block, number, first, &image.grid)?;
            first += block.len() as u32;
        }
        for (picture, number) in pictures.iter().zip(1..) {
            let place = place(&image.grid.rect(&picture.bounds));
            let kind = Text(&picture.label);
            writeln!(
                self.text,
                r#"<Illustration ID="illustration_{number}" {place} TYPE="{kind}"/>"#
            )?;
            self.boxes += 1;
        }
        self.text
            .push_str("</PrintSpace>\n</Page>\n</Layout>\n</alto>\n");
        Ok(())
    }

    fn tags(&mut self) -> fmt::Result {
        if self.tags.0.is_empty() {
            return Ok(());
        }
        self.text.push_str("<Tags>\n");
        for ((kind, label), number) in self.tags.0.keys().zip(1..) {
            let element = match *kind {
                "layout" => "LayoutTag",
                "entity" => "NamedEntityTag",
                _ => "OtherTag",
            };
            let label = Text(label);
            writeln!(
                self.text,
                r#"<{element} ID="tag_{number}" TYPE="{kind}" LABEL="{label}"/>"#
            )?;
        }
        self.text.push_str("</Tags>\n");
        Ok(())
    }

    /// `first` is the position of its first word on the page.
    fn block(&mut self, block: &[Word], number: u32, first: u32, grid: &PixelGrid) -> fmt::Result {
        let tags = self.tags.refs(&[Kind::Layout], first, block.len() as u32);
        let bounds = around(block, grid);
        writeln!(
            self.text,
            r#"<TextBlock ID="block_{number}" {bounds}{tags}>"#
        )?;
        let mut position = first;
        for (line, number_of_line) in lines(block).zip(1..) {
            let id = format!("{number}_{number_of_line}");
            writeln!(
                self.text,
                r#"<TextLine ID="line_{id}" {}>"#,
                around(line, grid)
            )?;
            for (word, number_of_word) in line.iter().zip(1..) {
                if number_of_word > 1 {
                    self.text.push_str("<SP/>\n");
                }
                let place = place(&grid.rect(&word.bounds));
                let tags = self.tags.refs(&[Kind::Entity, Kind::Field], position, 1);
                let text = Text(&word.text);
                writeln!(
                    self.text,
                    r#"<String ID="word_{id}_{number_of_word}" {place} CONTENT="{text}" WC="1.0"{tags}/>"#
                )?;
                self.boxes += 1;
                position += 1;
            }
            self.text.push_str("</TextLine>\n");
        }
        self.text.push_str("</TextBlock>\n");
        Ok(())
    }
}

fn around(words: &[Word], grid: &PixelGrid) -> String {
    let bounds = Rect::around(words.iter().map(|word| &word.bounds));
    bounds.map_or_else(String::new, |bounds| place(&grid.rect(&bounds)))
}

fn place(
    Rect {
        x,
        y,
        width,
        height,
    }: &Rect,
) -> String {
    format!(r#"HPOS="{x}" VPOS="{y}" WIDTH="{width}" HEIGHT="{height}""#)
}

docgenie_plugin::exporters!(Alto);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn words_have_places_and_tags() {
        let exported = testing::export::<Alto>(&json!({}), &testing::documents()).unwrap();
        let text = exported.text("alto/document_1_page_1.xml");
        for expected in [
            "<fileName>../images/document_1_page_1.png</fileName>",
            r#"<NamedEntityTag ID="tag_1" TYPE="entity" LABEL="ORG"/>"#,
            r#"<LayoutTag ID="tag_8" TYPE="layout" LABEL="title"/>"#,
            r#"<TextBlock ID="block_1" HPOS="20.83" VPOS="16.67" WIDTH="33.34" HEIGHT="8.33" TAGREFS="tag_8">"#,
            r#"CONTENT="&amp;" WC="1.0" TAGREFS="tag_1 tag_5"/>"#,
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        let text = exported.text("alto/document_1_page_2.xml");
        let stamp = r#"<Illustration ID="illustration_1" HPOS="166.67" VPOS="291.67" WIDTH="41.66" HEIGHT="25" TYPE="stamp"/>"#;
        assert!(text.contains(stamp), "{text}");
        assert!(exported.files.contains_key("images/document_2_page_1.png"));
    }
}
