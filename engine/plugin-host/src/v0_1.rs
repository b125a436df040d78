//! The host's side of `docgenie:plugin@0.1.0`. Nothing outside this module sees generated types.

use std::{borrow::Cow, sync::Arc};

use docgenie_document::geometry::Rect;
use rand::{Rng, RngExt};
use serde_json::{Value, json};
use wasmtime::{
    Store,
    component::{HasSelf, Linker, Resource},
};

use crate::{
    call::Call,
    documents::{Image, Lent, text_of},
    error::{Reason, plain},
    limits::Exceeded,
    offers::Offer,
    sandbox::Loaded,
    sink::{Refusal, Sink},
};

#[allow(unreachable_pub, reason = "generated code names it")]
pub use crate::sink::OpenFile;

mod calls;
mod sketch;

/// The version, as interface names end.
pub(crate) const VERSION: &str = "0.1.0";

/// A document in a store's table.
#[allow(unreachable_pub, reason = "generated code names it")]
pub struct Document(pub(crate) Arc<Lent>);

/// A page in a store's table.
#[allow(unreachable_pub, reason = "generated code names it")]
pub struct Page {
    document: Arc<Lent>,
    page: u32,
}

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "dataset-exporter",
        imports: {
            "docgenie:plugin/documents.[method]page.image": async | trappable,
            "docgenie:plugin/documents.[method]page.pixels": async | trappable,
            "docgenie:plugin/sink.put-image": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "docgenie:plugin/documents.document": super::Document,
            "docgenie:plugin/documents.page": super::Page,
            "docgenie:plugin/sink.file": super::OpenFile,
        },
    });
}

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
mod element_world {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "visual-element",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "docgenie:plugin/types": super::generated::docgenie::plugin::types,
            "docgenie:plugin/log": super::generated::docgenie::plugin::log,
            "docgenie:plugin/random": super::generated::docgenie::plugin::random,
            "docgenie:plugin/assets": super::generated::docgenie::plugin::assets,
        },
    });
}

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
mod truth_world {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "ground-truth-format",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "docgenie:plugin/types": super::generated::docgenie::plugin::types,
            "docgenie:plugin/log": super::generated::docgenie::plugin::log,
            "docgenie:plugin/random": super::generated::docgenie::plugin::random,
            "docgenie:plugin/assets": super::generated::docgenie::plugin::assets,
            "docgenie:plugin/documents": super::generated::docgenie::plugin::documents,
        },
    });
}

pub(crate) use calls::{
    add_to_export, begin_export, brief, build, check_params, draw, kind_fits, verify,
};
use generated::docgenie::plugin::{assets, documents, log, random, sink, types};
pub(crate) use generated::{
    DatasetExporter,
    docgenie::plugin::types::Failure,
    exports::docgenie::plugin::exporter::{Job, Summary, Tally},
};

/// Problems that a message names.
const PROBLEMS_LIMIT: usize = 20;
/// Bytes that one call of `random.fill` gives.
const FILL_LIMIT: u32 = 1 << 20;

/// Links what a component may import, each world's share of it.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Call>> {
    let mut linker = Linker::new(engine);
    DatasetExporter::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
    Ok(linker)
}

/// What a component offers.
pub(crate) async fn describe(
    store: &mut Store<Call>,
    loaded: &Loaded,
) -> wasmtime::Result<Vec<Offer>> {
    let instance = loaded.pre.instantiate_async(&mut *store).await?;
    let interface = format!("{}@{VERSION}", loaded.kind.interface());
    let interface = instance.get_export_index(&mut *store, None, &interface);
    let function = interface
        .and_then(|it| instance.get_export_index(&mut *store, Some(&it), "describe"))
        .ok_or_else(|| wasmtime::Error::msg("it has no function `describe`"))?;
    let describe = instance.get_typed_func::<(), (Vec<types::Offer>,)>(&mut *store, &function)?;
    let (offers,) = describe.call_async(&mut *store, ()).await?;
    offers.into_iter().map(Offer::try_from).collect()
}

impl TryFrom<types::Offer> for Offer {
    type Error = wasmtime::Error;

    fn try_from(offer: types::Offer) -> wasmtime::Result<Self> {
        let object = |what: &str, text: &str| match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => Ok(object),
            _ => {
                let why = format!("{what} of offer `{}` is no JSON object", plain(&offer.id));
                Err(wasmtime::Error::new(Reason::Unbelievable(why)))
            }
        };
        Ok(Self {
            params_schema: object("params-schema", &offer.params_schema)?,
            traits: object("traits", &offer.traits)?,
            id: offer.id,
            title: plain(&offer.title),
            summary: plain(&offer.summary),
        })
    }
}

