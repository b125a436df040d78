use docgenie_plugin::{
    Region,
    testing::{self, page, region, word},
};
use serde_json::{Value, json};

use super::*;

fn invoice() -> Document {
    testing::documents().remove(0)
}

fn build(document: &Document) -> Result<Value> {
    testing::build::<TableFormat>(&json!({}), &json!({ "fields": [] }), document)
}

fn verify(truth: &Value, document: &Document) -> Vec<String> {
    testing::verify::<TableFormat>(&json!({}), truth, document).unwrap()
}

/// A page with one table, of cells as [row, column, row span, column span], header, text.
fn table(cells: &[([u32; 4], bool, &str)]) -> Document {
    let mut words = Vec::new();
    let whole = [10.0, 10.0, 500.0, 500.0];
    let mut regions = vec![region("t", "layout", "table", whole, &[]).with(&json!({ "order": 0 }))];
    for ([row, column, row_span, column_span], header, text) in cells {
        let bounds = [
            20.0 + 50.0 * f64::from((*column).min(9)),
            20.0 + 20.0 * f64::from((*row).min(9)),
            40.0,
            12.0,
        ];
        let facts = json!({
            "table": "t", "row": row, "column": column, "row_span": row_span,
            "column_span": column_span, "header": header, "text": text,
        });
        let number = words.len() as u32;
        words.push(word(text, bounds, 0, *row));
        let id = format!("t-{row}-{column}");
        regions.push(region(&id, "cell", "cell", bounds, &[number]).with(&facts));
    }
    document(words, regions)
}

fn document(words: Vec<docgenie_plugin::Word>, regions: Vec<Region>) -> Document {
    Document {
        pages: vec![page(words, regions)],
        ..Document::default()
    }
}

#[track_caller]
fn check_html(cells: &[([u32; 4], bool, &str)], expected: &str) {
    let document = table(cells);
    let truth = build(&document).unwrap();
    assert_eq!(truth[0]["html"], expected);
    assert_eq!(verify(&truth, &document), [""; 0]);
}

#[test]
fn a_table_is_a_grid_and_html() {
    let truth = build(&invoice()).unwrap();
    let table = &truth[0];
    assert_eq!((&table["rows"], &table["columns"]), (&json!(2), &json!(2)));
    assert_eq!(
        table["html"],
        "<table><thead><tr><th>Item</th><th>Amount</th></tr></thead>\
         <tbody><tr><td>Paper, A4</td><td>12.50</td></tr></tbody></table>"
    );
    assert_eq!(
        table["cells"][2],
        json!({
            "row": 1, "column": 0, "row_span": 1, "column_span": 1, "header": false, "text": "Paper, A4",
            "places": [{ "page": 0, "bbox": [48.0, 216.0, 298.0, 236.0], "words": [8, 9] }],
        })
    );
    assert!(verify(&truth, &invoice()).is_empty());
    let plain =
        testing::build::<TableFormat>(&json!({ "sections": false }), &json!({}), &invoice());
    let html = plain.unwrap()[0]["html"].as_str().unwrap().to_owned();
    assert!(html.starts_with("<table><tr><th>Item</th>"), "{html}");
}

#[test]
fn spans_and_holes() {
    check_html(
        &[
            ([0, 1, 1, 2], true, "<b>&\"x\""),
            ([1, 1, 1, 1], true, "in"),
            ([1, 2, 1, 1], true, "out"),
            ([2, 0, 2, 1], false, "a"),
            ([3, 2, 1, 1], false, "b"),
        ],
        "<table><thead><tr><th></th><th colspan=\"2\">&lt;b&gt;&amp;&quot;x&quot;</th></tr>\
         <tr><th></th><th>in</th><th>out</th></tr></thead>\
         <tbody><tr><td rowspan=\"2\">a</td><td></td><td></td></tr>\
         <tr><td></td><td>b</td></tr></tbody></table>",
    );
    // A header that reaches into the body is no head of its own.
    check_html(
        &[
            ([0, 0, 2, 1], true, "a"),
            ([0, 1, 1, 1], true, "b"),
            ([1, 1, 1, 1], false, "c"),
        ],
        "<table><tbody><tr><th rowspan=\"2\">a</th><th>b</th></tr><tr><td>c</td></tr></tbody></table>",
    );
    check_html(
        &[([0, 0, 1, 1], true, "a")],
        "<table><thead><tr><th>a</th></tr></thead></table>",
    );
}

#[test]
fn what_is_untrue_is_found() {
    let good = build(&invoice()).unwrap();
    let change = |pointer: &str, value: Value| {
        let mut truth = good.clone();
        *truth.pointer_mut(pointer).unwrap() = value;
        verify(&truth, &invoice())
    };
    assert_eq!(
        change("/0/html", json!("<table/>")),
        ["/0/html: it is not the table that `cells` describe"]
    );
    assert_eq!(
        change("/0/cells/2/column_span", json!(2)),
        ["/0/cells/3: it overlaps another cell"]
    );
    assert_eq!(
        change("/0/cells/3/row_span", json!(2)),
        [
            "/0/cells/3: it leaves the grid of 2 rows and 2 columns",
            "/0/cells: nothing is in row 1, column 1"
        ]
    );
    for nonsense in [json!(0), json!(u32::MAX)] {
        assert_eq!(change("/0/cells/3/row_span", nonsense).len(), 2);
    }
    assert_eq!(change("/0/rows", json!(u32::MAX)).len(), 1);
    assert_eq!(
        change("/0/rows", json!(3)),
        ["/0/cells: nothing is in row 2, column 0"]
    );
    assert_eq!(change("/0/cells/2/text", json!("Pen")).len(), 2);
    assert_eq!(change("/0/cells/2/places", json!([])).len(), 1);
    assert_eq!(
        change("/0/cells/2/places/0/bbox", json!([0.0, 0.0, 600.0, 10.0])).len(),
        3
    );
    assert_eq!(change("/0/places/0/page", json!(5)).len(), 1);
    let swapped = json!([
        good[0]["cells"][1],
        good[0]["cells"][0],
        good[0]["cells"][2],
        good[0]["cells"][3]
    ]);
    assert_eq!(
        change("/0/cells", swapped),
        ["/0/cells/1: it should come before the cell before it"]
    );
    assert_eq!(
        verify(&json!([good[0], good[0]]), &invoice()),
        ["/1/id: `layout-2` is the id of another table"]
    );
}

#[test]
fn cells_that_overlap_are_kept_and_found() {
    let document = table(&[([0, 0, 1, 2], false, "a"), ([0, 1, 1, 1], false, "b")]);
    let truth = build(&document).unwrap();
    assert_eq!(
        verify(&truth, &document),
        ["/0/cells/1: it overlaps another cell"]
    );
}

#[test]
fn a_document_without_tables_is_left_out() {
    let reason = Err(Failure::unsuitable("it has no tables"));
    assert_eq!(build(&testing::documents()[1]), reason);
    assert_eq!(build(&table(&[])), reason);
    for span in [[0, 0, u32::MAX, 2], [u32::MAX, 0, 1, 1], [0, 0, 400, 400]] {
        let _ = testing::logged();
        assert_eq!(build(&table(&[(span, false, "a")])), reason);
        assert_eq!(testing::logged().len(), 1);
    }
}
