//! Documents as plugins see them: each slot read once, and only if it is asked for.

use std::sync::Arc;

use docgenie_document::{
    DocumentId,
    geometry::Rect,
    image::{PageImage, PageImages},
    text::{Word, Words},
    truth::{GroundTruth, Grounding, Handwriting, Layout, VisualElements},
};
use docgenie_runtime::stage::{DocumentContext, StageFailure};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

/// A document that is lent to a plugin.
pub(crate) struct Lent {
    context: DocumentContext,
    words: Arc<Words>,
    /// Position of each page's first word, and behind the last.
    starts: Vec<usize>,
    truth: Option<Arc<GroundTruth>>,
    layout: Option<Arc<Layout>>,
    handwriting: Option<Arc<Handwriting>>,
    visuals: Option<Arc<VisualElements>>,
    images: OnceCell<Option<Arc<PageImages>>>,
}

/// A labelled part of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) label: String,
    pub(crate) bounds: Rect,
    /// Positions among the words of the page.
    pub(crate) words: Vec<u32>,
    pub(crate) attributes: Value,
}

impl Lent {
    pub(crate) async fn read(context: &DocumentContext) -> Result<Self, StageFailure> {
        let words = context.read::<Words>().await?;
        let mut starts = Vec::with_capacity(words.pages.len() + 1);
        for page in 0..=words.pages.len() {
            let before = |word: &Word| (word.page as usize) < page;
            starts.push(words.words.partition_point(before));
        }
        Ok(Self {
            context: context.clone(),
            words,
            starts,
            truth: context.read_if_present().await?,
            layout: context.read_if_present().await?,
            handwriting: context.read_if_present().await?,
            visuals: context.read_if_present().await?,
            images: OnceCell::new(),
        })
    }

    pub(crate) fn id(&self) -> DocumentId {
        self.context.id
    }

    pub(crate) fn language(&self) -> &str {
        self.truth.as_ref().map_or("", |truth| &truth.language)
    }

    pub(crate) fn kind(&self) -> &str {
        self.truth.as_ref().map_or("", |truth| &truth.document_type)
    }

    pub(crate) fn truth(&self) -> Option<&GroundTruth> {
        self.truth.as_deref()
    }

    pub(crate) fn pages(&self) -> &[docgenie_document::text::Page] {
        &self.words.pages
    }

    pub(crate) fn words_of(&self, page: u32) -> &[Word] {
        let page = page as usize;
        let range = self.starts.get(page).zip(self.starts.get(page + 1));
        let words = range.and_then(|(start, end)| self.words.words.get(*start..*end));
        words.unwrap_or_default()
    }

    /// The image of a page, where the pipeline makes images.
    pub(crate) async fn image(&self, page: u32) -> Result<Option<Image>, StageFailure> {
        let read = || self.context.read_if_present::<PageImages>();
        let images = self.images.get_or_try_init(read).await?.clone();
        let found = images.and_then(|images| {
            let at = images.0.iter().position(|image| image.page == page)?;
            Some(Image { images, at })
        });
        Ok(found)
    }

    /// Everything on a page that has a label and a place.
    pub(crate) fn regions(&self, page: u32) -> Vec<Region> {
        let mut regions = Regions {
            page,
            first_word: self.starts.get(page as usize).copied().unwrap_or_default(),
            found: Vec::new(),
        };
        if let Some(layout) = &self.layout {
            regions.layout(layout);
        }
        if let Some(truth) = &self.truth {
            regions.truth(truth);
        }
        for (number, ink) in (0..).zip(self.handwriting.iter().flat_map(|it| &it.regions)) {
            let attributes = json!({
                "author": ink.author, "signature": ink.signature, "text": ink.text,
            });
            let label = if ink.signature {
                "signature"
            } else {
                "handwriting"
            };
            regions.add(
                format!("handwriting-{number}"),
                "handwriting",
                label,
                &ink.places,
                &attributes,
            );
        }
        for (number, visual) in (0..).zip(self.visuals.iter().flat_map(|it| &it.places)) {
            let place = Grounding {
                page: visual.page,
                rect: visual.rect,
                words: Vec::new(),
            };
            let id = format!("visual-element-{number}");
            let attributes = json!({ "content": visual.content });
            regions.add(id, "visual-element", &visual.kind, &[place], &attributes);
        }
        regions.found
    }
}

