//! Page images.

use serde::{Deserialize, Serialize};

use crate::geometry::PixelGrid;

/// One page as a PNG.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageImage {
    /// Page, counted from 0.
    pub page: u32,
    /// Pixels and the page they show.
    pub grid: PixelGrid,
    /// The encoded PNG.
    #[serde(with = "serde_bytes")]
    pub png: Vec<u8>,
}

/// The pages of a document as images, first to last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageImages(pub Vec<PageImage>);
