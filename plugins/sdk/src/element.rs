//! Visual elements: stamps, seals, signatures, charts.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Offer, Problem, Raster, Region, Result, Size, Word,
    bindings::{
        docgenie::plugin::types, visual_element::exports::docgenie::plugin::element as wit,
    },
    offer,
};

/// Draws one kind of picture. Pure: the same request gives the same picture.
///
/// ```
/// use docgenie_plugin::{Drawn, Element, Offer, Picture, Request, Result, random, xml::Text};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use serde_json::json;
///
/// /// A word in a tilted frame.
/// struct Stamp;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct Params {
///     /// A colour of SVG.
///     colour: String,
/// }
///
/// impl Default for Params {
///     fn default() -> Self {
///         Self { colour: "crimson".to_owned() }
///     }
/// }
///
/// impl Element for Stamp {
///     type Params = Params;
///     const OFFER: Offer = Offer {
///         traits: r#"{"label": "stamp"}"#,
///         ..Offer::new("stamp", "Stamp", "A word in a tilted frame.")
///     };
///
///     fn render(request: &Request<Params>) -> Result<Drawn> {
///         let (width, height) = (request.area.width, request.area.height);
///         let (colour, text) = (Text(&request.params.colour), Text(&request.content));
///         let angle = random::between(-8.0, 8.0);
///         let svg = format!(
///             r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
///                <text x="50%" y="50%" fill="{colour}" rotate="{angle}">{text}</text></svg>"#
///         );
///         let content = json!({ "text": request.content });
///         Ok(Drawn { picture: Picture::Svg(svg), words: vec![], regions: vec![], content })
///     }
/// }
///
/// docgenie_plugin::elements!(Stamp);
/// # fn main() {}
/// ```
pub trait Element: Sized + 'static {
    /// What the user may set; see [`Exporter::Params`](crate::Exporter::Params).
    type Params: DeserializeOwned + JsonSchema;

    /// What it is.
    const OFFER: Offer;

    /// What is wrong with params that fit their schema.
    #[must_use]
    fn check(_params: &Self::Params) -> Vec<Problem> {
        Vec::new()
    }

    /// The room it wants within the request's area, which is all of it unless said otherwise.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn measure(request: &Request<Self::Params>) -> Result<Size> {
        Ok(request.area)
    }

    /// Draws it.
    ///
    /// # Errors
    /// A [`Failure`](crate::Failure).
    fn render(request: &Request<Self::Params>) -> Result<Drawn>;
}

/// What is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<P> {
    /// What the user has set.
    pub params: P,
    /// What it should show, as the document's `data-content` says; may be empty.
    pub content: String,
    /// The same key and seed give the same picture.
    pub key: String,
    /// Besides, [`random`](crate::random) is seeded from it.
    pub seed: u32,
    /// The room on the page, in the picture's pixels.
    pub area: Size,
    /// Pixels of the picture per inch of the page.
    pub dpi: f64,
    /// BCP 47 tag of the document.
    pub language: String,
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// Pixels.
    Raster(Raster),
    /// A whole SVG document without scripts and external references. Its `width` and `height` are
    /// the picture's pixels; fonts are the host's, by family name.
    Svg(String),
}

/// A picture and what can be read in it, all places in its own pixels from its top left.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The picture.
    pub picture: Picture,
    /// Text that can be read in it.
    pub words: Vec<Word>,
    /// Its labelled parts.
    pub regions: Vec<Region>,
    /// What it shows, for the ground truth.
    pub content: Value,
}

/// The elements of a plugin; implemented by [`elements!`](crate::elements).
pub trait Elements {
    /// In the order they are described.
    const ALL: &'static [ElementEntry];
}

/// An element without its type.
pub struct ElementEntry {
    /// What it is.
    pub offer: Offer,
    /// For the catalogue.
    pub describe: fn() -> types::Offer,
    /// What is wrong with params.
    pub check: fn(&str) -> Vec<Problem>,
    /// The room it wants.
    pub measure: fn(wit::Request) -> Result<Size>,
    /// Draws it.
    pub render: fn(wit::Request) -> Result<wit::Drawn>,
}

impl ElementEntry {
    /// The entry of a type.
    #[must_use]
    pub const fn of<E: Element>() -> Self {
        Self {
            offer: E::OFFER,
            describe: || E::OFFER.describe::<E::Params>(),
            check: |params| offer::check(params, E::check),
            measure: |request| E::measure(&read(request)?),
            render: |request| E::render(&read(request)?).map(Into::into),
        }
    }
}

fn read<P: DeserializeOwned>(request: wit::Request) -> Result<Request<P>> {
    Ok(Request {
        params: offer::parse(&request.params)?,
        content: request.content,
        key: request.key,
        seed: request.seed,
        area: request.area,
        dpi: request.dpi,
        language: request.language,
    })
}

impl From<Drawn> for wit::Drawn {
    fn from(drawn: Drawn) -> Self {
        Self {
            picture: match drawn.picture {
                Picture::Raster(raster) => wit::Picture::Raster(raster),
                Picture::Svg(text) => wit::Picture::Svg(text),
            },
            words: drawn.words,
            regions: drawn.regions,
            content: drawn.content.to_string(),
        }
    }
}

/// Exports the types that are named as the plugin's visual elements.
#[macro_export]
macro_rules! elements {
    ($($element:ty),+ $(,)?) => {
        const _: () = {
            struct Plugin;
            impl $crate::entry::Elements for Plugin {
                const ALL: &'static [$crate::entry::ElementEntry] =
                    &[$($crate::entry::ElementEntry::of::<$element>()),+];
            }
            // Where there is no host to call it, it is in use all the same.
            #[cfg(not(target_family = "wasm"))]
            #[used]
            static ALL: &[$crate::entry::ElementEntry] = <Plugin as $crate::entry::Elements>::ALL;
            #[cfg(target_family = "wasm")]
            $crate::bindings::visual_element::export_element!(
                Plugin with_types_in $crate::bindings::visual_element
            );
        };
    };
}
