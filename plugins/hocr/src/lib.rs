//! hOCR 1.2 in the dialect of Tesseract: a file a document with its pages, blocks, lines and words,
//! and the pages' images beside it.
//!
//! Boxes are left, top, right, bottom in whole pixels of the image, origin at its top left.

use std::fmt::{self, Write};

use docgenie_plugin::{
    Document, Exporter, Failure, ImageFormat, Job, Offer, PageImage, PixelGrid, Reconciliation,
    Rect, Result, Summary, Word, lines, write, xml::Text,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How the images are encoded.
    image_format: ImageFormat,
}

struct Hocr {
    params: Params,
    count: Reconciliation,
}

impl Exporter for Hocr {
    type Params = Params;
    const OFFER: Offer = Offer::new("hocr", "hOCR", "Blocks, lines and words as hOCR.");

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
        let mut html = Html {
            text: String::new(),
            words: 0,
        };
        html.head(document).map_err(Failure::broken)?;
        for (image, number) in images.iter().zip(1..) {
            let file_name = image.save("images", self.params.image_format)?;
            self.count.written.images += 1;
            let words = image.page.words();
            self.count.taken.boxes += words.len() as u32;
            html.page(image, number, &file_name, &words)
                .map_err(Failure::broken)?;
        }
        html.text.push_str("</body>\n</html>\n");
        write(&format!("{}.hocr", document.id()), html.text)?;
        self.count.written.boxes += html.words;
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        Ok(self.count.into())
    }
}

struct Html {
    text: String,
    /// Written so far.
    words: u32,
}

impl Html {
    fn head(&mut self, document: &Document) -> fmt::Result {
        let (id, language) = (document.id(), document.language());
        let (id, language) = (Text(&id), Text(&language));
        writeln!(
            self.text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="{language}" lang="{language}">
<head>
<title>{id}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content="docgenie-engine"/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word"/>
<meta name="ocr-number-of-pages" content="{}"/>
<meta name="ocr-langs" content="{language}"/>
</head>
<body>"#,
            document.page_count()
        )
    }

    fn page(
        &mut self,
        image: &PageImage,
        number: u32,
        file_name: &str,
        words: &[Word],
    ) -> fmt::Result {
        let grid = &image.grid;
        let (width, height) = (grid.size.width, grid.size.height);
        let (across, down) = grid.scale();
        writeln!(
            self.text,
            r#"<div class="ocr_page" id="page_{number}" title='image "images/{}"; bbox 0 0 {width} {height}; ppageno {}; scan_res {:.0} {:.0}'>"#,
            Text(file_name),
            number - 1,
            across * 72.0,
            down * 72.0,
        )?;
        for (block, number_of_block) in words.chunk_by(|a, b| a.block == b.block).zip(1..) {
            let id = format!("{number}_{number_of_block}");
            let bounds = bounds(block, grid);
            writeln!(
                self.text,
                r#" <div class="ocr_carea" id="block_{id}" title="{bounds}">"#
            )?;
            writeln!(
                self.text,
                r#"  <p class="ocr_par" id="par_{id}" title="{bounds}">"#
            )?;
            for (line, number_of_line) in lines(block).zip(1..) {
                self.line(line, grid, &format!("{id}_{number_of_line}"))?;
            }
            self.text.push_str("  </p>\n </div>\n");
        }
        self.text.push_str("</div>\n");
        Ok(())
    }

    fn line(&mut self, line: &[Word], grid: &PixelGrid, id: &str) -> fmt::Result {
        write!(
            self.text,
            r#"   <span class="ocr_line" id="line_{id}" title="{}"#,
            bounds(line, grid)
        )?;
        // Counter-clockwise, unlike ours.
        let angle = line.first().map_or(0.0, |word| -word.angle);
        if angle != 0.0 {
            write!(self.text, "; textangle {}", angle.rem_euclid(360.0))?;
        }
        writeln!(self.text, r#"">"#)?;
        for (word, number) in line.iter().zip(1..) {
            let bounds = bounds(std::slice::from_ref(word), grid);
            write!(
                self.text,
                r#"    <span class="ocrx_word" id="word_{id}_{number}" title="{bounds}; x_wconf 100"#
            )?;
            if word.font_size > 0.0 {
                write!(self.text, "; x_fsize {:.0}", word.font_size)?;
            }
            writeln!(self.text, r#"">{}</span>"#, Text(&word.text))?;
            self.words += 1;
        }
        self.text.push_str("   </span>\n");
        Ok(())
    }
}

/// The property that says where words stand.
fn bounds(words: &[Word], grid: &PixelGrid) -> String {
    let bounds = Rect::around(words.iter().map(|word| &word.bounds));
    bounds.map_or_else(String::new, |bounds| {
        let [left, top, right, bottom] = grid.cover(&bounds);
        format!("bbox {left} {top} {right} {bottom}")
    })
}

docgenie_plugin::exporters!(Hocr);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn words_stand_in_lines_in_blocks_in_pages() {
        let mut documents = testing::documents();
        documents[0].pages[1].words[2].angle = 90.0;
        let exported = testing::export::<Hocr>(&json!({}), &documents).unwrap();
        let text = exported.text("document_1.hocr");
        for expected in [
            r#"<div class="ocr_page" id="page_2" title='image "images/document_1_page_2.png"; bbox 0 0 248 351; ppageno 1; scan_res 30 30'>"#,
            r#"<div class="ocr_carea" id="block_1_2" title="bbox 20 41 55 55">"#,
            r#"<span class="ocr_line" id="line_1_2_2" title="bbox 20 50 55 55">"#,
            r#"<span class="ocrx_word" id="word_1_2_2_2" title="bbox 35 50 39 55; x_wconf 100; x_fsize 10">&amp;</span>"#,
            r#"<span class="ocr_line" id="line_2_2_1" title="bbox 25 300 50 309; textangle 270">"#,
            "&lt;b&gt;</span>",
            "שלום",
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(exported.files.contains_key("images/document_2_page_1.png"));
    }
}
