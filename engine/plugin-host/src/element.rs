//! A visual element of a plugin.

use async_trait::async_trait;
use docgenie_document::Seed;
use docgenie_guard::svg;
use docgenie_runtime::{
    extension::{Blend, DrawRequest, Drawing, Element, ElementOffer, Manner, Unsuitable},
    stage::{StageFailure, blocking},
};
use serde_json::Value;

use crate::{error::PluginError, offered::Offered, offers::Offer, v0_1};

/// The places that an element fills which says nothing of it.
const DEFAULT_PLACE: &str = "stamp";

/// What a pipeline needs to know of it.
pub(crate) fn offer(name: &str, offer: &Offer) -> ElementOffer {
    ElementOffer {
        name: format!("plugin:{name}"),
        summary: offer.summary.clone(),
        params_schema: offer.params_schema.clone(),
        manner: manner(offer),
    }
}

/// What its traits say of how it is placed.
fn manner(offer: &Offer) -> Manner {
    let traits = &offer.traits;
    let label = traits.get("label").and_then(Value::as_str);
    let places = traits.get("places").and_then(Value::as_array);
    let places = places.map(|places| {
        let names = places.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    });
    let multiplies = traits.get("blend").and_then(Value::as_str) == Some("multiply");
    Manner {
        label: label.unwrap_or(&offer.id).to_owned(),
        places: places.unwrap_or_else(|| vec![DEFAULT_PLACE.to_owned()]),
        blend: if multiplies {
            Blend::Multiply
        } else {
            Blend::Normal
        },
    }
}

/// An element that runs in the sandbox, a fresh instance for each picture.
pub(crate) struct PluginElement {
    offered: Offered,
    manner: Manner,
}

impl PluginElement {
    pub(crate) fn new(offered: Offered) -> Result<Self, PluginError> {
        offered.check_params()?;
        let offer = offered.plugin.offer(Some(&offered.offer));
        let manner = offer.map(manner).ok_or_else(|| PluginError::NotFound {
            plugin: offered.plugin.id().to_owned(),
        })?;
        Ok(Self { offered, manner })
    }
}

#[async_trait]
impl Element for PluginElement {
    fn identity(&self) -> String {
        format!("{}, {}", self.offered.identity(), svg::identity())
    }

    fn manner(&self) -> &Manner {
        &self.manner
    }

    async fn draw(
        &self,
        request: &DrawRequest,
    ) -> Result<Result<Drawing, Unsuitable>, StageFailure> {
        let offered = &self.offered;
        offered.check_enabled()?;
        let seed = Seed(request.seed.into()).derive(&request.key);
        let mut store = offered.store(seed, None);
        let params = offered.params_text();
        let drawn = v0_1::draw(
            &mut store,
            &offered.loaded,
            &offered.offer,
            &params,
            request,
        )
        .await;
        let sketch = match offered.answered("render", &mut store, drawn, || request.into())? {
            Ok(sketch) => sketch,
            Err(why) => return Ok(Err(Unsuitable(why))),
        };
        let drawing = blocking(move || Ok(sketch.drawing())).await?;
        let drawing = drawing
            .map_err(|reason| offered.failed("render", &mut store, reason, Some(request.into())))?;
        Ok(Ok(drawing))
    }
}
