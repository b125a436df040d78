//! Table recognition: each table as HTML, as PubTabNet and FinTabNet have it, and as a grid of cells
//! with their boxes.
//!
//! ```json
//! [{
//!   "id": "layout-2",
//!   "places": [{ "page": 0, "bbox": [48.0, 196.0, 358.0, 236.0], "words": [6, 7] }],
//!   "html": "<table><thead><tr><th>Item</th></tr></thead><tbody><tr><td>Paper</td></tr></tbody></table>",
//!   "rows": 2,
//!   "columns": 1,
//!   "cells": [{
//!     "row": 0, "column": 0, "row_span": 1, "column_span": 1, "header": true, "text": "Item",
//!     "places": [{ "page": 0, "bbox": [48.0, 196.0, 298.0, 216.0], "words": [6] }]
//!   }]
//! }]
//! ```
//!
//! Cells are in the order of rows and then columns, both counted from 0, and cover the grid: those
//! that are empty have no places. Pages count from 0; boxes are left, top, right, bottom in points
//! with the origin at the top left of the page, one for each page that a table or cell reaches; words
//! are positions among the words of that page.

mod grid;

use std::collections::BTreeSet;

use docgenie_plugin::{
    Document, Failure, GroundTruthFormat, Marked, Offer, Pages, Place, Problem, Result, facts, log,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// Whether the HTML has `thead` and `tbody`, as PubTabNet has.
    sections: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { sections: true }
    }
}

/// Tables are marked where they stand, so that nothing more needs to be said of them.
#[derive(Deserialize, JsonSchema)]
struct Draft {}

#[derive(Deserialize, Serialize)]
struct Table {
    id: String,
    places: Vec<Place>,
    html: String,
    rows: u32,
    columns: u32,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Cell {
    row: u32,
    column: u32,
    row_span: u32,
    column_span: u32,
    header: bool,
    text: String,
    places: Vec<Place>,
}

struct TableFormat;

impl GroundTruthFormat for TableFormat {
    type Params = Params;
    type Draft = Draft;
    type Truth = Vec<Table>;
    const OFFER: Offer = Offer::new(
        "table",
        "Tables",
        "Tables as HTML and as a grid of cells with boxes.",
    );

    fn instructions(_: &Params) -> Result<String> {
        Ok(
            "Set every table of the document as `<table data-region=\"table\">`, with `th` for its headers, `td` for \
             its other cells, and `rowspan` and `colspan` where cells are joined. Use tables for tabular data only, \
             not for the layout of the page."
                .to_owned(),
        )
    }

    fn build(params: &Params, _: Draft, document: &Document) -> Result<Vec<Table>> {
        let pages = Pages::of(document);
        let mut cells: Vec<Marked<facts::Cell>> = pages.marked()?;
        let mut tables = Vec::new();
        for region in pages.marked::<facts::Layout>()? {
            let own = cells.extract_if(.., |cell| cell.facts.table == region.id);
            let mut own: Vec<Cell> = own.map(Cell::from).collect();
            if own.is_empty() {
                continue;
            }
            let Some((rows, columns)) = grid::size(&own) else {
                log::warn(&format!("table `{}` is too large and left out", region.id));
                continue;
            };
            grid::fill(&mut own, rows, columns);
            tables.push(Table {
                id: region.id,
                places: region.places,
                html: grid::html(&own, rows, params.sections),
                rows,
                columns,
                cells: own,
            });
        }
        if tables.is_empty() {
            return Err(Failure::unsuitable("it has no tables"));
        }
        Ok(tables)
    }

    fn verify(params: &Params, truth: &Vec<Table>, document: &Document) -> Result<Vec<Problem>> {
        let pages = Pages::of(document);
        let mut problems = Vec::new();
        let mut ids = BTreeSet::new();
        for (number, table) in truth.iter().enumerate() {
            let at = |key: &str| format!("/{number}/{key}");
            if !ids.insert(&table.id) {
                let message = format!("`{}` is the id of another table", table.id);
                problems.push(Problem::new(at("id"), message));
            }
            problems.extend(pages.check(&table.places, &at("places")));
            let off = grid::check(table, &format!("/{number}"));
            let in_order = off.is_empty();
            problems.extend(off);
            if in_order && table.html != grid::html(&table.cells, table.rows, params.sections) {
                let message = "it is not the table that `cells` describe";
                problems.push(Problem::new(at("html"), message));
            }
            for (index, cell) in table.cells.iter().enumerate() {
                let at = |key: &str| at(&format!("cells/{index}/{key}"));
                if !cell.text.is_empty() {
                    problems.extend(pages.check_text(&cell.text, &cell.places, &at("text")));
                }
                problems.extend(pages.check(&cell.places, &at("places")));
            }
        }
        Ok(problems)
    }
}

impl From<Marked<facts::Cell>> for Cell {
    fn from(marked: Marked<facts::Cell>) -> Self {
        let facts::Cell {
            row,
            column,
            row_span,
            column_span,
            header,
            text,
            ..
        } = marked.facts;
        Self {
            row,
            column,
            row_span: row_span.max(1),
            column_span: column_span.max(1),
            header,
            text,
            places: marked.places,
        }
    }
}

docgenie_plugin::ground_truth_formats!(TableFormat);

#[cfg(test)]
mod tests;
