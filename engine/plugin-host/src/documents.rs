//! Documents as plugins see them: each slot read once, and only if it is asked for.

use std::sync::Arc;

use docgenie_document::{
    DocumentId,
    geometry::Rect,
    image::{PageImage, PageImages},
    text::{Word, Words},
    truth::{
        Annotations, GroundTruth, Grounding, Handwriting, Layout, VisualElements, VisualPlace,
    },
};
use docgenie_runtime::stage::{DocumentContext, StageFailure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

/// A document that is lent to a plugin.
pub(crate) struct Lent {
    document: Snapshot,
    /// Position of each page's first word, and behind the last.
    starts: Vec<usize>,
    /// Where its images are read from when they are asked for.
    context: Option<DocumentContext>,
    images: OnceCell<Option<Arc<PageImages>>>,
}

/// All that a plugin may know of a document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: DocumentId,
    pub(crate) words: Arc<Words>,
    pub(crate) truth: Option<Arc<GroundTruth>>,
    pub(crate) annotations: Option<Arc<Annotations>>,
    pub(crate) layout: Option<Arc<Layout>>,
    pub(crate) handwriting: Option<Arc<Handwriting>>,
    pub(crate) visuals: Option<Arc<VisualElements>>,
    /// Those that have been asked for.
    pub(crate) images: Option<Arc<PageImages>>,
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

impl From<Snapshot> for Lent {
    fn from(mut document: Snapshot) -> Self {
        let images = document.images.take();
        Self {
            images: OnceCell::new_with(Some(images)),
            ..Self::of(document, None)
        }
    }
}

impl Lent {
    pub(crate) async fn read(context: &DocumentContext) -> Result<Self, StageFailure> {
        let document = Snapshot {
            id: context.id,
            words: context.read().await?,
            truth: context.read_if_present().await?,
            annotations: context.read_if_present().await?,
            layout: context.read_if_present().await?,
            handwriting: context.read_if_present().await?,
            visuals: context.read_if_present().await?,
            images: None,
        };
        Ok(Self::of(document, Some(context.clone())))
    }

    fn of(document: Snapshot, context: Option<DocumentContext>) -> Self {
        let words = &document.words;
        let mut starts = Vec::with_capacity(words.pages.len() + 1);
        for page in 0..=words.pages.len() {
            let before = |word: &Word| (word.page as usize) < page;
            starts.push(words.words.partition_point(before));
        }
        Self {
            document,
            starts,
            context,
            images: OnceCell::new(),
        }
    }

    /// The document as far as it has been looked at.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            images: self.images.get().cloned().flatten(),
            ..self.document.clone()
        }
    }

    pub(crate) fn id(&self) -> DocumentId {
        self.document.id
    }

    pub(crate) fn language(&self) -> &str {
        self.truth().map_or("", |truth| &truth.language)
    }

    pub(crate) fn kind(&self) -> &str {
        self.truth().map_or("", |truth| &truth.document_type)
    }

    pub(crate) fn truth(&self) -> Option<&GroundTruth> {
        self.document.truth.as_deref()
    }

    /// The final ground truth in a form, as pipelines name it, with or without `plugin:`.
    pub(crate) fn annotation(&self, format: &str) -> Option<&Value> {
        let plain = |name: &str| name.strip_prefix("plugin:").unwrap_or(name).to_owned();
        let annotations = self.document.annotations.iter().flat_map(|it| &it.0);
        let mut own = annotations.filter(|it| plain(&it.format) == plain(format));
        own.next().map(|annotation| &annotation.truth)
    }

    pub(crate) fn pages(&self) -> &[docgenie_document::text::Page] {
        &self.document.words.pages
    }

    pub(crate) fn words_of(&self, page: u32) -> &[Word] {
        let page = page as usize;
        let range = self.starts.get(page).zip(self.starts.get(page + 1));
        let words = range.and_then(|(start, end)| self.document.words.words.get(*start..*end));
        words.unwrap_or_default()
    }

    /// The image of a page, where the pipeline makes images.
    pub(crate) async fn image(&self, page: u32) -> Result<Option<Image>, StageFailure> {
        let read = async || match &self.context {
            Some(context) => context.read_if_present::<PageImages>().await,
            None => Ok(None),
        };
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
        let Snapshot {
            layout,
            truth,
            handwriting,
            visuals,
            ..
        } = &self.document;
        if let Some(layout) = layout {
            regions.layout(layout);
        }
        if let Some(truth) = truth {
            regions.truth(truth);
        }
        for (number, ink) in (0..).zip(handwriting.iter().flat_map(|it| &it.regions)) {
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
        for (number, visual) in (0..).zip(visuals.iter().flat_map(|it| &it.places)) {
            regions.visual(number, visual);
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

    /// A place for a visual element, or what stands there with its parts.
    fn visual(&mut self, number: u32, visual: &VisualPlace) {
        let place = |rect: Rect, words: &[u32]| Grounding {
            page: visual.page,
            rect,
            words: words.to_vec(),
        };
        let id = format!("visual-element-{number}");
        let Some(placed) = &visual.placed else {
            let attributes = json!({ "content": visual.content, "place": visual.kind });
            let room = place(visual.rect, &[]);
            self.add(id, "visual-element", &visual.kind, &[room], &attributes);
            return;
        };
        let attributes = json!({
            "content": visual.content,
            "place": visual.kind,
            "element": placed.element,
            "shows": placed.shows,
        });
        let whole = place(placed.rect, &placed.words);
        self.add(
            id.clone(),
            "visual-element",
            &placed.label,
            &[whole],
            &attributes,
        );
        for (part_no, part) in (0..).zip(&placed.parts) {
            let part_id = format!("{id}-{part_no}");
            let mut attributes = part.attributes.clone();
            if let Some(attributes) = attributes.as_object_mut() {
                attributes.insert("part_of".to_owned(), id.as_str().into());
            }
            let own = place(part.rect, &part.words);
            self.add(part_id, "visual-element", &part.label, &[own], &attributes);
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
