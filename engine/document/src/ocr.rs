//! What optical character recognition read.

use serde::{Deserialize, Serialize};

use crate::geometry::{PixelGrid, Rect};

/// One recognised word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OcrWord {
    /// The text as read.
    pub text: String,
    /// 0 to 1.
    pub confidence: f64,
    /// The box, in points of the page.
    pub rect: Rect,
    /// Block on its page, counted from 0.
    pub block: u32,
    /// Line in its block, counted from 0.
    pub line: u32,
    /// Word in its line, counted from 0.
    pub number: u32,
}

/// One recognised page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OcrPage {
    /// Page, counted from 0.
    pub page: u32,
    /// The image that was read.
    pub grid: PixelGrid,
    /// Page orientation found, in degrees clockwise.
    pub angle: f64,
    /// The words in the engine's reading order.
    pub words: Vec<OcrWord>,
}

/// The result of recognising a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ocr {
    /// The engine and its version, for instance `tesseract 5.3.0`.
    pub engine: String,
    /// Languages it read, as the engine names them.
    pub languages: Vec<String>,
    /// The pages, first to last.
    pub pages: Vec<OcrPage>,
}
