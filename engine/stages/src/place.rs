//! Puts pictures onto pages: stamps, seals, watermarks. The picture goes into the PDF, its words and
//! parts into the document, and what it hides is no longer there.

mod fit;
mod pdf;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{
    Code, Seed, Slot,
    geometry::Rect,
    revision::Revision,
    slot::Pdf,
    text::{Segments, Words},
    truth::{GroundTruth, Handwriting, Layout, VisualElements, VisualPlace},
};
use docgenie_runtime::{
    extension::{self, DrawRequest, Drawing, Element, ElementOffer, Manner, Unsuitable},
    stage::{
        Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig, StageEnv,
        StageFailure, StageKind, Variants, blocking,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use fit::Fitted;

/// A PDF that nothing can be put onto.
pub const NOT_PLACED: Code = Code::new("DG0460");
/// Pictures of the pages are older than what is placed on them.
pub const PLACED_TOO_LATE: Code = Code::new("DG0461");
/// A rectangle that is none.
pub const BAD_RECTANGLE: Code = Code::new("DG0462");

/// The option that names the element.
const ELEMENT: &str = "element";
/// Pixels along a side that an element is asked for at most.
const MAX_SIDE: f64 = 4096.0;

/// Options of the stage `place`. What the element itself can be told stands beside them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlaceConfig {
    /// What is placed, such as `plugin:seal`.
    pub element: String,
    /// The kinds of marked places to fill; those that suit the element where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fills: Option<Vec<PlaceKind>>,
    /// A rectangle to fill instead, as `[x, y, width, height]` in points from the top left of the
    /// page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rect: Option<[f64; 4]>,
    /// The pages that have the rectangle.
    #[serde(default)]
    pub pages: Pages,
    /// Resolution of the picture in dots per inch.
    #[serde(default = "default_dpi")]
    #[schemars(range(min = 72, max = 600))]
    pub dpi: u32,
    /// How its colours meet the page's; as it suits the element where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blend: Option<Blend>,
    /// The element's own.
    #[serde(flatten)]
    pub params: Map<String, Value>,
}

/// The kinds of places that HTML marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    /// Ink of an office or a company.
    Stamp,
    /// A company's sign.
    Logo,
    /// A drawing or a chart.
    Figure,
    /// A code for machines.
    Barcode,
    /// A photograph.
    Photo,
}

/// Which pages of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pages {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
    /// Every one.
    All,
}

/// How the colours of a picture meet those of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Blend {
    /// It covers the page, as paper that is stuck on.
    Normal,
    /// It darkens the page, as ink does.
    Multiply,
}

const fn default_dpi() -> u32 {
    300
}

impl PlaceKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Stamp => "stamp",
            Self::Logo => "logo",
            Self::Figure => "figure",
            Self::Barcode => "barcode",
            Self::Photo => "photo",
        }
    }
}

impl From<Blend> for extension::Blend {
    fn from(blend: Blend) -> Self {
        match blend {
            Blend::Normal => Self::Normal,
            Blend::Multiply => Self::Multiply,
        }
    }
}

impl StageConfig for PlaceConfig {
    const NAME: &'static str = "place";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Puts a picture onto the pages: a seal, a stamp, a watermark.";
    const DOCUMENTATION: &'static str = "\
An element draws a picture for each place that the HTML marks for its kind (see the mark-up's \
`data-visual-element`) and that is still empty, or for a rectangle. It is asked for the room it \
wants, its picture is put into the middle of the place at its own proportions, and the words in it \
become words of the page. Words that it hides are gone from the document, and from the places of \
the ground truth; `verify` reports values that are hidden. What was placed where, and what it \
shows, is kept with the visual elements.

The element's own options stand beside those of the stage. `uses = \"plugin:seal\"` is short for \
`uses = \"place\"` with `element = \"plugin:seal\"`.

The stage comes after `boxes` and before `raster`, so that the images show what was placed.

