//! `index.html`: the pages with their boxes, in a browser, straight from the folder.
//!
//! A page that is opened from a file may not fetch, so data comes as scripts: a line a document in
//! `documents.js`, and the boxes of a few documents a file, loaded when one of them is looked at.

use std::{fs::File, io::Write};

use docgenie_document::{geometry::Rect, truth::Grounding};
use docgenie_runtime::{
    files::{DatasetFileError, DatasetFolder},
    stage::{RunFacts, StageFailure},
};
use serde::Serialize;

use super::{
    metadata::Entry,
    parts::{Grids, Parts, on_page, round},
    tree::unencodable,
};

/// Documents whose boxes share a file: as many as the sheet shows at once.
const DOCUMENTS_A_FILE: usize = 24;

/// The sheet as it is written, document by document.
pub(super) struct ContactSheet {
    documents: Script,
    boxes: Option<Script>,
    count: usize,
}

struct Script {
    path: String,
    file: File,
}

impl ContactSheet {
    pub(super) fn create(run: &RunFacts, folder: &DatasetFolder) -> Result<Self, StageFailure> {
        folder.write("index.html", include_bytes!("contact_sheet/index.html"))?;
        let style = include_bytes!("contact_sheet/sheet.css");
        folder.write("contact_sheet/sheet.css", style)?;
        let code = include_bytes!("contact_sheet/sheet.js");
        folder.write("contact_sheet/sheet.js", code)?;
        let mut documents = Script::create("contact_sheet/documents.js".to_owned(), folder)?;
        let facts = serde_json::json!({ "name": run.pipeline, "description": run.description });
        documents.line(&format!("docgenie.dataset({facts});"))?;
        Ok(Self {
            documents,
            boxes: None,
            count: 0,
        })
    }

    /// Adds a document with what [`boxes`] has made of it.
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        parts: &Parts,
        boxes: &str,
        folder: &DatasetFolder,
    ) -> Result<(), StageFailure> {
        let number = self.count / DOCUMENTS_A_FILE + 1;
        if self.count.is_multiple_of(DOCUMENTS_A_FILE) {
            let path = format!("contact_sheet/boxes_{number}.js");
            self.boxes = Some(Script::create(path, folder)?);
        }
        self.count += 1;
        let images = parts.images.0.iter();
        let sizes: Vec<_> = images.map(|it| [it.grid.width, it.grid.height]).collect();
        let facts = (
            &entry.document_id,
            &entry.document_type,
            &entry.language,
            entry.split,
            number,
            sizes,
        );
        let facts = serde_json::to_string(&facts).map_err(unencodable)?;
        self.documents
            .line(&format!("docgenie.document(...{facts});"))?;
        match &mut self.boxes {
            Some(script) => script.line(boxes),
            None => Ok(()),
        }
    }
}

impl Script {
    fn create(path: String, folder: &DatasetFolder) -> Result<Self, StageFailure> {
        let file = folder.create(&path)?;
        Ok(Self { path, file })
    }

    fn line(&mut self, line: &str) -> Result<(), StageFailure> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|source| {
            let path = self.path.clone();
            DatasetFileError::Io { path, source }.into()
        })
    }
}

/// The boxes of a page by kind, in whole pixels of its image.
#[derive(Serialize)]
struct PageBoxes<'a> {
    fields: Vec<Pair<'a>>,
    answers: Vec<Pair<'a>>,
    entities: Vec<Pair<'a>>,
    handwriting: Vec<Pair<'a>>,
    visuals: Vec<Pair<'a>>,
    regions: Vec<Single<'a>>,
    lines: Vec<Single<'a>>,
    words: Vec<Single<'a>>,
    ocr: Vec<(u32, u32, u32, u32, &'a str, f64)>,
}

/// x, y, width, height, a text.
type Single<'a> = (u32, u32, u32, u32, &'a str);
/// x, y, width, height, a name and a value.
type Pair<'a> = (u32, u32, u32, u32, &'a str, &'a str);