impl types::Host for Call {}

impl log::Host for Call {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.asked()?;
        let level = match level {
            log::Level::Trace => tracing::Level::TRACE,
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        self.log.write(level, &message);
        Ok(())
    }
}

impl random::Host for Call {
    fn next_u32(&mut self) -> wasmtime::Result<u32> {
        self.asked()?;
        Ok(self.random.next_u32())
    }

    fn unit(&mut self) -> wasmtime::Result<f64> {
        self.asked()?;
        Ok(self.random.random())
    }

    fn fill(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.asked()?;
        if count > FILL_LIMIT {
            return Err(wasmtime::Error::new(Exceeded::Count {
                what: "random bytes at once",
                wanted: count as usize,
                limit: FILL_LIMIT as usize,
            }));
        }
        let mut bytes = vec![0; count as usize];
        self.random.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl assets::Host for Call {
    fn read(&mut self, name: String) -> wasmtime::Result<Result<Vec<u8>, String>> {
        self.asked()?;
        Ok(self.assets.read(&name))
    }
}

impl documents::Host for Call {}

impl documents::HostDocument for Call {
    fn id(&mut self, document: Resource<Document>) -> wasmtime::Result<String> {
        Ok(self.document(&document)?.id().to_string())
    }

    fn index(&mut self, document: Resource<Document>) -> wasmtime::Result<u32> {
        let index = self.document(&document)?.id().index();
        u32::try_from(index).map_err(wasmtime::Error::new)
    }

    fn language(&mut self, document: Resource<Document>) -> wasmtime::Result<String> {
        Ok(self.document(&document)?.language().to_owned())
    }

    fn kind(&mut self, document: Resource<Document>) -> wasmtime::Result<String> {
        Ok(self.document(&document)?.kind().to_owned())
    }

    fn meta(&mut self, document: Resource<Document>) -> wasmtime::Result<String> {
        self.document(&document)?;
        Ok("{}".to_owned())
    }

    fn page_count(&mut self, document: Resource<Document>) -> wasmtime::Result<u32> {
        let pages = self.document(&document)?.pages().len();
        u32::try_from(pages).map_err(wasmtime::Error::new)
    }

    fn page(
        &mut self,
        document: Resource<Document>,
        page: u32,
    ) -> wasmtime::Result<Option<Resource<Page>>> {
        let document = self.document(&document)?.clone();
        if page as usize >= document.pages().len() {
            return Ok(None);
        }
        let page = self.table.push(Page { document, page })?;
        Ok(Some(page))
    }

    fn ground_truth(
        &mut self,
        document: Resource<Document>,
        format: String,
    ) -> wasmtime::Result<Option<String>> {
        let document = self.document(&document)?;
        let own = document.truth().filter(|_| format == "docgenie");
        let text = match own {
            Some(truth) => Some(serde_json::to_string(truth)?),
            None => document.annotation(&format).map(ToString::to_string),
        };
        Ok(text)
    }

    fn drop(&mut self, document: Resource<Document>) -> wasmtime::Result<()> {
        self.table.delete(document)?;
        Ok(())
    }
}

impl documents::HostPage for Call {
    fn extent(&mut self, page: Resource<Page>) -> wasmtime::Result<types::Extent> {
        let page = self.page(&page)?;
        let size = page.document.pages()[page.page as usize].size;
        Ok(types::Extent {
            width: size.width,
            height: size.height,
        })
    }

    async fn pixels(&mut self, page: Resource<Page>) -> wasmtime::Result<Option<types::Size>> {
        let page = self.page(&page)?;
        let (document, number) = (page.document.clone(), page.page);
        let image = document.image(number).await.map_err(wasmtime::Error::new)?;
        Ok(image.map(|image| {
            let grid = image.get().grid;
            types::Size {
                width: grid.width,
                height: grid.height,
            }
        }))
    }

    fn words(&mut self, page: Resource<Page>) -> wasmtime::Result<Vec<types::Word>> {
        let page = self.page(&page)?;
        let words = page.document.words_of(page.page).iter();
        Ok(words
            .map(|word| types::Word {
                text: word.text.clone(),
                bounds: word.rect.into(),
                block: word.block,
                line: word.line,
                angle: word.angle,
                font_size: word.font_size,
            })
            .collect())
    }

    fn regions(&mut self, page: Resource<Page>) -> wasmtime::Result<Vec<types::Region>> {
        let page = self.page(&page)?;
        let regions = page.document.regions(page.page).into_iter();
        Ok(regions
            .map(|region| types::Region {
                id: region.id,
                kind: region.kind.to_owned(),
                label: region.label,
                bounds: region.bounds.into(),
                outline: Vec::new(),
                words: region.words,
                attributes: region.attributes.to_string(),
            })
            .collect())
    }

    fn text(&mut self, page: Resource<Page>) -> wasmtime::Result<String> {
        let page = self.page(&page)?;
        Ok(text_of(page.document.words_of(page.page)))
    }

    async fn image(
        &mut self,
        page: Resource<Page>,
        format: String,
    ) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let page = self.page(&page)?;
        let (document, number) = (page.document.clone(), page.page);
        let image = document.image(number).await.map_err(wasmtime::Error::new)?;
        self.images += 1;
        Ok(encoded(image.as_ref(), &format).map(Cow::into_owned))
    }

    fn drop(&mut self, page: Resource<Page>) -> wasmtime::Result<()> {
        self.table.delete(page)?;
        Ok(())
    }
}

impl sink::Host for Call {
    fn create(
        &mut self,
        path: String,
    ) -> wasmtime::Result<Result<Resource<OpenFile>, sink::Refusal>> {
        self.asked()?;
        match self.sink()?.create(&path) {
            Ok(file) => Ok(Ok(self.table.push(file)?)),
            Err(refusal) => Ok(Err(self.refused(refusal))),
        }
    }

