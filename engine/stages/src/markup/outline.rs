//! What the elements of an HTML document mean, read in one walk.

use std::{collections::BTreeMap, ops::Range};

use ego_tree::{NodeId, NodeRef, iter::Edge};
use scraper::{Html, Node, node::Element};

use super::{
    Chunk, script,
    table::{CellSlot, Grid},
};

/// Elements whose text is not part of the page, or where a marking element would not survive.
const UNREAD: &[&str] = &[
    "head", "script", "style", "title", "textarea", "template", "noscript", "svg", "math",
    "select", "iframe", "object", "audio", "video",
];

/// Elements that begin a new block in browsers' default style.
const BLOCK_LEVEL: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "legend",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// What an element says about its text.
#[derive(Debug)]
pub(super) enum Meaning {
    Field {
        name: String,
        normalised: Option<String>,
        group: Option<(String, u32)>,
    },
    Entity {
        label: String,
    },
    Region {
        label: String,
        parent: Option<u32>,
    },
    Cell {
        region: u32,
        slot: CellSlot,
    },
    Ink {
        author: String,
        signature: bool,
    },
    Visual {
        kind: String,
        content: String,
        /// The region around it or at the same element.
        region: Option<u32>,
    },
}

/// A meaning and the text it is about.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) meaning: Meaning,
    /// Positions of its chunks.
    pub(super) chunks: Range<u32>,
    text: Range<usize>,
}

/// The readable text of a document and what its elements say about it.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// `lang` of the root element.
    pub(super) language: String,
    pub(super) chunks: Vec<Chunk>,
    /// In document order of their start tags.
    pub(super) items: Vec<Item>,
    /// Text nodes that hold chunks, with the position of their first chunk.
    pub(super) texts: Vec<(NodeId, u32)>,
    /// Whether every word is a chunk, rather than every text node.
    pub(super) by_word: bool,
    /// Elements with a place for a visual element, in document order.
    pub(super) visuals: Vec<NodeId>,
    text: String,
}

impl Outline {
    pub(super) fn of(dom: &Html) -> Self {
        let mut reader = Reader::default();
        reader.outline.by_word = dom.tree.values().any(reorders);
        let mut unread = None;
        for edge in dom.tree.root().traverse() {
            match edge {
                Edge::Close(node) if unread == Some(node.id()) => {
                    unread = None;
                    reader.close(node);
                }
                _ if unread.is_some() => {}
                Edge::Open(node) => {
                    reader.open(node);
                    if node.value().as_element().is_some_and(is_unread) {
                        unread = Some(node.id());
                    }
                }
                Edge::Close(node) => reader.close(node),
            }
        }
        reader.outline
    }

    /// The text of an item, white space collapsed.
    pub(super) fn text(&self, item: &Item) -> String {
        collapsed(&self.text[item.text.clone()])
    }
}

/// The walk's state.
#[derive(Default)]
struct Reader {
    outline: Outline,
    block: u32,
    open: Vec<Open>,
    groups: BTreeMap<String, u32>,
    regions: u32,
    tables: Vec<(Grid, Option<u32>)>,
}

/// An element whose end tag is yet to come.
struct Open {
    /// The items it began.
    items: Range<usize>,
    /// The region it is, if any.
    region: Option<u32>,
    group: Option<(String, u32)>,
}

impl Reader {
    fn read(&mut self, node: NodeId, text: &str) {
        let first = self.position();
        let block = self.block;
        let by_word = self.outline.by_word;
        let chunks = split(text, by_word).map(|(chunk, _)| Chunk {
            text: collapsed(chunk),
            exact: by_word,
            block,
        });
        self.outline.chunks.extend(chunks);
        if self.position() > first {
            self.outline.texts.push((node, first));
        }
        self.outline.text.push_str(text);
    }

    fn open(&mut self, node: NodeRef<'_, Node>) {
        match node.value() {
            Node::Text(text) => self.read(node.id(), text),
            Node::Element(element) => self.open_element(node, element),
            _ => {}
        }
    }

    fn open_element(&mut self, node: NodeRef<'_, Node>, element: &Element) {
        let name = element.name();
        if name == "html" {
            self.outline.language = element.attr("lang").unwrap_or_default().to_owned();
        }
        if name == "br" || name == "img" {
            self.outline.text.push('\n');
        }
        self.border(name);
        let from = self.outline.items.len();
        let group = element.attr("data-group").map(|name| {
            let next = self.groups.entry(name.to_owned()).or_default();
            *next += 1;
            (name.to_owned(), *next - 1)
        });
        let region = element.attr("data-region").map(|label| {
            let parent = self.region_around();
            let label = label.to_owned();
            self.begin(Meaning::Region { label, parent });
            self.regions += 1;
            self.regions - 1
        });
        self.open_table_part(node, element, region);
        if let Some(name) = element.attr("data-field") {
            let around = self.open.iter().rev().find_map(|open| open.group.as_ref());
            let group = group.as_ref().or(around).cloned();
            self.begin(Meaning::Field {
                name: name.to_owned(),
                normalised: element.attr("data-value").map(str::to_owned),
                group,
            });
        }
        if let Some(label) = element.attr("data-entity") {
            let label = label.to_owned();
            self.begin(Meaning::Entity { label });
        }
        if element.classes().any(|class| class == "handwriting") {
            self.begin(Meaning::Ink {
                author: element.attr("data-author").unwrap_or("writer").to_owned(),
                signature: element.attr("data-signature").is_some(),
            });
        }
        if let Some(kind) = element.attr("data-visual-element") {
            self.begin(Meaning::Visual {
                kind: kind.to_owned(),
                content: element.attr("data-content").unwrap_or_default().to_owned(),
                region: region.or_else(|| self.region_around()),
            });
            self.outline.visuals.push(node.id());
        }
        self.open.push(Open {
            items: from..self.outline.items.len(),
            region,
            group,
        });
    }

