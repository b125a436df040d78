//! The files of one document, by path.

use docgenie_runtime::stage::StageFailure;
use serde::Serialize;

use super::{
    PackageConfig, UNENCODABLE,
    annotations::{
        ClassItem, EntityItem, FieldItem, InkItem, QuestionItem, RegionItem, TagItem,
        VerificationItem, VisualItem, answers,
    },
    boxes::{self, OcrResults},
    parts::{Grids, Parts},
};
use crate::markup::Markup;

/// Files that are made for the dataset: path and contents. Only those with something in them.
#[derive(Default)]
pub(super) struct Files(pub(super) Vec<(String, Vec<u8>)>);

impl Files {
    /// Everything about a document but its PDF and images, which are shipped as they are.
    pub(super) fn of(
        parts: &Parts,
        grids: &Grids,
        options: &PackageConfig,
    ) -> Result<Self, StageFailure> {
        let id = parts.id;
        let mut files = Self::default();
        if let Some(html) = &parts.html {
            // The HTML has been read before, by the stages that made it.
            let css = Markup::parse(&html.0).map(|markup| markup.css());
            files.text(format!("html/{id}.html"), html.0.clone());
            files.text(format!("html/{id}.css"), css.unwrap_or_default());
        }
        files.boxes(parts, grids, options)?;
        files.annotations(parts, grids)?;
        if let Some(ocr) = &parts.ocr {
            for page in &ocr.pages {
                let Some((_, grid)) = grids.iter().find(|(number, _)| *number == page.page) else {
                    continue;
                };
                let path = format!("ocr_results/{}.json", id.page_name(page.page));
                files.object(path, &OcrResults::new(ocr, page, grid, grids))?;
            }
        }
        Ok(files)
    }

    fn boxes(
        &mut self,
        parts: &Parts,
        grids: &Grids,
        options: &PackageConfig,
    ) -> Result<(), StageFailure> {
        let (id, words) = (parts.id, &parts.words);
        self.list(
            format!("bbox/bbox_pdf/word/{id}.json"),
            boxes::word_points(words),
        )?;
        if options.characters {
            let path = format!("bbox/bbox_pdf/char/{id}.json");
            self.list(path, boxes::character_points(words))?;
        }
        self.list(
            format!("bbox/bbox_final/word/{id}.json"),
            boxes::word_pixels(words, grids),
        )?;
        if options.fractions {
            self.list(
                format!("bbox/bbox_final_normalized/word/{id}.json"),
                boxes::word_fractions(words, grids),
            )?;
        }
        let Some(segments) = &parts.segments else {
            return Ok(());
        };
        let lines = boxes::lines(segments, words);
        self.list(
            format!("bbox/bbox_final/segment/{id}.json"),
            lines.iter().map(|line| line.pixels(grids)),
        )?;
        if options.fractions {
            self.list(
                format!("bbox/bbox_final_normalized/segment/{id}.json"),
                lines.iter().map(|line| line.fractions(grids)),
            )?;
        }
        Ok(())
    }

    fn annotations(&mut self, parts: &Parts, grids: &Grids) -> Result<(), StageFailure> {
        let id = parts.id;
        if let Some(truth) = &parts.truth {
            let gt = answers(truth, truth.questions.iter());
            self.object(format!("annotations/gt/{id}.json"), &gt)?;
            let class = ClassItem {
                document_type: &truth.document_type,
                language: &truth.language,
            };
            self.object(format!("annotations/classification/{id}.json"), &class)?;
            let questions = truth.questions.iter();
            self.list(
                format!("annotations/qa/{id}.json"),
                questions.map(|question| QuestionItem::new(question, grids)),
            )?;
            let fields = truth.fields.iter();
            self.list(
                format!("annotations/kie/{id}.json"),
                fields.map(|field| FieldItem::new(field, grids)),
            )?;
            let entities = truth.entities.iter();
            self.list(
                format!("annotations/ner/{id}.json"),
                entities.map(|entity| EntityItem::new(entity, grids)),
            )?;
            let tags = parts.words.words.iter().zip(&truth.bio);
            self.list(
                format!("annotations/bio/{id}.json"),
                tags.map(|(word, label)| TagItem {
                    text: &word.text,
                    label,
                }),
            )?;
        }
        for annotation in parts.annotations.iter().flat_map(|it| &it.0) {
            let format = &annotation.format;
            let folder = format.strip_prefix("plugin:").unwrap_or(format);
            let folder = folder.replace('/', "-");
            self.object(
                format!("annotations/formats/{folder}/{id}.json"),
                annotation,
            )?;
        }
        if let Some(verification) = &parts.verification {
            let item = VerificationItem::new(verification);
            self.object(format!("annotations/gt_verification/{id}.json"), &item)?;
        }
        if let Some(layout) = &parts.layout {
            let regions = layout.regions.iter();
            self.list(
                format!("layout/{id}.json"),
                regions.map(|region| RegionItem::new(region, grids)),
            )?;
        }
        if let Some(handwriting) = &parts.handwriting {
            let regions = handwriting.regions.iter().enumerate();
            self.list(
                format!("handwriting/handwriting_regions/{id}.json"),
                regions.map(|(number, region)| InkItem::new(number, region, grids)),
            )?;
        }
        if let Some(elements) = &parts.visual_elements {
            let places = elements.places.iter().enumerate();
            self.list(
                format!("visual_elements/visual_element_definitions/{id}.json"),
                places.map(|(number, place)| VisualItem::new(number, place, grids)),
            )?;
        }
        Ok(())
    }

    /// A JSON array with an item a line: quick to write, and a line is what a `diff` shows. Nothing
    /// where there are no items.
    fn list<T: Serialize>(
        &mut self,
        path: String,
        items: impl Iterator<Item = T>,
    ) -> Result<(), StageFailure> {
        let mut bytes = Vec::new();
        for item in items {
            bytes.extend_from_slice(if bytes.is_empty() { b"[\n" } else { b",\n" });
            serde_json::to_writer(&mut bytes, &item).map_err(unencodable)?;
        }
        if !bytes.is_empty() {
            bytes.extend_from_slice(b"\n]\n");
            self.0.push((path, bytes));
        }
        Ok(())
    }

    pub(super) fn object(
        &mut self,
        path: String,
        value: &impl Serialize,
    ) -> Result<(), StageFailure> {
        let mut bytes = serde_json::to_vec_pretty(value).map_err(unencodable)?;
        bytes.push(b'\n');
        self.0.push((path, bytes));
        Ok(())
    }

    pub(super) fn text(&mut self, path: String, text: String) {
        if !text.is_empty() {
            self.0.push((path, text.into_bytes()));
        }
    }
}

pub(super) fn unencodable(error: impl std::error::Error + 'static) -> StageFailure {
    StageFailure::new(UNENCODABLE, "a value of the dataset does not encode").because(&error)
}