```toml
[[stage]]
uses = \"place\"
with = { element = \"plugin:seal\", colour = \"red\" }
```
";
    const SCOPE: Scope = Scope::Document;

    fn slots(&self) -> SlotUse {
        slots()
    }

    fn build(self, env: &StageEnv) -> Result<Built, StageFailure> {
        if let Some(rect) = self.rect {
            let [x, y, width, height] = rect;
            if !(x >= 0.0 && y >= 0.0 && width > 0.0 && height > 0.0) {
                let message = format!("`rect = {rect:?}` is no rectangle on a page");
                return Err(StageFailure::new(BAD_RECTANGLE, message)
                    .hint("write [x, y, width, height] in points from the page's top left")
                    .ends_run());
            }
        }
        let element = env.extensions.element(&self.element, self.params.clone())?;
        let blend = self.blend.map_or(element.manner().blend, Into::into);
        Ok(Built::Document(Arc::new(Place {
            config: self,
            element,
            blend,
        })))
    }
}

/// What the stage reads and writes, whatever it places.
fn slots() -> SlotUse {
    let follows = vec![
        Slot::Segments,
        Slot::Layout,
        Slot::GroundTruth,
        Slot::Handwriting,
        Slot::VisualElements,
    ];
    let mut writes = vec![Slot::Pdf, Slot::Words];
    writes.extend(&follows);
    let mut reads_if_present = follows;
    reads_if_present.push(Slot::PageImages);
    SlotUse {
        reads: vec![Slot::Pdf, Slot::Words],
        reads_if_present,
        writes,
    }
}

/// The stage `place`, and one for each element by its own name.
#[must_use]
pub fn kinds(elements: &[ElementOffer]) -> Vec<StageKind> {
    let mut place = StageKind::of::<PlaceConfig>();
    // They are known before an element is named, too.
    place.spec.slots = Arc::new(|_| slots());
    let with_params = |offer: &ElementOffer| merged(&place.spec.options, &offer.params_schema);
    let schemas = elements
        .iter()
        .map(|offer| (offer.name.clone(), with_params(offer)));
    let variants = Variants {
        option: ELEMENT.to_owned(),
        schemas: schemas.collect(),
    };
    let mut kinds: Vec<_> = elements
        .iter()
        .map(|offer| {
            let mut options = with_params(offer);
            if let Some(properties) = options["properties"].as_object_mut() {
                properties.shift_remove(ELEMENT);
            }
            if let Some(required) = options["required"].as_array_mut() {
                required.retain(|name| name != ELEMENT);
            }
            let name = Value::from(offer.name.as_str());
            place.preset(&offer.name, &offer.summary, options, (ELEMENT, name))
        })
        .collect();
    place.spec.variants = Some(variants);
    kinds.push(place);
    kinds
}

/// The schema of the stage's own options with those of an element beside them. What else the
/// element's schema says is about its params as a whole, such as their title.
fn merged(own: &Value, params: &Value) -> Value {
    let mut merged = own.clone();
    for keyword in ["properties", "$defs"] {
        let more = params.get(keyword).and_then(Value::as_object);
        let more = more.cloned().unwrap_or_default();
        match merged.get_mut(keyword).and_then(Value::as_object_mut) {
            // The stage's own come first: an element that has the same is refused when it is built.
            Some(known) => more.into_iter().for_each(|(name, schema)| {
                known.entry(name).or_insert(schema);
            }),
            None if more.is_empty() => {}
            None => merged[keyword] = more.into(),
        }
    }
    let more = params.get("required").and_then(Value::as_array);
    if let Some(required) = merged["required"].as_array_mut() {
        required.extend(more.into_iter().flatten().cloned());
    }
    let others = params.get("additionalProperties");
    merged["additionalProperties"] = others.cloned().unwrap_or(true.into());
    merged
}

struct Place {
    config: PlaceConfig,
    element: Arc<dyn Element>,
    blend: extension::Blend,
}