/// A page's image among those of its document.
pub(crate) struct Image {
    images: Arc<PageImages>,
    at: usize,
}

impl Image {
    pub(crate) fn get(&self) -> &PageImage {
        &self.images.0[self.at]
    }
}

/// Gathers the regions of one page.
struct Regions {
    page: u32,
    first_word: usize,
    found: Vec<Region>,
}

impl Regions {
    fn layout(&mut self, layout: &Layout) {
        for (number, region) in (0..).zip(&layout.regions) {
            let id = |number: u32| format!("layout-{number}");
            let mut attributes = Map::new();
            attributes.insert("order".to_owned(), region.order.into());
            if let Some(parent) = region.parent {
                attributes.insert("parent".to_owned(), id(parent).into());
            }
            let attributes = Value::Object(attributes);
            self.add(
                id(number),
                "layout",
                &region.label,
                &region.places,
                &attributes,
            );
            for cell in &region.cells {
                let attributes = json!({
                    "table": id(number), "row": cell.row, "column": cell.column,
                    "row_span": cell.row_span, "column_span": cell.column_span,
                    "header": cell.header, "text": cell.text,
                });
                let label = if cell.header { "header" } else { "cell" };
                let cell_id = format!("{}-cell-{}-{}", id(number), cell.row, cell.column);
                self.add(cell_id, "cell", label, &cell.places, &attributes);
            }
        }
    }

    fn truth(&mut self, truth: &GroundTruth) {
        for (number, field) in (0..).zip(&truth.fields) {
            let mut attributes = Map::new();
            attributes.insert("value".to_owned(), field.value.as_str().into());
            if let Some(normalised) = &field.normalised {
                attributes.insert("normalised".to_owned(), normalised.as_str().into());
            }
            if let Some((group, at)) = &field.group {
                attributes.insert("group".to_owned(), group.as_str().into());
                attributes.insert("group_no".to_owned(), (*at).into());
            }
            let attributes = Value::Object(attributes);
            self.add(
                format!("field-{number}"),
                "field",
                &field.name,
                &field.places,
                &attributes,
            );
        }
        for (number, entity) in (0..).zip(&truth.entities) {
            let id = format!("entity-{number}");
            let attributes = json!({ "text": entity.text });
            self.add(id, "entity", &entity.label, &entity.places, &attributes);
        }
        for (number, question) in (0..).zip(&truth.questions) {
            let id = format!("answer-{number}");
            let attributes = json!({ "question": question.question, "answer": question.answer });
            let label = question.field.as_deref().unwrap_or("answer");
            self.add(id, "answer", label, &question.places, &attributes);
        }
    }

    fn add(
        &mut self,
        id: String,
        kind: &'static str,
        label: &str,
        places: &[Grounding],
        attributes: &Value,
    ) {
        let Some(place) = places.iter().find(|place| place.page == self.page) else {
            return;
        };
        let first = u32::try_from(self.first_word).unwrap_or(u32::MAX);
        self.found.push(Region {
            id,
            kind,
            label: label.to_owned(),
            bounds: place.rect,
            words: place
                .words
                .iter()
                .map(|word| word.saturating_sub(first))
                .collect(),
            attributes: attributes.clone(),
        });
    }
}

/// The text of a page: words joined by blanks, lines by line feeds, blocks by empty lines.
pub(crate) fn text_of(words: &[Word]) -> String {
    let mut text = String::new();
    let mut before: Option<&Word> = None;
    for word in words {
        text.push_str(match before {
            None => "",
            Some(last) if last.block != word.block => "\n\n",
            Some(last) if last.line != word.line => "\n",
            Some(_) => " ",
        });
        text.push_str(&word.text);
        before = Some(word);
    }
    text
}
