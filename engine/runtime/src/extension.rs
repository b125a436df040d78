//! What stages ask of those who extend the engine: drawings, and forms of ground truth.
//!
//! A stage names an extension as its pipeline does, such as `plugin:seal`, and gets it from
//! [`StageEnv::extensions`](crate::stage::StageEnv). Whether it is built in or runs in a sandbox, a
//! stage cannot tell: what it returns has been checked.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use docgenie_document::Code;
use serde_json::{Map, Value};

use crate::stage::StageFailure;

/// Nothing of this name extends the engine.
pub const NO_EXTENSION: Code = Code::new("DG0108");

/// All that extends an engine.
pub trait Extensions: fmt::Debug + Send + Sync {
    /// The element of this name with these params.
    ///
    /// # Errors
    /// When there is none, it cannot be run, or its params are wrong.
    fn element(
        &self,
        name: &str,
        params: Map<String, Value>,
    ) -> Result<Arc<dyn Element>, StageFailure>;

    /// The form of ground truth of this name with these params.
    ///
    /// # Errors
    /// When there is none, it cannot be run, or its params are wrong.
    fn truth_format(
        &self,
        name: &str,
        params: Map<String, Value>,
    ) -> Result<Arc<dyn TruthFormat>, StageFailure>;
}

/// An engine that nothing extends.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoExtensions;

impl Extensions for NoExtensions {
    fn element(&self, name: &str, _: Map<String, Value>) -> Result<Arc<dyn Element>, StageFailure> {
        Err(unknown("visual element", name))
    }

    fn truth_format(
        &self,
        name: &str,
        _: Map<String, Value>,
    ) -> Result<Arc<dyn TruthFormat>, StageFailure> {
        Err(unknown("form of ground truth", name))
    }
}

/// There is no extension of this name.
#[must_use]
pub fn unknown(what: &str, name: &str) -> StageFailure {
    StageFailure::new(NO_EXTENSION, format!("there is no {what} `{name}`"))
        .hint("`docgenie-engine plugin list` names those there are")
        .ends_run()
}

/// What an engine knows of an element before it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementOffer {
    /// As pipelines name it, such as `plugin:seal`.
    pub name: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of its params, an object.
    pub params_schema: Value,
    /// How it is placed unless a pipeline says otherwise.
    pub manner: Manner,
}

/// What the stage `place` can be told whatever it places; an element's own params have other names.
pub const PLACE_OPTIONS: [&str; 6] = ["element", "fills", "rect", "pages", "dpi", "blend"];

/// How an element is placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Manner {
    /// What it is called in ground truth, such as `seal`.
    pub label: String,
    /// The kinds of marked places that it fills, such as `stamp`.
    pub places: Vec<String>,
    /// How its colours meet the page's.
    pub blend: Blend,
}

/// How the colours of a picture meet those of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blend {
    /// It covers the page, as paper that is stuck on.
    #[default]
    Normal,
    /// It darkens the page, as ink does: what is beneath shows through.
    Multiply,
}

/// Draws one kind of picture. The same request gives the same picture.
#[async_trait]
pub trait Element: Send + Sync {
    /// What the picture depends on besides params and request.
    fn identity(&self) -> String;

    /// How it is placed unless a pipeline says otherwise.
    fn manner(&self) -> &Manner;

    /// Draws.
    ///
    /// # Errors
    /// When it is broken for good.
    async fn draw(
        &self,
        request: &DrawRequest,
    ) -> Result<Result<Drawing, Unsuitable>, StageFailure>;
}

/// What is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawRequest {
    /// What it should show; may be empty.
    pub content: String,
    /// The same key and seed give the same picture.
    pub key: String,
    /// Where its randomness comes from.
    pub seed: u32,
    /// The room, as width and height in pixels of the picture, both at least 1.
    pub area: (u32, u32),
    /// Pixels of the picture per inch of the page.
    pub dpi: f64,
    /// BCP 47 tag of the document; empty where it is not known.
    pub language: String,
}

/// A picture with what can be read in it. Boxes are `[x0, y0, x1, y1]` in the picture's own pixels
/// from its top left, finite and inside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The picture.
    pub picture: Picture,
    /// Text that can be read in it.
    pub words: Vec<DrawnText>,
    /// Its labelled parts.
    pub regions: Vec<DrawnPart>,
    /// What it shows, for the ground truth.
    pub content: Value,
}

/// Straight 8-bit RGBA, rows from top to bottom without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `4 × width × height` bytes.
    pub rgba: Vec<u8>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

/// A word in a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnText {
    /// Its text in logical order.
    pub text: String,
    /// Its box.
    pub bounds: [f64; 4],
    /// Block in the drawing, counted from 0.
    pub block: u32,
    /// Line in the block, counted from 0.
    pub line: u32,
    /// Of its baseline, in degrees clockwise.
    pub angle: f64,
    /// In pixels of the picture; 0 where it is not known.
    pub font_size: f64,
}

/// A labelled part of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnPart {
    /// Its label.
    pub label: String,
    /// Its box.
    pub bounds: [f64; 4],
    /// Positions of its words in the drawing.
    pub words: Vec<u32>,
    /// Further facts, an object.
    pub attributes: Value,
}

/// Why this one cannot be served, while others can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsuitable(pub String);

/// A form of ground truth, as the writer of documents needs it. Making and checking the truth is a
/// stage of its own, once boxes are known.
#[async_trait]
pub trait TruthFormat: Send + Sync {
    /// Its name, under which drafts for it are kept.
    fn name(&self) -> &str;

    /// What its answers depend on besides params.
    fn identity(&self) -> String;

    /// What a writer must annotate. It is the same for all documents.
    ///
    /// # Errors
    /// When it cannot say.
    async fn brief(&self) -> Result<TruthBrief, StageFailure>;
}

/// What the writer of a document must annotate.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthBrief {
    /// In words, for its prompt.
    pub instructions: String,
    /// JSON Schema of the draft.
    pub draft_schema: Value,
}
