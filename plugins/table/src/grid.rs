//! Cells as a grid and as HTML.

use docgenie_plugin::{Problem, xml::Text};

use crate::{Cell, Table};

/// The most places that a grid may have.
const LIMIT: u64 = 100_000;

/// The rows and columns that the cells reach; `None` where that is no table that anybody has seen.
pub(crate) fn size(cells: &[Cell]) -> Option<(u32, u32)> {
    let reach = |from: fn(&Cell) -> u32, span: fn(&Cell) -> u32| {
        let ends = cells.iter().map(|cell| from(cell).checked_add(span(cell)));
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    };
    let rows = reach(|cell| cell.row, |cell| cell.row_span)?;
    let columns = reach(|cell| cell.column, |cell| cell.column_span)?;
    fits(rows, columns).then_some((rows, columns))
}

fn fits(rows: u32, columns: u32) -> bool {
    u64::from(rows) * u64::from(columns) <= LIMIT
}

/// Puts an empty cell wherever there is none, and all in order. Between headers it is one, too.
pub(crate) fn fill(cells: &mut Vec<Cell>, rows: u32, columns: u32) {
    let mut taken = Taken::new(rows, columns);
    for cell in cells.iter() {
        taken.take(cell);
    }
    let heads: Vec<bool> = (0..rows)
        .map(|row| {
            let mut in_row = cells.iter().filter(|cell| cell.row == row).peekable();
            in_row.peek().is_some() && in_row.all(|cell| cell.header)
        })
        .collect();
    for (row, header) in (0..).zip(heads) {
        let free = (0..columns).filter(|column| !taken.is(row, *column));
        cells.extend(free.map(|column| Cell {
            row,
            column,
            row_span: 1,
            column_span: 1,
            header,
            text: String::new(),
            places: Vec::new(),
        }));
    }
    cells.sort_by_key(|cell| (cell.row, cell.column));
}

/// The table in HTML without blanks between its tags. The cells must be in order.
pub(crate) fn html(cells: &[Cell], rows: u32, sections: bool) -> String {
    let head = if sections { head_rows(cells, rows) } else { 0 };
    let mut cells = cells.iter().peekable();
    let mut html = "<table>".to_owned();
    for (section, from, to) in [("thead", 0, head), ("tbody", head, rows)] {
        let section = (sections && from < to).then_some(section);
        html.extend(section.map(|name| format!("<{name}>")));
        for row in from..to {
            html.push_str("<tr>");
            while let Some(cell) = cells.next_if(|cell| cell.row == row) {
                html.push_str(&cell_html(cell));
            }
            html.push_str("</tr>");
        }
        html.extend(section.map(|name| format!("</{name}>")));
    }
    html + "</table>"
}

/// How many rows at the top hold headers and nothing else, and are not joined with those below.
fn head_rows(cells: &[Cell], rows: u32) -> u32 {
    let data = cells.iter().filter(|cell| !cell.header);
    let mut head = data.map(|cell| cell.row).min().unwrap_or(rows);
    let crosses = |head: u32| {
        let mut above = cells.iter().take_while(move |cell| cell.row < head);
        above.find(|cell| cell.row + cell.row_span > head)
    };
    while let Some(cell) = crosses(head) {
        head = cell.row;
    }
    head
}

fn cell_html(cell: &Cell) -> String {
    let name = if cell.header { "th" } else { "td" };
    let span = |attribute: &str, span: u32| match span {
        1 => String::new(),
        _ => format!(" {attribute}=\"{span}\""),
    };
    let (rows, columns) = (
        span("rowspan", cell.row_span),
        span("colspan", cell.column_span),
    );
    format!("<{name}{rows}{columns}>{}</{name}>", Text(&cell.text))
}

/// What is wrong with the grid of a table: `pointer` says where the table stands.
pub(crate) fn check(table: &Table, pointer: &str) -> Vec<Problem> {
    let (rows, columns) = (table.rows, table.columns);
    if !fits(rows, columns) {
        let message = format!("{rows} rows of {columns} columns are more than {LIMIT} cells");
        return vec![Problem::new(format!("{pointer}/rows"), message)];
    }
    let mut taken = Taken::new(rows, columns);
    let mut problems = Vec::new();
    let mut before = None;
    for (index, cell) in table.cells.iter().enumerate() {
        let place = (cell.row, cell.column);
        let message = if !taken.holds(cell) {
            format!("it leaves the grid of {rows} rows and {columns} columns")
        } else if taken.take(cell) {
            "it overlaps another cell".to_owned()
        } else if before.is_some_and(|before| before > place) {
            "it should come before the cell before it".to_owned()
        } else {
            before = Some(place);
            continue;
        };
        problems.push(Problem::new(format!("{pointer}/cells/{index}"), message));
    }
    if let Some((row, column)) = taken.first_free() {
        let message = format!("nothing is in row {row}, column {column}");
        problems.push(Problem::new(format!("{pointer}/cells"), message));
    }
    problems
}

/// Which places of a grid are taken.
struct Taken {
    rows: u32,
    columns: u32,
    places: Vec<bool>,
}

impl Taken {
    fn new(rows: u32, columns: u32) -> Self {
        Self {
            rows,
            columns,
            places: vec![false; rows as usize * columns as usize],
        }
    }

    fn at(&self, row: u32, column: u32) -> usize {
        row as usize * self.columns as usize + column as usize
    }

    fn is(&self, row: u32, column: u32) -> bool {
        self.places[self.at(row, column)]
    }

    /// Whether a cell covers something, and all of that is in the grid.
    fn holds(&self, cell: &Cell) -> bool {
        let within = |from: u32, span: u32, end: u32| {
            span > 0 && from.checked_add(span).is_some_and(|to| to <= end)
        };
        within(cell.row, cell.row_span, self.rows)
            && within(cell.column, cell.column_span, self.columns)
    }

    /// Takes the places of a cell that is in the grid, and says whether one was taken before.
    fn take(&mut self, cell: &Cell) -> bool {
        let mut twice = false;
        for row in cell.row..cell.row + cell.row_span {
            for column in cell.column..cell.column + cell.column_span {
                let at = self.at(row, column);
                twice |= std::mem::replace(&mut self.places[at], true);
            }
        }
        twice
    }

    fn first_free(&self) -> Option<(u32, u32)> {
        let all = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        let mut free = all.zip(&self.places).filter(|(_, taken)| !**taken);
        free.next().map(|(place, _)| place)
    }
}
