//! Questions and answers as DocVQA (task 1, single pages) has them: `<split>/<split>_v1.0.json` with
//! the questions, the page images in `<split>/documents`, and the words of each page in
//! `<split>/ocr_results`, in the form of Microsoft's reader. The splits are `train`, `val` and `test`.
//!
//! Boxes of words are their four corners as x, y, x, y, … in whole pixels of the image, origin at
//! its top left.

use std::collections::BTreeSet;

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, JsonArray, Offer, PageImage, Part, Parts, PixelGrid,
    Problem, Reconciliation, Rect, Result, Split, Summary, facts::Answer, lines, write,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Documents held back for validation and test.
    split: Split,
}

struct DocVqa {
    params: Params,
    parts: Parts<JsonArray>,
    count: Reconciliation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    question_id: u32,
    question: String,
    /// Path from the split's folder.
    image: &'a str,
    doc_id: u32,
    #[serde(rename = "ucsf_document_id")]
    document: &'a str,
    /// From 1.
    #[serde(rename = "ucsf_document_page_no")]
    page: String,
    answers: [String; 1],
    #[serde(rename = "data_split")]
    split: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OcrPage {
    page: u32,
    clockwise_orientation: f64,
    width: u32,
    height: u32,
    unit: &'static str,
    lines: Vec<OcrLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OcrLine {
    bounding_box: [u32; 8],
    text: String,
    words: Vec<OcrWord>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OcrWord {
    bounding_box: [u32; 8],
    text: String,
}

impl Exporter for DocVqa {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "docvqa",
        "DocVQA",
        "Questions about page images with their answers, as in DocVQA.",
    );

    fn check(params: &Params) -> Vec<Problem> {
        params.split.check("/split")
    }

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            params: job.params,
            parts: Parts::default(),
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        // An answer that goes on overleaf is asked for on its first page.
        let mut asked = BTreeSet::new();
        for (image, number) in images.iter().zip(1..) {
            let mut questions = Vec::new();
            for region in image.page.regions() {
                if let Some(answer) = region.facts::<Answer>()?
                    && asked.insert(region.id)
                {
                    questions.push(answer);
                }
            }
            self.page(document, image, number, questions)?;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        for (_, questions) in self.parts {
            questions.finish("\n]}\n")?;
        }
        Ok(self.count.into())
    }
}

impl DocVqa {
    fn page(
        &mut self,
        document: &Document,
        image: &PageImage,
        number: u32,
        answers: Vec<Answer>,
    ) -> Result<()> {
        let part = self.params.split.part(document);
        let split = split_name(part);
        let file_name = image.save(&format!("{split}/documents"), self.params.image_format)?;
        self.count.written.images += 1;

        let words = image.page.words();
        self.count.taken.boxes += words.len() as u32;
        let page = OcrPage {
            page: 1,
            clockwise_orientation: 0.0,
            width: image.grid.size.width,
            height: image.grid.size.height,
            unit: "pixel",
            lines: lines(&words)
                .filter_map(|line| ocr_line(line, &image.grid))
                .collect(),
        };
        self.count.written.boxes += page
            .lines
            .iter()
            .map(|line| line.words.len() as u32)
            .sum::<u32>();
        let ocr = json!({ "status": "Succeeded", "recognitionResults": [page] });
        write(
            &format!("{split}/ocr_results/{}.json", image.name),
            ocr.to_string(),
        )?;

        let questions = self.parts.get(part, || {
            let head = json!({ "dataset_name": "docvqa", "dataset_version": "1.0", "dataset_split": split });
            let head = head.to_string();
            let before = format!("{}, \"data\": [", head.trim_end_matches('}'));
            JsonArray::create(&format!("{split}/{split}_v1.0.json"), &before)
        })?;
        self.count.taken.labels += answers.len() as u32;
        for answer in answers {
            questions.push(&Question {
                question_id: self.count.written.labels + 1,
                question: answer.question,
                image: &format!("documents/{file_name}"),
                doc_id: document.index() + 1,
                document: &document.id(),
                page: number.to_string(),
                answers: [answer.answer],
                split,
            })?;
            self.count.written.labels += 1;
        }
        Ok(())
    }
}

fn ocr_line(line: &[docgenie_plugin::Word], grid: &PixelGrid) -> Option<OcrLine> {
    let bounds = Rect::around(line.iter().map(|word| &word.bounds))?;
    let text: Vec<_> = line.iter().map(|word| word.text.as_str()).collect();
    let word = |word: &docgenie_plugin::Word| OcrWord {
        bounding_box: corners(grid.cover(&word.bounds)),
        text: word.text.clone(),
    };
    Some(OcrLine {
        bounding_box: corners(grid.cover(&bounds)),
        text: text.join(" "),
        words: line.iter().map(word).collect(),
    })
}

/// Clockwise from the top left.
fn corners([left, top, right, bottom]: [u32; 4]) -> [u32; 8] {
    [left, top, right, top, right, bottom, left, bottom]
}

/// What DocVQA calls a part.
fn split_name(part: Part) -> &'static str {
    match part {
        Part::Validation => "val",
        part => part.name(),
    }
}

docgenie_plugin::exporters!(DocVqa);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;

    use super::*;

    #[test]
    fn questions_name_the_page_of_their_answer() {
        let exported = testing::export::<DocVqa>(&json!({}), &testing::documents()).unwrap();
        let file = exported.json("train/train_v1.0.json");
        assert_eq!(file["dataset_split"], "train");
        assert_eq!(
            file["data"],
            json!([{
                "questionId": 1, "question": "What is the number?",
                "image": "documents/document_1_page_1.png", "docId": 1,
                "ucsf_document_id": "document_1", "ucsf_document_page_no": "1",
                "answers": ["A-17"], "data_split": "train",
            }])
        );
        assert!(
            exported
                .files
                .contains_key("train/documents/document_1_page_1.png")
        );
        let ocr = exported.json("train/ocr_results/document_1_page_1.json");
        let line = &ocr["recognitionResults"][0]["lines"][1];
        assert_eq!(line["text"], "No: A-17");
        assert_eq!(
            line["words"][1],
            json!({ "boundingBox": [33, 41, 46, 41, 46, 47, 33, 47], "text": "A-17" })
        );
    }
}