/// Where a picture is wanted.
struct Target {
    page: u32,
    rect: Rect,
    content: String,
    /// Its position among the marked places, if it is one.
    marked: Option<usize>,
}

#[async_trait]
impl DocumentStage for Place {
    fn identity(&self) -> String {
        self.element.identity()
    }

    fn seeded(&self) -> bool {
        true
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        if document
            .read_if_present::<docgenie_document::image::PageImages>()
            .await?
            .is_some()
        {
            let message = "the page images do not show what is placed after they are made";
            return Err(StageFailure::new(PLACED_TOO_LATE, message)
                .hint("move the stage to before `raster`")
                .ends_run());
        }
        let pdf = document.read::<Pdf>().await?;
        let words = document.read::<Words>().await?;
        let elements = document
            .read_if_present::<VisualElements>()
            .await?
            .unwrap_or_default();
        let truth = document.read_if_present::<GroundTruth>().await?;
        let layout = document.read_if_present::<Layout>().await?;
        let ink = document.read_if_present::<Handwriting>().await?;

        let (targets, mut remarks) = self.targets(&words, &elements);
        let language = truth.as_ref().map_or("", |truth| &truth.language);
        let mut drawings = Vec::new();
        for (number, target) in targets.into_iter().enumerate() {
            let request = self.request(&target, number, document.seed, language);
            match self.element.draw(&request).await? {
                Ok(drawing) => drawings.push((target, drawing)),
                Err(Unsuitable(why)) => {
                    remarks.push(format!(
                        "`{}` left a place empty: {why}",
                        self.config.element
                    ));
                }
            }
        }
        if drawings.is_empty() {
            // Everything stays as it is.
            return Ok(noted(Outputs::new(), remarks));
        }
        let work = Work {
            element: self.config.element.clone(),
            manner: self.element.manner().clone(),
            blend: self.blend,
            dpi: self.config.dpi.into(),
        };
        let placed = blocking(move || work.place(&pdf, &words, &elements, drawings)).await?;
        let Placed {
            pdf,
            words,
            elements,
            revision,
            hidden,
        } = placed;
        if hidden > 0 {
            remarks.push(format!("`{}` hides words", self.config.element));
        }
        let mut outputs = Outputs::new()
            .with(&pdf)?
            .with(&Segments::of(&words))?
            .with(&words)?
            .with(&elements)?;
        if let Some(truth) = truth {
            outputs = outputs.with(&revision.truth(&truth))?;
        }
        if let Some(layout) = layout {
            outputs = outputs.with(&revision.layout(&layout))?;
        }
        if let Some(ink) = ink {
            outputs = outputs.with(&revision.handwriting(&ink))?;
        }
        Ok(noted(outputs, remarks))
    }
}

fn noted(outputs: Outputs, remarks: Vec<String>) -> Outputs {
    remarks.into_iter().fold(outputs, Outputs::noting)
}

impl Place {
    /// Where pictures are wanted, and what to remark about places that there are not.
    fn targets(&self, words: &Words, elements: &VisualElements) -> (Vec<Target>, Vec<String>) {
        let Some([x, y, width, height]) = self.config.rect else {
            return (self.marked(elements), Vec::new());
        };
        let last = words.pages.len().saturating_sub(1);
        let chosen = |page: usize| match self.config.pages {
            Pages::First => page == 0,
            Pages::Last => page == last,
            Pages::All => true,
        };
        let (mut targets, mut remarks) = (Vec::new(), Vec::new());
        for (page, number) in words
            .pages
            .iter()
            .zip(0_u32..)
            .filter(|(_, n)| chosen(*n as usize))
        {
            let whole = Rect::new(x, y, x + width, y + height);
            match whole.filter(|rect| rect.clamp_to(page.size) == Some(*rect)) {
                Some(rect) => targets.push(Target {
                    page: number,
                    rect,
                    content: String::new(),
                    marked: None,
                }),
                None => remarks.push(format!(
                    "the rectangle of `{}` does not lie on the page",
                    self.config.element
                )),
            }
        }
        (targets, remarks)
    }

