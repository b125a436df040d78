//! What PAGE makes of a page: regions in reading order, each word in exactly one of them.

use docgenie_plugin::{
    Region, Result, Word,
    facts::{Cell, Facts, Layout, VisualElement},
};

/// A region of PAGE.
pub(crate) struct Block<'a> {
    pub(crate) r#type: Type,
    pub(crate) shape: Shape<'a>,
    /// Positions of its own words on the page, in reading order.
    pub(crate) words: Vec<usize>,
    /// Cells of a table.
    pub(crate) inner: Vec<Block<'a>>,
}

pub(crate) enum Type {
    /// Text, with PAGE's name for its type, if it has one.
    Text(Option<&'static str>),
    Cell(Cell),
    Table,
    Image,
    /// With PAGE's name for its type.
    Graphic(&'static str),
}

/// Where a block stands.
pub(crate) enum Shape<'a> {
    /// Where a region of the page does.
    Region(&'a Region),
    /// Around its words.
    Words,
}

impl Type {
    pub(crate) const fn element(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Cell(_) => "TextRegion",
            Self::Table => "TableRegion",
            Self::Image => "ImageRegion",
            Self::Graphic(_) => "GraphicRegion",
        }
    }

    /// Of a layout region or a visual element, by its label.
    fn of(label: &str) -> Self {
        match label {
            "table" => Self::Table,
            "figure" | "photo" => Self::Image,
            "logo" => Self::Graphic("logo"),
            "stamp" | "seal" => Self::Graphic("stamp"),
            "barcode" => Self::Graphic("barcode"),
            "title" | "heading" => Self::Text(Some("heading")),
            "paragraph" => Self::Text(Some("paragraph")),
            "caption" => Self::Text(Some("caption")),
            "header" => Self::Text(Some("header")),
            "footer" => Self::Text(Some("footer")),
            "page-number" => Self::Text(Some("page-number")),
            "footnote" => Self::Text(Some("footnote")),
            "signature" => Self::Text(Some("signature-mark")),
            _ => Self::Text(Some("other")),
        }
    }
}

impl Block<'_> {
    /// It and those in it.
    pub(crate) fn count(&self) -> u32 {
        1 + self.inner.iter().map(Self::count).sum::<u32>()
    }
}

/// The blocks of a page in reading order. A word belongs to its cell, else to the innermost layout
/// region that can hold text, else to a text region made of its block. Regions that hold text and
/// have no word of their own, because regions within them have them all, are left out.
pub(crate) fn blocks<'a>(words: &[Word], regions: &'a [Region]) -> Result<Vec<Block<'a>>> {
    let mut owner = vec![None; words.len()];
    let mut own = |index: usize, region: &Region| {
        for word in &region.words {
            if let Some(owner) = owner.get_mut(*word as usize) {
                *owner = Some(index);
            }
        }
    };
    // Regions stand in document order, outer before inner.
    for (index, region) in regions.iter().enumerate() {
        if region.kind == Layout::KIND && matches!(Type::of(&region.label), Type::Text(_)) {
            own(index, region);
        }
    }
    // Cells occur in other regions too, such as lists of keys and values, which stay text.
    let is_table = |id: &str| {
        let mut tables = regions
            .iter()
            .filter(|it| it.kind == Layout::KIND && it.id == id);
        tables.any(|it| matches!(Type::of(&it.label), Type::Table))
    };
    for (index, region) in regions.iter().enumerate() {
        if let Some(cell) = region.facts::<Cell>()?
            && is_table(&cell.table)
        {
            own(index, region);
        }
    }
    let words_of = |index: usize| -> Vec<usize> {
        (0..words.len())
            .filter(|word| owner[*word] == Some(index))
            .collect()
    };

    let mut blocks = Vec::new();
    for (index, region) in regions.iter().enumerate() {
        let shape = Shape::Region(region);
        let words = words_of(index);
        let wanted = region.kind == Layout::KIND || region.kind == VisualElement::KIND;
        let block = match Type::of(&region.label) {
            _ if !wanted => continue,
            Type::Table => {
                let inner = cells(region, regions, &words_of)?;
                Block {
                    r#type: Type::Table,
                    shape,
                    words: Vec::new(),
                    inner,
                }
            }
            Type::Text(_) if words.is_empty() => continue,
            r#type => Block {
                r#type,
                shape,
                words,
                inner: Vec::new(),
            },
        };
        blocks.push(block);
    }
    let free: Vec<usize> = (0..words.len())
        .filter(|word| owner[*word].is_none())
        .collect();
    for words in free.chunk_by(|a, b| words[*a].block == words[*b].block) {
        let words = words.to_vec();
        blocks.push(Block {
            r#type: Type::Text(None),
            shape: Shape::Words,
            words,
            inner: Vec::new(),
        });
    }
    // By the first word; what has none keeps its place behind what stands before it.
    let mut last = 0;
    let mut keyed: Vec<_> = blocks
        .into_iter()
        .map(|block| {
            last = block.first_word().unwrap_or(last);
            (last, block)
        })
        .collect();
    keyed.sort_by_key(|(first, _)| *first);
    Ok(keyed.into_iter().map(|(_, block)| block).collect())
}

impl Block<'_> {
    fn first_word(&self) -> Option<usize> {
        let inner = self.inner.iter().filter_map(Self::first_word);
        self.words.iter().copied().chain(inner).min()
    }
}

fn cells<'a>(
    table: &Region,
    regions: &'a [Region],
    words_of: &impl Fn(usize) -> Vec<usize>,
) -> Result<Vec<Block<'a>>> {
    let mut cells = Vec::new();
    for (index, region) in regions.iter().enumerate() {
        if let Some(cell) = region.facts::<Cell>()?
            && cell.table == table.id
        {
            cells.push(Block {
                r#type: Type::Cell(cell),
                shape: Shape::Region(region),
                words: words_of(index),
                inner: Vec::new(),
            });
        }
    }
    Ok(cells)
}
