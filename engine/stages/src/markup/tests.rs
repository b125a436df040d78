use super::*;

fn parse(html: &str) -> Markup {
    Markup::parse(html).unwrap()
}

fn check_words(html: &str, expected: &[&str]) {
    let markup = parse(html);
    let chunks = markup.chunks().iter();
    let words: Vec<&str> = chunks.flat_map(|chunk| chunk.text.split(' ')).collect();
    assert_eq!(words, expected, "{html}");
}

#[test]
fn words_are_what_a_reader_sees() {
    check_words(
        "<p>one  two\n<b>three</b>, four",
        &["one", "two", "three", ",", "four"],
    );
    check_words("<p>no\u{a0}break", &["no", "break"]);
    check_words(
        "<title>t</title><style>s</style><script>x</script><p>a",
        &["a"],
    );
    check_words(
        "<p hidden>a</p><p style='color:red; display : none !important'>b</p>c",
        &["c"],
    );
    check_words("<svg><text>a</text></svg><textarea>b</textarea>c", &["c"]);
    check_words(
        "<p>\u{627}\u{644}\u{639} \u{6f1}\u{6f2}",
        &["\u{627}\u{644}\u{639}", "\u{6f1}\u{6f2}"],
    );
}

#[test]
fn blocks_follow_block_level_elements() {
    let markup = parse("<div>a <b>b</b><p>c</p>d</div><table><tr><td>e<td>f</table>");
    let blocks: Vec<u32> = markup.chunks().iter().map(|chunk| chunk.block).collect();
    assert_eq!(blocks[0], blocks[1]);
    assert!(blocks[1..].is_sorted_by(|a, b| a < b), "{blocks:?}");
}

