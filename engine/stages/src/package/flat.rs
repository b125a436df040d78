//! Files by document instead of by kind.

use docgenie_document::DocumentId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How files are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PathLayout {
    /// A folder for each kind of file.
    #[serde(rename = "2.0")]
    Kinds,
    /// `document_1.pdf`, and a folder `document_1` with what belongs to it.
    #[serde(rename = "flat")]
    Flat,
}

/// Kinds of files and what they are called in the folder of a document. Those of several pages keep
/// the page in their name.
const NAMES: &[(&str, &str)] = &[
    ("annotations/gt/", "ground_truth"),
    ("annotations/gt_verification/", "gt_verification"),
    ("annotations/token_mapping/", "token_mapping"),
    ("bbox/bbox_final/word/", "bboxes"),
    ("bbox/bbox_final/segment/", "bboxes_segment"),
    ("bbox/bbox_final_normalized/word/", "normalized_bboxes_word"),
    (
        "bbox/bbox_final_normalized/segment/",
        "normalized_bboxes_segment",
    ),
    ("debug/", "debug_visualization"),
    ("handwriting/handwriting_regions/", "handwriting_regions"),
    ("html/", "document"),
    ("img/", "final_image"),
    ("layout/", "layout"),
    ("ocr_results/", "ocr_results"),
    (
        "visual_elements/visual_element_definitions/",
        "visual_elements",
    ),
];

impl PathLayout {
    /// Where a file of a document goes that lies at `path` by kind; nowhere for kinds that the layout
    /// does not have.
    pub(super) fn path(self, path: &str, document: DocumentId) -> Option<String> {
        if self == Self::Kinds {
            return Some(path.to_owned());
        }
        let id = document.to_string();
        if path.starts_with("pdf/") {
            return Some(format!("{id}.pdf"));
        }
        let (kind, name) = NAMES.iter().find(|(kind, _)| path.starts_with(kind))?;
        // `document_1.json`, or `document_1_p2.json` for a page.
        let (stem, extension) = path.strip_prefix(kind)?.rsplit_once('.')?;
        let page = stem.strip_prefix(&id)?.trim_end_matches("_debug");
        Some(format!("{id}/{name}{page}.{extension}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_document_lie_together() {
        let check = |path: &str, expected: Option<&str>| {
            let flat = PathLayout::Flat.path(path, DocumentId::from_index(0));
            assert_eq!(flat.as_deref(), expected);
        };
        check("pdf/pdf_final/document_1.pdf", Some("document_1.pdf"));
        check("html/document_1.css", Some("document_1/document.css"));
        check("img/document_1.png", Some("document_1/final_image.png"));
        check(
            "img/document_1_p2.png",
            Some("document_1/final_image_p2.png"),
        );
        check(
            "debug/document_1_p2_debug.png",
            Some("document_1/debug_visualization_p2.png"),
        );
        check(
            "annotations/gt/document_1.json",
            Some("document_1/ground_truth.json"),
        );
        check("bbox/bbox_pdf/char/document_1.json", None);
    }
}