    fn put(&mut self, path: String, bytes: Vec<u8>) -> wasmtime::Result<Result<(), sink::Refusal>> {
        self.asked()?;
        let put = self.sink()?.put(&path, &bytes);
        Ok(put.map_err(|refusal| self.refused(refusal)))
    }

    async fn put_image(
        &mut self,
        path: String,
        page: Resource<Page>,
        format: String,
    ) -> wasmtime::Result<Result<(), sink::Refusal>> {
        let page = self.page(&page)?;
        let (document, number) = (page.document.clone(), page.page);
        let image = document.image(number).await.map_err(wasmtime::Error::new)?;
        self.images += 1;
        let sink = self.sink()?;
        Ok(match encoded(image.as_ref(), &format) {
            Ok(bytes) => sink.put(&path, &bytes).map_err(|it| self.refused(it)),
            Err(why) => Err(sink::Refusal::Io(why)),
        })
    }
}

impl sink::HostFile for Call {
    fn write(
        &mut self,
        file: Resource<OpenFile>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), sink::Refusal>> {
        self.asked()?;
        let Self { table, sink, .. } = self;
        let sink = sink.as_mut().ok_or_else(no_sink)?;
        let file = table.get_mut(&file)?;
        let written = sink.write(file, &bytes);
        Ok(written.map_err(|refusal| self.refused(refusal)))
    }

    fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        // The plugin has been told that all is written: what cannot be now ends the export.
        let closed = self.table.delete(file)?.close();
        closed.map_err(|error| {
            self.refusal = Some(Reason::Output(error.to_string()));
            wasmtime::Error::new(error)
        })
    }
}

impl Call {
    fn document(&mut self, document: &Resource<Document>) -> wasmtime::Result<&Arc<Lent>> {
        self.asked()?;
        Ok(&self.table.get(document)?.0)
    }

    fn page(&mut self, page: &Resource<Page>) -> wasmtime::Result<&Page> {
        self.asked()?;
        Ok(self.table.get(page)?)
    }

    fn sink(&mut self) -> wasmtime::Result<&mut Sink> {
        self.sink.as_mut().ok_or_else(no_sink)
    }

    /// What the plugin is told; why a file was not taken is kept for the user.
    fn refused(&mut self, refusal: Refusal) -> sink::Refusal {
        match refusal {
            Refusal::BadPath(why) => sink::Refusal::BadPath(why),
            Refusal::Exists(why) => sink::Refusal::Exists(why),
            Refusal::OverQuota(exceeded) => {
                let why = exceeded.to_string();
                self.refusal = Some(Reason::Limit(exceeded));
                sink::Refusal::OverQuota(why)
            }
            Refusal::Io(error) => {
                let why = chain(&error);
                self.refusal = Some(Reason::Output(why.clone()));
                sink::Refusal::Io(why)
            }
        }
    }
}

