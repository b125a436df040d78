//! Calls of exports, each of a fresh instance.

use std::sync::Arc;

use docgenie_runtime::extension::{DrawRequest, TruthBrief};
use wasmtime::{
    Store,
    component::{InstancePre, Resource},
};

use super::{
    DatasetExporter, Document, Failure, Job, element_world, generated::DatasetExporterPre,
    sketch::Sketch, truth_world, types,
};
use crate::{
    call::Call, documents::Lent, error::Reason, limits::Exceeded, offers::Kind, sandbox::Loaded,
};
use element_world::{VisualElement, VisualElementPre, exports::docgenie::plugin::element::Request};
use truth_world::{GroundTruthFormat, GroundTruthFormatPre};

/// Bytes of one text that a plugin hands over.
const TEXT_LIMIT: usize = 16 << 20;
/// Problems that a check may find.
const PROBLEMS_LIMIT: usize = 1_000;

/// Whether a component exports what its kind does, each function with its types.
pub(crate) fn kind_fits(pre: &InstancePre<Call>, kind: Kind) -> wasmtime::Result<()> {
    match kind {
        Kind::VisualElement => VisualElementPre::new(pre.clone()).map(drop),
        Kind::GroundTruthFormat => GroundTruthFormatPre::new(pre.clone()).map(drop),
        Kind::DatasetExporter => DatasetExporterPre::new(pre.clone()).map(drop),
    }
}

async fn exporter(store: &mut Store<Call>, loaded: &Loaded) -> wasmtime::Result<DatasetExporter> {
    let pre = DatasetExporterPre::new(loaded.pre.clone())?;
    pre.instantiate_async(store).await
}

async fn element(store: &mut Store<Call>, loaded: &Loaded) -> wasmtime::Result<VisualElement> {
    let pre = VisualElementPre::new(loaded.pre.clone())?;
    pre.instantiate_async(store).await
}

async fn truth(store: &mut Store<Call>, loaded: &Loaded) -> wasmtime::Result<GroundTruthFormat> {
    let pre = GroundTruthFormatPre::new(loaded.pre.clone())?;
    pre.instantiate_async(store).await
}

/// What is wrong with params that fit their schema.
pub(crate) async fn check_params(
    store: &mut Store<Call>,
    loaded: &Loaded,
    offer: &str,
    params: &str,
) -> wasmtime::Result<Vec<types::Problem>> {
    let params = &params.to_owned();
    match loaded.kind {
        Kind::VisualElement => {
            let instance = element(store, loaded).await?;
            let element = instance.docgenie_plugin_element();
            element.call_check_params(store, offer, params).await
        }
        Kind::GroundTruthFormat => {
            let instance = truth(store, loaded).await?;
            let truth = instance.docgenie_plugin_ground_truth();
            truth.call_check_params(store, offer, params).await
        }
        Kind::DatasetExporter => {
            let instance = exporter(store, loaded).await?;
            let exporter = instance.docgenie_plugin_exporter();
            exporter.call_check_params(store, offer, params).await
        }
    }
}

/// Asks an element for the room it wants and has it draw in that.
pub(crate) async fn draw(
    store: &mut Store<Call>,
    loaded: &Loaded,
    offer: &str,
    params: &str,
    request: &DrawRequest,
) -> wasmtime::Result<Result<Sketch, Failure>> {
    let instance = element(store, loaded).await?;
    let element = instance.docgenie_plugin_element();
    let (width, height) = request.area;
    let mut wanted = Request {
        offer: offer.to_owned(),
        params: params.to_owned(),
        content: request.content.clone(),
        key: request.key.clone(),
        seed: request.seed,
        area: types::Size { width, height },
        dpi: request.dpi,
        language: request.language.clone(),
    };
    let seed = store.data().seed;
    match element.call_measure(&mut *store, &wanted).await? {
        Ok(size) if (1..=width).contains(&size.width) && (1..=height).contains(&size.height) => {
            wanted.area = size;
        }
        Ok(size) => {
            let why = format!(
                "it wants {} × {} pixels of {width} × {height}",
                size.width, size.height
            );
            return Err(wasmtime::Error::new(Reason::Unbelievable(why)));
        }
        Err(failure) => return Ok(Err(failure)),
    }
    // What is drawn has the randomness that was measured with.
    store.data_mut().begin(seed);
    let drawn = element.call_render(&mut *store, &wanted).await?;
    match drawn {
        Ok(drawn) => Sketch::checked(drawn).map(Ok).map_err(wasmtime::Error::new),
        Err(failure) => Ok(Err(failure)),
    }
}

