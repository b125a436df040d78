//! What the attributes of a region say, by its kind. `docs/plugins/wit.md` is their reference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Region, Result};

/// The attributes of one kind of region.
pub trait Facts: DeserializeOwned {
    /// The kind.
    const KIND: &'static str;
}

impl Region {
    /// What its attributes say, where it is of that kind.
    ///
    /// # Errors
    /// Broken, where the attributes are not such an object.
    pub fn facts<F: Facts>(&self) -> Result<Option<F>> {
        let facts = (self.kind == F::KIND).then(|| serde_json::from_str(&self.attributes));
        Ok(facts.transpose()?)
    }
}

macro_rules! facts {
    ($($kind:literal => $(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize, PartialEq)]
        #[serde(default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Facts for $name {
            const KIND: &'static str = $kind;
        }
    )*};
}

facts! {
    "layout" =>
    /// A part of the page; its label is one of [`LAYOUT`].
    Layout {
        /// Place in the reading order of the document, from 0.
        order: u32,
        /// Id of the region around it.
        parent: Option<String>,
    }

    "cell" =>
    /// A cell of a table.
    Cell {
        /// Id of the table's layout region.
        table: String,
        /// First row, from 0.
        row: u32,
        /// First column, from 0.
        column: u32,
        /// Rows covered, at least 1.
        row_span: u32,
        /// Columns covered, at least 1.
        column_span: u32,
        /// Whether it heads a row or column.
        header: bool,
        /// White space collapsed.
        text: String,
    }

    "field" =>
    /// A value to extract; its label is the field's name.
    Field {
        /// As it stands in the document.
        value: String,
        /// In a machine's form, where that differs.
        normalised: Option<String>,
        /// The group it belongs to, such as `line_item`.
        group: Option<String>,
        /// Its item's number in the group, from 0.
        group_no: Option<u32>,
    }

    "entity" =>
    /// A named entity; its label is one of [`ENTITIES`].
    Entity {
        /// White space collapsed.
        text: String,
    }

    "answer" =>
    /// The place of an answer; its label is the field's name where a field answers.
    Answer {
        /// In the document's language.
        question: String,
        /// Verbatim.
        answer: String,
    }

    "handwriting" =>
    /// What is written by hand.
    Handwriting {
        /// The same name is the same hand.
        author: String,
        /// Whether it is a signature.
        signature: bool,
        /// White space collapsed.
        text: String,
    }

    "visual-element" =>
    /// A picture on the page, such as a stamp.
    VisualElement {
        /// What it shows.
        content: String,
    }
}

/// The kinds of regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Parts of the page, such as titles and tables.
    Layout,
    /// Cells of tables.
    Cell,
    /// Values to extract.
    Field,
    /// Named entities.
    Entity,
    /// Places of answers.
    Answer,
    /// What is written by hand.
    Handwriting,
    /// Pictures on the page, such as stamps.
    VisualElement,
}

impl Kind {
    /// As regions name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Layout => "layout",
            Self::Cell => "cell",
            Self::Field => "field",
            Self::Entity => "entity",
            Self::Answer => "answer",
            Self::Handwriting => "handwriting",
            Self::VisualElement => "visual-element",
        }
    }

    /// The labels that are known beforehand, in an order that does not change. Others may come.
    #[must_use]
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Layout => LAYOUT,
            Self::Cell => &["cell", "header"],
            Self::Entity => ENTITIES,
            Self::Handwriting => &["handwriting", "signature"],
            Self::VisualElement => &["stamp", "logo", "figure", "barcode", "photo"],
            Self::Field | Self::Answer => &[],
        }
    }
}

/// Numbers for labels. Those known beforehand have the same number in every dataset; others are
/// numbered as they come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Vec<String>);

impl Labels {
    /// Numbers for these labels, in their order.
    pub fn new<'a>(known: impl IntoIterator<Item = &'a str>) -> Self {
        let mut labels = Self::default();
        for label in known {
            labels.number(label);
        }
        labels
    }

    /// Numbers for the labels of regions of these kinds.
    #[must_use]
    pub fn of_kinds(kinds: &[Kind]) -> Self {
        Self::new(kinds.iter().flat_map(|kind| kind.labels()).copied())
    }

    /// The label's number, from 0.
    pub fn number(&mut self, label: &str) -> usize {
        self.0.iter().position(|it| it == label).unwrap_or_else(|| {
            self.0.push(label.to_owned());
            self.0.len() - 1
        })
    }

    /// All labels by number.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// Labels of layout regions, in an order that does not change.
pub const LAYOUT: &[&str] = &[
    "title",
    "heading",
    "paragraph",
    "list",
    "table",
    "figure",
    "caption",
    "header",
    "footer",
    "page-number",
    "key-value",
    "address",
    "signature",
    "form",
    "footnote",
    "formula",
    "logo",
    "stamp",
    "barcode",
    "photo",
    "total",
];

/// Labels of named entities, in an order that does not change.
pub const ENTITIES: &[&str] = &[
    "PERSON", "ORG", "LOC", "DATE", "MONEY", "ID", "EMAIL", "PHONE", "PRODUCT", "QUANTITY",
    "PERCENT", "IBAN", "TIME",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn known_labels_keep_their_numbers() {
        let mut labels = Labels::of_kinds(&[Kind::Layout, Kind::VisualElement]);
        assert_eq!((labels.number("title"), labels.number("stamp")), (0, 17));
        let known = labels.names().len();
        assert_eq!(
            (labels.number("seal"), labels.number("seal")),
            (known, known)
        );
    }

    #[test]
    fn facts_are_those_of_the_kind() {
        let region = testing::region("r1", "cell", "cell", [0.0, 0.0, 1.0, 1.0], &[]);
        assert_eq!(region.facts::<Layout>(), Ok(None));
        assert_eq!(region.facts::<Cell>(), Ok(Some(Cell::default())));
        let wrong = Region {
            attributes: r#"{"row": "x"}"#.into(),
            ..region
        };
        assert!(wrong.facts::<Cell>().is_err());
    }
}
