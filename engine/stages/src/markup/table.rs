//! The grid of a table: which row and column each cell begins in, as HTML's table model has it.

/// Widest column span HTML knows.
const MAX_COLUMN_SPAN: u32 = 1000;

/// A cell's position in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellSlot {
    pub(crate) row: u32,
    pub(crate) column: u32,
    pub(crate) row_span: u32,
    pub(crate) column_span: u32,
    pub(crate) header: bool,
}

/// A table while its cells are read in document order.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    rows: u32,
    column: usize,
    /// For every column, the first row that no cell from above reaches.
    free_from: Vec<u32>,
}

impl Grid {
    /// Begins the next row.
    pub(crate) fn row(&mut self) {
        self.rows += 1;
        self.column = 0;
    }

    /// Places the next cell of the row. Spans are as the attributes have them; `rows_left` counts
    /// the rows of the row group from this one on, which a row span cannot leave (0 reaches its end).
    pub(crate) fn cell(
        &mut self,
        row_span: u32,
        column_span: u32,
        rows_left: u32,
        header: bool,
    ) -> CellSlot {
        let row = self.rows.saturating_sub(1);
        while self
            .free_from
            .get(self.column)
            .is_some_and(|free| *free > row)
        {
            self.column += 1;
        }
        let row_span = if row_span == 0 {
            rows_left
        } else {
            row_span.min(rows_left)
        }
        .max(1);
        let column_span = column_span.clamp(1, MAX_COLUMN_SPAN);
        let column = self.column;
        self.column += column_span as usize;
        if self.free_from.len() < self.column {
            self.free_from.resize(self.column, 0);
        }
        self.free_from[column..self.column].fill(row + row_span);
        CellSlot {
            row,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            row_span,
            column_span,
            header,
        }
    }
}
