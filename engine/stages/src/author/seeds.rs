//! Seed images: what documents are to take after.

use docgenie_document::Digest;

/// A page of a seed, ready to be looked at.
#[derive(Clone, Debug)]
pub(super) struct SeedPage {
    /// `image/png` or `image/jpeg`.
    pub(super) media_type: &'static str,
    /// The encoded picture, at most 1568 pixels on its longer side.
    pub(super) bytes: Vec<u8>,
    /// Its pixels across and down.
    pub(super) size: (u32, u32),
    /// The page's points across and down, where it is known (a PDF, a picture with a resolution).
    pub(super) points: Option<(f64, f64)>,
    /// Its dominant colours but paper and ink, the most frequent first.
    pub(super) colours: Vec<[u8; 3]>,
    /// Of the file it came from and its page.
    pub(super) digest: Digest,
}