    /// The empty places of the kinds that are to be filled.
    fn marked(&self, elements: &VisualElements) -> Vec<Target> {
        let fills = |kind: &str| match &self.config.fills {
            Some(kinds) => kinds.iter().any(|it| it.name() == kind),
            None => self.element.manner().places.iter().any(|it| it == kind),
        };
        let places = elements.places.iter().enumerate();
        places
            .filter(|(_, place)| place.placed.is_none() && fills(&place.kind))
            .filter(|(_, place)| place.rect.width() >= 1.0 && place.rect.height() >= 1.0)
            .map(|(position, place)| Target {
                page: place.page,
                rect: place.rect,
                content: place.content.clone(),
                marked: Some(position),
            })
            .collect()
    }

    fn request(&self, target: &Target, number: usize, seed: Seed, language: &str) -> DrawRequest {
        let dpi = f64::from(self.config.dpi);
        let longest = target.rect.width().max(target.rect.height());
        // A very large place is drawn more coarsely.
        let dpi = dpi.min(MAX_SIDE * 72.0 / longest);
        let pixels = |points: f64| (points * dpi / 72.0).round().max(1.0) as u32;
        let key = format!("{}-{number}", self.config.element);
        DrawRequest {
            seed: seed.derive(&key).0 as u32,
            content: target.content.clone(),
            key,
            area: (pixels(target.rect.width()), pixels(target.rect.height())),
            dpi,
            language: language.to_owned(),
        }
    }
}

/// What is needed to place drawings.
struct Work {
    element: String,
    manner: Manner,
    blend: extension::Blend,
    dpi: f64,
}

/// A document with drawings on it.
struct Placed {
    pdf: Pdf,
    words: Words,
    elements: VisualElements,
    revision: Revision,
    /// How many words are hidden.
    hidden: usize,
}

impl Work {
    fn place(
        &self,
        pdf: &Pdf,
        words: &Words,
        elements: &VisualElements,
        drawings: Vec<(Target, Drawing)>,
    ) -> Result<Placed, StageFailure> {
        let fitted: Vec<_> = drawings
            .into_iter()
            .map(|(target, drawing)| (Fitted::new(drawing, &target.rect, self.dpi), target))
            .collect();
        let pictures = fitted.iter().map(|(fitted, target)| pdf::Placing {
            page: target.page,
            rect: fitted.rect,
            picture: &fitted.drawing.picture,
        });
        let pdf = pdf::with_pictures(pdf, &pictures.collect::<Vec<_>>(), self.blend)?;

        let mut gone = BTreeSet::new();
        let mut added = Vec::new();
        let mut counts = Vec::new();
        for (fitted, target) in &fitted {
            gone.extend(fitted.hidden(words, target.page, self.blend));
            let new = fitted.words(words, &added, target.page);
            counts.push(new.len());
            added.extend(new);
        }
        let hidden = gone.len();
        let (words, revision) = Revision::of(words, &gone, added);
        let mut elements = revision.visual_elements(elements);
        let mut positions = revision.added().iter();
        for ((fitted, target), count) in fitted.into_iter().zip(counts) {
            let own: Vec<u32> = positions.by_ref().take(count).copied().collect();
            let placed = fitted.placed(&self.element, &self.manner.label, own);
            match target.marked {
                Some(at) => elements.places[at].placed = Some(placed),
                None => elements.places.push(VisualPlace {
                    kind: self
                        .manner
                        .places
                        .first()
                        .cloned()
                        .unwrap_or_else(|| "stamp".to_owned()),
                    content: target.content,
                    page: target.page,
                    rect: target.rect,
                    placed: Some(placed),
                }),
            }
        }
        Ok(Placed {
            pdf,
            words,
            elements,
            revision,
            hidden,
        })
    }
}

#[cfg(test)]
mod tests;