/// The line that gives the sheet a document's boxes.
pub(super) fn boxes(parts: &Parts, grids: &Grids) -> Result<String, StageFailure> {
    let pages: Vec<_> = grids
        .iter()
        .map(|(page, _)| PageBoxes::new(parts, &Here { page, grids }))
        .collect();
    let pages = serde_json::to_string(&pages).map_err(unencodable)?;
    Ok(format!("docgenie.boxes(\"{}\", {pages});", parts.id))
}

/// One page.
struct Here<'a> {
    page: u32,
    grids: &'a Grids,
}

impl Here<'_> {
    fn pixels(&self, rect: &Rect) -> (u32, u32, u32, u32) {
        let [x0, y0, x1, y1] = self
            .grids
            .pixels(self.page, rect)
            .map(|it| it.round() as u32);
        (x0, y0, x1 - x0, y1 - y0)
    }

    fn single<'b>(&self, rect: &Rect, text: &'b str) -> Single<'b> {
        let (x, y, width, height) = self.pixels(rect);
        (x, y, width, height, text)
    }

    /// One a place of an item on this page.
    fn pairs<'b>(
        &self,
        places: &'b [Grounding],
        name: &'b str,
        value: &'b str,
    ) -> impl Iterator<Item = Pair<'b>> {
        on_page(places, self.page).map(move |place| {
            let (x, y, width, height) = self.pixels(&place.rect);
            (x, y, width, height, name, value)
        })
    }
}

impl<'a> PageBoxes<'a> {
    fn new(parts: &'a Parts, here: &Here<'_>) -> Self {
        let truth = parts.truth.as_deref();
        let fields = truth.into_iter().flat_map(|it| &it.fields);
        let questions = truth.into_iter().flat_map(|it| &it.questions);
        let entities = truth.into_iter().flat_map(|it| &it.entities);
        let ink = parts.handwriting.iter().flat_map(|it| &it.regions);
        let visuals = parts.visual_elements.iter().flat_map(|it| &it.places);
        let visuals = visuals.filter(|place| place.page == here.page);
        let regions = parts.layout.iter().flat_map(|it| &it.regions);
        let lines = parts.segments.iter().flat_map(|it| &it.lines);
        let lines = lines.filter(|line| line.page == here.page);
        let read = parts.ocr.iter().flat_map(|it| &it.pages);
        let read = read.filter(|page| page.page == here.page);
        Self {
            fields: fields
                .flat_map(|it| here.pairs(&it.places, &it.name, &it.value))
                .collect(),
            answers: questions
                .flat_map(|it| here.pairs(&it.places, &it.question, &it.answer))
                .collect(),
            entities: entities
                .flat_map(|it| here.pairs(&it.places, &it.label, &it.text))
                .collect(),
            handwriting: ink
                .flat_map(|it| here.pairs(&it.places, &it.author, &it.text))
                .collect(),
            visuals: visuals
                .map(|it| {
                    let (rect, label) = it.seen();
                    let (x, y, width, height) = here.pixels(rect);
                    (x, y, width, height, label, it.content.as_str())
                })
                .collect(),
            regions: regions
                .flat_map(|it| {
                    let places = on_page(&it.places, here.page);
                    places.map(|place| here.single(&place.rect, &it.label))
                })
                .collect(),
            lines: lines.map(|it| here.single(&it.rect, "line")).collect(),
            words: parts
                .words
                .on_page(here.page)
                .map(|(_, it)| here.single(&it.rect, &it.text))
                .collect(),
            ocr: read
                .flat_map(|page| &page.words)
                .map(|it| {
                    let (x, y, width, height) = here.pixels(&it.rect);
                    (
                        x,
                        y,
                        width,
                        height,
                        it.text.as_str(),
                        round(it.confidence, 1e2),
                    )
                })
                .collect(),
        }
    }
}
