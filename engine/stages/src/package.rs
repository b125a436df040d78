//! Puts a run's documents into a dataset folder: the version 2.0 layout, `dataset.msgpack`, the
//! dataset card and the contact sheet.

mod annotations;
mod boxes;
mod card;
mod contact_sheet;
mod datadings;
mod flat;
mod fonts;
mod metadata;
mod parts;
mod sample;
mod split;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use docgenie_document::{Code, Slot, slot::Analysis};
use docgenie_runtime::{
    files::DatasetFolder,
    stage::{
        Built, DatasetContext, DatasetStage, DeadLetter, DocumentContext, Outputs, RunFacts, Scope,
        SlotUse, StageConfig, StageEnv, StageFailure, blocking,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use card::{Contents, card};
use contact_sheet::ContactSheet;
use datadings::DatadingsWriter;
use metadata::{Entry, Metadata};
use parts::Parts;
use sample::samples;
use tree::Files;

pub use flat::PathLayout;
pub use split::Split;

/// A page with text has no image, or an image no page.
pub const PAGES_DIFFER: Code = Code::new("DG0706");
/// The shares of a split do not add up.
pub const BAD_SPLIT: Code = Code::new("DG0707");
/// A value cannot be written as JSON or MessagePack.
pub const UNENCODABLE: Code = Code::new("DG0708");

/// Options of the `package` stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PackageConfig {
    /// Whether boxes of single characters are written too (`bbox/bbox_pdf/char`). They are the
    /// larger half of a dataset's JSON.
    pub characters: bool,
    /// Whether `index.html`, which shows the pages with their boxes in a browser, is written.
    pub contact_sheet: bool,
    /// Shares of a train/validation/test split. Which part a document falls into depends on the
    /// run's seed and its number only, so that a longer run keeps the parts of a shorter one.
    pub split: Option<Split>,
    /// How files are named: by kind (`2.0`) or by document (`flat`).
    pub layout: PathLayout,
    /// Whether `dataset.msgpack` is written.
    pub msgpack: bool,
    /// Whether boxes are also written as fractions of their page.
    pub fractions: bool,
    /// Further entries of `generation_metadata` in `metadata.json`.
    pub generation_metadata: Map<String, Value>,
}

impl Default for PackageConfig {
    fn default() -> Self {
        Self {
            characters: true,
            contact_sheet: true,
            split: None,
            layout: PathLayout::Kinds,
            msgpack: true,
            fractions: true,
            generation_metadata: Map::new(),
        }
    }
}

impl StageConfig for PackageConfig {
    const NAME: &'static str = "package";
    const VERSION: u32 = 2;
    const SUMMARY: &'static str = "Puts the documents into a dataset folder or ZIP";
    const DOCUMENTATION: &'static str = include_str!("package/documentation.md");
    const SCOPE: Scope = Scope::Dataset;

    fn slots(&self) -> SlotUse {
        SlotUse {
            reads: vec![Slot::Pdf, Slot::Words, Slot::PageImages],
            reads_if_present: vec![
                Slot::Html,
                Slot::Segments,
                Slot::Layout,
                Slot::GroundTruth,
                Slot::Annotations,
                Slot::Handwriting,
                Slot::VisualElements,
                Slot::Ocr,
                Slot::Verification,
                Slot::Overlay,
                Slot::Analysis,
            ],
            writes: Vec::new(),
        }
    }

    fn build(self, _: &StageEnv) -> Result<Built, StageFailure> {
        if let Some(split) = &self.split {
            split.check()?;
        }
        Ok(Built::Dataset(Box::new(PackageStage {
            options: self,
            packing: None,
        })))
    }
}

struct PackageStage {
    options: PackageConfig,
    packing: Option<Packing>,
}

/// What is kept from document to document: a few bytes of each, never its contents.
struct Packing {
    run: RunFacts,
    samples: Option<DatadingsWriter>,
    layout: PathLayout,
    metadata: Map<String, Value>,
    sheet: Option<ContactSheet>,
    entries: Vec<Entry>,
    contents: Contents,
    /// Documents by font family.
    fonts: BTreeMap<String, usize>,
}

#[async_trait]
impl DatasetStage for PackageStage {
    async fn begin(&mut self, run: &RunFacts, folder: &DatasetFolder) -> Result<(), StageFailure> {
        // It shows pictures by where they lie, which is by kind.
        let sheet = self.options.contact_sheet && self.options.layout == PathLayout::Kinds;
        let sheet = sheet
            .then(|| ContactSheet::create(run, folder))
            .transpose()?;
        self.packing = Some(Packing {
            run: run.clone(),
            samples: self
                .options
                .msgpack
                .then(|| DatadingsWriter::create(folder))
                .transpose()?,
            layout: self.options.layout,
            metadata: self.options.generation_metadata.clone(),
            sheet,
            entries: Vec::new(),
            contents: Contents::of_options(&self.options),
            fonts: BTreeMap::new(),
        });
        Ok(())
    }

    async fn add(
        &mut self,
        document: &DocumentContext,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let parts = Parts::read(document).await?;
        self.pack(parts, folder).await
    }

    async fn finish(
        &mut self,
        dataset: &DatasetContext,
        folder: &DatasetFolder,
    ) -> Result<Outputs, StageFailure> {
        let Some(packing) = self.packing.take() else {
            return Ok(Outputs::new());
        };
        let analysis = dataset.value::<Analysis>()?;
        packing.finish(&dataset.dead_letters, analysis.as_ref(), folder)?;
        Ok(Outputs::new())
    }
}

/// What is made of one document before anything is written.
struct Packed {
    files: Files,
    samples: Vec<(String, Vec<u8>)>,
    entry: Entry,
    fonts: BTreeSet<String>,
    /// What the contact sheet shows.
    boxes: Option<String>,
}

impl Packed {
    fn new(
        parts: &Parts,
        split: Option<&'static str>,
        options: &PackageConfig,
    ) -> Result<Self, StageFailure> {
        let grids = parts.grids()?;
        Ok(Self {
            files: Files::of(parts, &grids, options)?,
            samples: samples(parts, &grids, split)?,
            entry: Entry::new(parts, split),
            fonts: fonts::families(&parts.pdf.0),
            boxes: options
                .contact_sheet
                .then(|| contact_sheet::boxes(parts, &grids))
                .transpose()?,
        })
    }
}

impl PackageStage {
    async fn pack(&mut self, parts: Parts, folder: &DatasetFolder) -> Result<(), StageFailure> {
        let Some(packing) = &mut self.packing else {
            return Ok(());
        };
        let split = self.options.split.as_ref();
        let split = split.map(|split| split.part(packing.run.seed, parts.id));
        let (options, copy) = (self.options.clone(), parts.clone());
        let packed = blocking(move || Packed::new(&copy, split, &options)).await?;
        packing.add(&parts, packed, folder)
    }
}

impl Packing {
    fn add(
        &mut self,
        parts: &Parts,
        packed: Packed,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let id = parts.id;
        let layout = self.layout;
        let write = |path: String, bytes: &[u8]| match layout.path(&path, id) {
            Some(path) => folder.write(&path, bytes),
            None => Ok(()),
        };
        write(format!("pdf/pdf_final/{id}.pdf"), &parts.pdf.0)?;
        for image in &parts.images.0 {
            write(parts.image_path(image.page), &image.png)?;
        }
        for image in parts.overlay.iter().flat_map(|overlay| &overlay.0.0) {
            let name = id.page_name(image.page);
            write(format!("debug/{name}_debug.png"), &image.png)?;
        }
        for (path, bytes) in packed.files.0 {
            write(path, &bytes)?;
        }
        for (key, sample) in packed.samples {
            if let Some(samples) = &mut self.samples {
                samples.push(key, &sample)?;
            }
        }
        if let (Some(sheet), Some(boxes)) = (&mut self.sheet, &packed.boxes) {
            sheet.add(&packed.entry, parts, boxes, folder)?;
        }
        for family in packed.fonts {
            *self.fonts.entry(family).or_default() += 1;
        }
        self.contents.add(parts);
        self.entries.push(packed.entry);
        Ok(())
    }

    fn finish(
        mut self,
        dead_letters: &[DeadLetter],
        analysis: Option<&Analysis>,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        if let Some(samples) = self.samples {
            samples.finish(self.run.seed, folder)?;
        }
        let mut files = Files::default();
        let metadata = Metadata::new(&self.run, &self.entries, dead_letters, &self.metadata)?;
        files.object("metadata.json".to_owned(), &metadata)?;
        if let Some(Analysis(figures)) = analysis {
            self.contents.analysis = true;
            files.object("analysis/dataset.json".to_owned(), figures)?;
        }
        let card = card(
            &self.run,
            &self.entries,
            dead_letters,
            &self.fonts,
            self.contents,
        )?;
        files.text("README.md".to_owned(), card);
        for (path, bytes) in files.0 {
            folder.write(&path, &bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