/// What the writer of a document must annotate.
pub(crate) async fn brief(
    store: &mut Store<Call>,
    loaded: &Loaded,
    offer: &str,
    params: &str,
) -> wasmtime::Result<Result<TruthBrief, Failure>> {
    let instance = truth(store, loaded).await?;
    let format = instance.docgenie_plugin_ground_truth();
    let params = &params.to_owned();
    let instructions = match format.call_instructions(&mut *store, offer, params).await? {
        Ok(instructions) => bounded(instructions)?,
        Err(failure) => return Ok(Err(failure)),
    };
    let schema = match format.call_draft_schema(&mut *store, offer, params).await? {
        Ok(schema) => bounded(schema)?,
        Err(failure) => return Ok(Err(failure)),
    };
    let unbelievable = |why: String| {
        let why = format!("its schema of a draft {why}");
        wasmtime::Error::new(Reason::Unbelievable(why))
    };
    let draft_schema = serde_json::from_str(&schema)
        .map_err(|error| unbelievable(format!("is no JSON: {error}")))?;
    Ok(Ok(TruthBrief {
        instructions,
        draft_schema,
    }))
}

/// The text of the final ground truth.
pub(crate) async fn build(
    store: &mut Store<Call>,
    loaded: &Loaded,
    offer: &str,
    params: &str,
    draft: &str,
    document: &Arc<Lent>,
) -> wasmtime::Result<Result<String, Failure>> {
    let instance = truth(store, loaded).await?;
    let format = instance.docgenie_plugin_ground_truth();
    let lent = lend(store, document)?;
    let built = format
        .call_build(
            &mut *store,
            offer,
            &params.to_owned(),
            &draft.to_owned(),
            lent,
        )
        .await?;
    match built {
        Ok(text) => Ok(Ok(bounded(text)?)),
        Err(failure) => Ok(Err(failure)),
    }
}

/// What is not true of the document, as text with its place.
pub(crate) async fn verify(
    store: &mut Store<Call>,
    loaded: &Loaded,
    offer: &str,
    params: &str,
    text: &str,
    document: &Arc<Lent>,
) -> wasmtime::Result<Vec<String>> {
    let instance = truth(store, loaded).await?;
    let format = instance.docgenie_plugin_ground_truth();
    let lent = lend(store, document)?;
    let problems = format
        .call_verify(
            &mut *store,
            offer,
            &params.to_owned(),
            &text.to_owned(),
            lent,
        )
        .await?;
    if problems.len() > PROBLEMS_LIMIT {
        return Err(wasmtime::Error::new(Exceeded::Count {
            what: "problems",
            wanted: problems.len(),
            limit: PROBLEMS_LIMIT,
        }));
    }
    Ok(problems.into_iter().map(super::told).collect())
}

/// An instance that has begun an export.
pub(crate) async fn begin_export(
    store: &mut Store<Call>,
    loaded: &Loaded,
    job: &Job,
) -> wasmtime::Result<Result<DatasetExporter, Failure>> {
    let instance = exporter(store, loaded).await?;
    let exporter = instance.docgenie_plugin_exporter();
    let problems = exporter
        .call_check_params(&mut *store, &job.offer, &job.params)
        .await?;
    if !problems.is_empty() {
        return Ok(Err(Failure::BadParams(problems)));
    }
    let begun = exporter.call_begin(&mut *store, job).await?;
    Ok(begun.map(|()| instance))
}

/// Hands a document to an instance that has begun an export.
pub(crate) async fn add_to_export(
    store: &mut Store<Call>,
    instance: &DatasetExporter,
    document: &Arc<Lent>,
) -> wasmtime::Result<Result<(), Failure>> {
    let lent = store.data_mut().table.push(Document(document.clone()))?;
    let borrowed = Resource::new_borrow(lent.rep());
    let exporter = instance.docgenie_plugin_exporter();
    let added = exporter.call_add(&mut *store, borrowed).await?;
    store.data_mut().table.delete(lent)?;
    Ok(added)
}

/// Puts a document into the store's table, which goes with the store.
fn lend(store: &mut Store<Call>, document: &Arc<Lent>) -> wasmtime::Result<Resource<Document>> {
    let lent = store.data_mut().table.push(Document(document.clone()))?;
    Ok(Resource::new_borrow(lent.rep()))
}

fn bounded(text: String) -> wasmtime::Result<String> {
    if text.len() > TEXT_LIMIT {
        return Err(wasmtime::Error::new(Exceeded::Count {
            what: "bytes of text",
            wanted: text.len(),
            limit: TEXT_LIMIT,
        }));
    }
    Ok(text)
}