/// Name, value, normal form and group.
type FoundField<'a> = (&'a str, &'a str, Option<&'a str>, Option<(&'a str, u32)>);

fn check_fields(html: &str, expected: &[FoundField<'_>]) {
    let fields = parse(html).truth().fields;
    let found: Vec<_> = fields
        .iter()
        .map(|field| {
            let group = field
                .group
                .as_ref()
                .map(|(name, number)| (&**name, *number));
            (
                &*field.name,
                &*field.value,
                field.normalised.as_deref(),
                group,
            )
        })
        .collect();
    assert_eq!(found, expected, "{html}");
}

#[test]
fn fields_have_values_groups_and_normal_forms() {
    check_fields(
        "<b data-field=total data-value=12.50> 12,50\n<i>EUR</i> </b>",
        &[("total", "12,50 EUR", Some("12.50"), None)],
    );
    check_fields(
        "<b data-field=x data-value=a>a</b>",
        &[("x", "a", Some("a"), None)],
    );
    check_fields(
        "<p data-field=address>1 Road<br>Town<span data-field=code>AB</span></p>",
        &[
            ("address", "1 Road TownAB", None, None),
            ("code", "AB", None, None),
        ],
    );
    check_fields(
        "<table><tr data-group=item><td data-field=q>1<td><b data-field=p>2</b>\
         <tr data-group=item><td data-field=q>3</table><i data-field=p>4</i>",
        &[
            ("q", "1", None, Some(("item", 0))),
            ("p", "2", None, Some(("item", 0))),
            ("q", "3", None, Some(("item", 1))),
            ("p", "4", None, None),
        ],
    );
}

#[test]
fn the_script_is_read_and_removed() {
    let html = r#"<html lang="fr"><script type="application/json" id="ground-truth">
        {"document_type": "invoice", "questions": [
            {"question": "Which number?", "field": "n"},
            {"question": "Which town?", "answer": "St.\u00a0Paul"}],
         "answers": {"a": 1}}</script><p>No. <b data-field="n" data-entity="ID">A 17</b>"#;
    let markup = parse(html);
    let truth = markup.truth();
    assert_eq!((&*truth.document_type, &*truth.language), ("invoice", "fr"));
    let answers: Vec<_> = truth.questions.iter().map(|q| &*q.answer).collect();
    assert_eq!(answers, ["A 17", "St. Paul"]);
    assert_eq!(truth.answers["a"], 1);
    assert_eq!(
        (&*truth.entities[0].label, &*truth.entities[0].text),
        ("ID", "A 17")
    );
    let clean = markup.clean();
    assert!(!clean.contains("ground-truth") && clean.contains("A 17"));
    assert_eq!(parse(&clean).clean(), clean);
    assert_eq!(parse(&clean).marked(), markup.marked());
}

fn check_error(script: &str, expected: &str) {
    let html = format!("<script id=ground-truth>{script}</script><b data-field=n>1</b>");
    let error = Markup::parse(&html).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn faults_of_the_script_are_told() {
    let shape = "the script `ground-truth` of the HTML does not parse";
    check_error("{", shape);
    check_error(r#"{"question": []}"#, shape);
    let unanswered = "the question \"Who?\" is answered by no text of the HTML";
    check_error(
        r#"{"questions": [{"question": "Who?", "field": "m"}]}"#,
        unanswered,
    );
    check_error(r#"{"questions": [{"question": "Who?"}]}"#, unanswered);
}

fn check_cells(rows: &str, expected: &[(u32, u32, u32, u32, &str)]) {
    let html = format!("<table data-region=table>{rows}</table>");
    let layout = parse(&html).layout(nowhere);
    let cells = layout.regions[0].cells.iter();
    let found: Vec<_> = cells
        .map(|c| (c.row, c.column, c.row_span, c.column_span, &*c.text))
        .collect();
    assert_eq!(found, expected, "{html}");
}

#[test]
fn cells_stand_in_a_grid() {
    check_cells("<tr><th>a<td>b", &[(0, 0, 1, 1, "a"), (0, 1, 1, 1, "b")]);
    check_cells(
        "<tr><td rowspan=2>a<td colspan=2>b<tr><td>c<td>d",
        &[
            (0, 0, 2, 1, "a"),
            (0, 1, 1, 2, "b"),
            (1, 1, 1, 1, "c"),
            (1, 2, 1, 1, "d"),
        ],
    );
    check_cells(
        "<tr><td>a<td rowspan=0>b<tr><td>c",
        &[(0, 0, 1, 1, "a"), (0, 1, 2, 1, "b"), (1, 0, 1, 1, "c")],
    );
    check_cells("<tr><td rowspan=9 colspan=x>a", &[(0, 0, 1, 1, "a")]);
    check_cells(
        "<tr><td>a<table><tr><td>b</table><td>c",
        &[(0, 0, 1, 1, "a b"), (0, 1, 1, 1, "c")],
    );
}

#[test]
fn regions_nest() {
    let html = "<header data-region=header><h1 data-region=title>a</h1></header>\
                <p data-region=paragraph>b";
    let regions = parse(html).layout(nowhere).regions;
    let found: Vec<_> = regions
        .iter()
        .map(|r| (&*r.label, r.order, r.parent))
        .collect();
    assert_eq!(
        found,
        [
            ("header", 0, None),
            ("title", 1, Some(0)),
            ("paragraph", 2, None)
        ]
    );
}

#[test]
fn ink_and_visual_elements_have_their_places() {
    let markup = parse(
        "<i class='x handwriting' data-author=Eve data-signature>Eve  M.</i>\
         <b class=handwriting>no</b><div data-visual-element=stamp data-content=PAID>paid</div>\
         <svg data-visual-element=logo></svg>",
    );
    let ink = markup.handwriting(nowhere).regions;
    let found: Vec<_> = ink
        .iter()
        .map(|r| (&*r.author, r.signature, &*r.text))
        .collect();
    assert_eq!(found, [("Eve", true, "Eve M."), ("writer", false, "no")]);
    let kinds: Vec<_> = markup
        .visuals()
        .into_iter()
        .map(|v| (v.kind, v.content))
        .collect();
    let expected = [("stamp", "PAID"), ("logo", "")].map(|(k, c)| (k.to_owned(), c.to_owned()));
    assert_eq!(kinds, expected);
}

fn check_marked(html: &str, expected: &str) {
    let marked = parse(html).marked();
    let (_, body) = marked.split_once("<body>").unwrap();
    assert_eq!(body.strip_suffix("</body></html>").unwrap(), expected);
}

#[test]
fn marks_wrap_text_nodes_and_keep_blanks() {
    check_marked("<p>one</p>", r#"<p><dg-w style="--b:1">one</dg-w></p>"#);
    check_marked(
        "<p> a c<b>b</b>\n",
        "<p><dg-w style=\"--b:1\"> a c</dg-w><b><dg-w style=\"--b:2\">b</dg-w></b>\n</p>",
    );
    check_marked("<p>&lt;", r#"<p><dg-w style="--b:1">&lt;</dg-w></p>"#);
    check_marked(
        "<div data-visual-element=logo style='width:1cm'></div>",
        r#"<div data-visual-element="logo" style="width:1cm;background-color:color(srgb 0.1234 0.4321 0/.001)"></div>"#,
    );
}

#[test]
fn scripts_that_reorder_are_marked_by_word() {
    let check = |words: [&str; 2], text| {
        let [a, b] = words;
        let dg_w = format!(r#"<dg-w style="--b:1"> {a}</dg-w>  <dg-w style="--b:2">{b}</dg-w> "#);
        check_marked(text, &format!("<p><dg-t>{dg_w}</dg-t></p>"));
    };
    check(["\u{639}\u{644}", "b"], "<p> \u{639}\u{644}  b </p>");
    check(["\u{915}\u{94d}", "12"], "<p> \u{915}\u{94d}  12 </p>");
}

#[test]
fn css_is_that_of_the_style_elements() {
    let markup = parse("<style>a{}</style><p>x<style>b > c{}</style>");
    assert_eq!(markup.css(), "a{}\nb > c{}");
    assert!(markup.clean().contains("b > c{}"));
}