    fn open_table_part(&mut self, node: NodeRef<'_, Node>, element: &Element, region: Option<u32>) {
        match element.name() {
            "table" => self.tables.push((Grid::default(), region)),
            "tr" => {
                if let Some((grid, _)) = self.tables.last_mut() {
                    grid.row();
                }
            }
            "td" | "th" => {
                let Some((grid, region)) = self.tables.last_mut() else {
                    return;
                };
                let span = |name| element.attr(name).and_then(|span| span.parse().ok());
                let rows = node
                    .parent()
                    .into_iter()
                    .flat_map(|row| row.next_siblings());
                let rows_left = 1 + rows.filter(|row| is(*row, "tr")).count();
                let slot = grid.cell(
                    span("rowspan").unwrap_or(1),
                    span("colspan").unwrap_or(1),
                    u32::try_from(rows_left).unwrap_or(u32::MAX),
                    element.name() == "th",
                );
                if let Some(region) = *region {
                    self.begin(Meaning::Cell { region, slot });
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, node: NodeRef<'_, Node>) {
        let Node::Element(element) = node.value() else {
            return;
        };
        let (chunks, text) = (self.position(), self.outline.text.len());
        if let Some(open) = self.open.pop() {
            for item in &mut self.outline.items[open.items] {
                item.chunks.end = chunks;
                item.text.end = text;
            }
        }
        if element.name() == "table" {
            self.tables.pop();
        }
        self.border(element.name());
    }

    fn region_around(&self) -> Option<u32> {
        self.open.iter().rev().find_map(|open| open.region)
    }

    fn begin(&mut self, meaning: Meaning) {
        let (chunks, text) = (self.position(), self.outline.text.len());
        self.outline.items.push(Item {
            meaning,
            chunks: chunks..chunks,
            text: text..text,
        });
    }

    /// Where a block begins or ends, a word ends.
    fn border(&mut self, name: &str) {
        if BLOCK_LEVEL.contains(&name) {
            self.block += 1;
            self.outline.text.push('\n');
        }
    }

    fn position(&self) -> u32 {
        u32::try_from(self.outline.chunks.len()).unwrap_or(u32::MAX)
    }
}

/// The text with each run of white space, no-break spaces included, as one space.
pub(super) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The chunks of a text node, each with the blanks after it: its words with `by_word`, otherwise
/// its whole text. Blanks alone are no chunk; those before the first word belong to it.
pub(super) fn split(text: &str, by_word: bool) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(|c: char| !c.is_whitespace())?;
        let word = rest[begin..].find(char::is_whitespace);
        let end = if by_word {
            word.map_or(rest.len(), |len| begin + len)
        } else {
            rest.len()
        };
        let (chunk, after) = rest.split_at(end);
        let blanks = after.len() - after.trim_start().len();
        let (blanks, after) = after.split_at(blanks);
        rest = after;
        Some((chunk, blanks))
    })
}

/// Whether a node brings text that a PDF does not hold in logical order or letter by letter: such
/// documents are marked word by word, which costs the browser more.
fn reorders(node: &Node) -> bool {
    match node {
        Node::Text(text) => script::any_complex(text),
        Node::Element(element) => element.attr("dir") == Some("rtl"),
        _ => false,
    }
}

/// Whether a node is an HTML element of this name.
pub(super) fn is(node: NodeRef<'_, Node>, name: &str) -> bool {
    node.value()
        .as_element()
        .is_some_and(|element| element.name() == name)
}

/// The text directly inside a node.
pub(super) fn text_of(node: NodeRef<'_, Node>) -> String {
    let texts = node.children().filter_map(|child| child.value().as_text());
    texts.map(|text| &**text).collect()
}

fn is_unread(element: &Element) -> bool {
    let style = || element.attr("style").unwrap_or_default();
    let displayed = |declaration: &str| {
        let (property, value) = declaration.split_once(':').unwrap_or_default();
        property.trim() != "display" || value.split('!').next().unwrap_or_default().trim() != "none"
    };
    UNREAD.contains(&element.name())
        || element.attr("hidden").is_some()
        || !style().split(';').all(displayed)
}
