//! The least that an element can do, to measure what a call costs.

use docgenie_plugin::{Drawn, Element, Offer, Picture, Raster, Request, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How dark it is, from 0 to 255.
    grey: u8,
}

impl Default for Params {
    fn default() -> Self {
        Self { grey: 128 }
    }
}

struct Square;

impl Element for Square {
    type Params = Params;
    const OFFER: Offer = Offer::new("square", "Square", "A square of one colour.");

    fn render(request: &Request<Params>) -> Result<Drawn> {
        let grey = request.params.grey;
        let pixels = request.area.width * request.area.height;
        Ok(drawn(
            request,
            [grey, grey, grey, 255].repeat(pixels as usize),
        ))
    }
}

struct Bytes;

impl Element for Bytes {
    type Params = Params;
    const OFFER: Offer = Offer::new("bytes", "Bytes", "Its content, taken as pixels.");

    fn render(request: &Request<Params>) -> Result<Drawn> {
        Ok(drawn(request, request.content.clone().into_bytes()))
    }
}

fn drawn(request: &Request<Params>, rgba: Vec<u8>) -> Drawn {
    let raster = Raster {
        size: request.area,
        rgba,
    };
    Drawn {
        picture: Picture::Raster(raster),
        words: Vec::new(),
        regions: Vec::new(),
        content: json!({}),
    }
}

docgenie_plugin::elements!(Square, Bytes);