fn no_sink() -> wasmtime::Error {
    wasmtime::Error::msg("files are written between `begin` and `finish` only")
}

/// The bytes of a page's image. It is kept as PNG.
fn encoded<'i>(image: Option<&'i Image>, format: &str) -> Result<Cow<'i, [u8]>, String> {
    let image = image
        .ok_or("the pipeline makes no page images: add a stage `raster`")?
        .get();
    match format {
        "png" => Ok(Cow::Borrowed(&image.png)),
        "jpeg" => jpeg(&image.png).map(Cow::Owned),
        _ => Err(format!("images are `png` or `jpeg`, not `{format}`")),
    }
}

impl From<Rect> for types::Rect {
    fn from(rect: Rect) -> Self {
        Self {
            x: rect.x0,
            y: rect.y0,
            width: rect.width(),
            height: rect.height(),
        }
    }
}

/// Quality of JPEG files, of 100.
const QUALITY: u8 = 90;

fn jpeg(png: &[u8]) -> Result<Vec<u8>, String> {
    let unusable =
        |error: image::ImageError| format!("the page's image cannot be encoded: {error}");
    let picture = image::load_from_memory_with_format(png, image::ImageFormat::Png);
    let picture = picture.map_err(unusable)?.into_rgb8();
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    picture.write_with_encoder(encoder).map_err(unusable)?;
    Ok(bytes)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

impl From<Failure> for Reason {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::BadParams(problems) => bad_params(problems),
            Failure::Unsuitable(why) => Self::Unsuitable(plain(&why)),
            Failure::Broken(why) => Self::Broken(plain(&why)),
        }
    }
}

pub(crate) fn bad_params(problems: Vec<types::Problem>) -> Reason {
    Reason::BadParams(
        problems
            .into_iter()
            .take(PROBLEMS_LIMIT)
            .map(told)
            .collect(),
    )
}

fn told(problem: types::Problem) -> String {
    let types::Problem {
        pointer,
        message,
        hint,
    } = problem;
    let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
    let place = if pointer.is_empty() {
        String::new()
    } else {
        format!("`{pointer}`: ")
    };
    plain(&format!("{place}{message}{hint}"))
}

impl Summary {
    /// The counts and the report of an export in which everything adds up; otherwise what does not.
    /// The host has handed over so many documents and images.
    pub(crate) fn reconciled(
        self,
        documents: u32,
        images: u32,
    ) -> Result<(Value, Value), Vec<String>> {
        let Self {
            taken,
            written,
            report,
        } = self;
        let pairs = [
            ("documents", taken.documents, written.documents),
            ("images", taken.images, written.images),
            ("boxes", taken.boxes, written.boxes),
            ("labels", taken.labels, written.labels),
        ];
        let differs = pairs.iter().filter(|(_, taken, written)| taken != written);
        let mut differences: Vec<String> = differs
            .map(|(what, taken, written)| format!("{taken} {what} taken, {written} written"))
            .collect();
        if written.documents != documents {
            let written = written.documents;
            differences.push(format!(
                "{documents} documents handed over, {written} written"
            ));
        }
        if written.images > images {
            let written = written.images;
            differences.push(format!("{images} images handed over, {written} written"));
        }
        let report = match serde_json::from_str(&report) {
            Ok(report @ Value::Object(_)) => report,
            _ => {
                differences.push("its report is no JSON object".to_owned());
                Value::Null
            }
        };
        if differences.is_empty() {
            Ok((counts(&written), report))
        } else {
            Err(differences)
        }
    }
}

fn counts(tally: &Tally) -> Value {
    json!({
        "documents": tally.documents,
        "images": tally.images,
        "boxes": tally.boxes,
        "labels": tally.labels,
    })
}

#[cfg(test)]
mod tests {
    use docgenie_document::Digest;

    /// Types match by structure: a field or a case more breaks every plugin that is out there.
    #[test]
    fn the_interface_is_frozen() {
        let wit = include_bytes!("../../../wit/v0.1/plugin.wit");
        assert_eq!(
            Digest::of(wit).to_string(),
            "bd73006a29efb751f4cc1a504471cbb23b3985a8adf80542ec9bd3c248ecbac6",
            "a new version of the interface goes into a folder of its own"
        );
    }
}
