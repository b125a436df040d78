//! Words and meanings of pages that a real browser has printed, held against the pages' own HTML
//! and against `pdftotext -bbox`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, time::Duration};

use docgenie_document::{
    geometry::Rect,
    slot::Pdf,
    text::{Segment, Word, Words},
    truth::Grounding,
};
use docgenie_guard::child::{self, Launch};
use docgenie_render::{HtmlPage, PageSize, RenderSettings, Renderer};
use docgenie_stages::{
    boxes::{Boxes, boxes},
    markup::Markup,
};

/// Prints HTML documents as they are.
fn print(pages: &[String]) -> Vec<Pdf> {
    let home = tempfile::tempdir().unwrap();
    let settings = RenderSettings {
        home: home.path().to_owned(),
        tabs: 1,
        pages_per_browser: 100,
        limit: Duration::from_secs(60),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let renderer = Renderer::start(settings).unwrap();
        let mut printed = Vec::new();
        for html in pages {
            let size = PageSize::Css;
            printed.push(Pdf(renderer.print(HtmlPage { html, size }).await.unwrap()));
        }
        renderer.close().await;
        printed
    })
}

/// A document in a font with a body.
fn page(font: &str, direction: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html dir={direction}><style>@page {{ size: A4; margin: 15mm }} \
         body {{ font: 11pt '{font}'; margin: 0 }} td, th {{ padding: 2pt 6pt }}</style>{body}"
    )
}

fn latin(body: &str) -> String {
    page("Liberation Sans", "ltr", body)
}

/// The boxes of marked documents.
fn locate(pages: &[String]) -> Vec<Boxes> {
    let markups: Vec<Markup> = pages
        .iter()
        .map(|html| Markup::parse(html).unwrap())
        .collect();
    let marked: Vec<String> = markups.iter().map(Markup::marked).collect();
    let located = markups.iter().zip(print(&marked)).map(|(markup, pdf)| {
        let boxes = boxes(&pdf, Some(markup), Some(&markup.truth())).unwrap();
        check_sound(&boxes);
        boxes
    });
    located.collect()
}

fn locate_one(html: String) -> Boxes {
    locate(&[html]).remove(0)
}

/// What holds for all boxes: inside their pages, numbered in reading order, segments complete.
fn check_sound(boxes: &Boxes) {
    let words = &boxes.words.words;
    for word in words {
        let page = boxes.words.pages[word.page as usize].size;
        assert_eq!(word.rect.clamp_to(page), Some(word.rect), "{word:?}");
        assert!(word.rect.area() > 0.0 && word.font_size > 0.0, "{word:?}");
        let spelt: String = word.characters.iter().map(|c| &*c.text).collect();
        assert_eq!(spelt, word.text);
    }
    let place = |w: &Word| (w.page, w.block, w.line, w.number);
    assert!(words.is_sorted_by(|a, b| place(a) < place(b)));
    for segments in [&boxes.segments.lines, &boxes.segments.blocks] {
        let covered: Vec<u32> = segments.iter().flat_map(|s| s.words.clone()).collect();
        assert!(covered.iter().copied().eq(0..words.len() as u32));
    }
}

fn text(words: &Words, of: &[u32]) -> String {
    let texts: Vec<&str> = of.iter().map(|i| &*words.words[*i as usize].text).collect();
    texts.join(" ")
}

fn lines(boxes: &Boxes) -> Vec<String> {
    let line = |line: &Segment| text(&boxes.words, &line.words);
    boxes.segments.lines.iter().map(line).collect()
}

/// Page and words of each place.
fn places(boxes: &Boxes, places: &[Grounding]) -> Vec<(u32, String)> {
    let place = |place: &Grounding| (place.page, text(&boxes.words, &place.words));
    places.iter().map(place).collect()
}

/// Page, text and box of every word that poppler finds.
fn poppler(pdf: &Pdf) -> Vec<(u32, String, Rect)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.pdf");
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&path, &pdf.0).unwrap();
    let launch = Launch::new("pdftotext").args(["-bbox".as_ref(), path.as_os_str(), "-".as_ref()]);
    let output = child::output(&launch, Duration::from_secs(60)).unwrap();
    let html = String::from_utf8(output).unwrap();
    let (mut pages, mut words) = (0, Vec::new());
    for line in html.lines() {
        pages += u32::from(line.contains("<page "));
        let Some((_, rest)) = line.split_once("<word ") else {
            continue;
        };
        let (attributes, rest) = rest.split_once('>').unwrap();
        let edges: Vec<f64> = attributes
            .split('"')
            .filter_map(|part| part.parse().ok())
            .collect();
        let rect = Rect::new(edges[0], edges[1], edges[2], edges[3]).unwrap();
        let text = rest.strip_suffix("</word>").unwrap();
        let text = text.replace("&quot;", "\"").replace("&apos;", "'");
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        words.push((pages - 1, text.replace("&amp;", "&"), rect));
    }
    words
}

const PROSE: &str = "The quick brown fox jumps over lazy dogs while affine offices file fluffy \
    waffles; “Wow” said Yvonne — 12,345.67 EUR (net, AVAILABLE To Tokyo). ";

fn latin_pages() -> Vec<String> {
    let rows: String = (0..60)
        .map(|i| format!("<tr><td>{i}<td>Article no. {i}<td>{i}.50"))
        .collect();
    vec![
        latin(&format!(
            "<p style='text-align: justify'>{}",
            PROSE.repeat(5)
        )),
        page("Noto Serif", "ltr", &format!("<p>{}", PROSE.repeat(5))),
        latin(&format!(
            "<div style='columns: 2; font-size: 9pt'>{}",
            PROSE.repeat(20)
        )),
        latin(
            "<h1 style='letter-spacing: .2em; text-transform: uppercase'>Commercial invoice</h1>",
        ),
        latin(
            "<ol><li>first<li>second</ol><ul><li>dot</ul><p>H<sub>2</sub>O, <b>bo</b>ld-<i>it</i>al",
        ),
        latin("<p style='text-shadow: 1px 1px red'>Shadow text</p><pre>a1\tb2    c3</pre>"),
        latin(
            "<table style='border-spacing: 0'><tr><td style='padding: 0 .3em 0 0'>1<td>Brush</table>",
        ),
        latin("<div style='display: flex; gap: 1em'>raw text <b>bold</b> more</div>"),
        latin(&format!(
            "<table><thead><tr><th>No.<th>Text<th>Sum</thead>{rows}</table>"
        )),
        page(
            "Liberation Serif",
            "ltr",
            "<p>Счёт-фактура № 17, г. Москва. Καλημέρα. Łódź, Çeşme.",
        ),
    ]
}

#[test]
fn latin_words_and_boxes_agree_with_poppler() {
    let pages = latin_pages();
    let markups: Vec<Markup> = pages
        .iter()
        .map(|html| Markup::parse(html).unwrap())
        .collect();
    let marked: Vec<String> = markups.iter().map(Markup::marked).collect();
    for (markup, pdf) in markups.iter().zip(print(&marked)) {
        for markup in [Some(markup), None] {
            let found = boxes(&pdf, markup, None).unwrap();
            check_sound(&found);
            let mut words = found.words.words;
            for (page, text, rect) in poppler(&pdf) {
                let same = words.iter().position(|word| {
                    word.page == page && word.text == text && word.rect.iou(&rect) > 0.85
                });
                let Some(same) = same else {
                    panic!("`{text}` at {rect:?} of page {page} is not among {words:#?}");
                };
                words.swap_remove(same);
            }
            assert_eq!(words, [], "words that poppler does not see");
        }
    }
}

#[test]
fn marks_move_nothing() {
    let pages = latin_pages();
    let marked: Vec<String> = pages
        .iter()
        .map(|html| Markup::parse(html).unwrap().marked())
        .collect();
    for (clean, marked) in print(&pages).iter().zip(print(&marked)) {
        let (clean, marked) = (poppler(clean), poppler(&marked));
        assert_eq!(clean.len(), marked.len());
        for (a, b) in clean.iter().zip(&marked) {
            let distance = (a.2.x0 - b.2.x0).abs() + (a.2.y0 - b.2.y0).abs();
            assert!((a.0, &a.1) == (b.0, &b.1) && distance < 0.01, "{a:?} {b:?}");
        }
    }
}

#[test]
fn text_is_in_logical_order() {
    // Font, direction and the lines of a document, one a paragraph.
    let documents: &[(&str, &str, &[&str])] = &[
        (
            "Noto Naskh Arabic",
            "rtl",
            &[
                "رقم الفاتورة: INV-2024-17 بتاريخ 12 مارس 2024",
                "المبلغ (1,250.00 ريال) لا إله خلال 30 يوما",
                "SA03 8000 0000 لدى البنك الأهلي.",
                "في <b>2016</b>، أو <b>055</b>. رقم <b>SX-74339</b>: (<b>20</b>)",
                "<b>5</b>/<b>mg</b>، من <b>185</b>–<b>203</b>.",
            ],
        ),
        // Its hamza has a baseline of its own.
        (
            "Scheherazade",
            "rtl",
            &["الأول الأربعاء في الأحياء", "أ<b>سماء</b> الآن <b>سؤا</b>ل"],
        ),
        (
            "Noto Sans Hebrew",
            "rtl",
            &["לכבוד ABC Ltd מספר 12345, תאריך 01/03/2024 (מקור)."],
        ),
        (
            "Noto Sans Devanagari",
            "ltr",
            &[
                "क्रमांक: भा-१२३/४ दिनांक १ मार्च २०२४",
                "श्री राजेन्द्र कृष्णमूर्ति द्वारा प्राप्ति हुई। क्षत्रिय, त्रिकोण",
            ],
        ),
        (
            "Noto Serif",
            "ltr",
            &["office affine file waffle", "Mixed עברית text"],
        ),
        (
            "Noto Sans CJK JP",
            "ltr",
            &["東京都千代田区 12,345円です。", "番号: A-123"],
        ),
    ];
    let pages: Vec<String> = documents
        .iter()
        .map(|(font, direction, lines)| {
            let body: String = lines.iter().map(|line| format!("<p>{line}")).collect();
            page(font, direction, &body)
        })
        .collect();
    for ((.., expected), found) in documents.iter().zip(locate(&pages)) {
        let expected = expected.iter().map(|line| line.replace("<b>", ""));
        let expected: Vec<String> = expected.map(|line| line.replace("</b>", "")).collect();
        assert_eq!(lines(&found), expected);
    }
}

#[test]
fn right_to_left_is_known_without_marks() {
    let expected = ["السادة شركة ABC Ltd المحدودة، خلال 30 يوما"];
    let html = page("Noto Naskh Arabic", "rtl", &format!("<p>{}", expected[0]));
    let found = boxes(&print(&[html])[0], None, None).unwrap();
    assert_eq!(lines(&found), expected);
    let directions: Vec<bool> = found.words.words.iter().map(|w| w.right_to_left).collect();
    assert_eq!(
        directions,
        [true, true, false, false, true, true, false, true]
    );
}

#[test]
fn columns_are_read_one_after_the_other_without_marks() {
    let column = |name: &str| format!("{name} {} end{name}.", PROSE.repeat(4));
    let html = latin(&format!(
        "<h1>Heading over both columns</h1><div style='display: flex; gap: 10mm; font-size: 9pt'>\
         <p style='flex: 1'>{}<p style='flex: 1'>{}</div>",
        column("Left"),
        column("Right"),
    ));
    let found = boxes(&print(&[html])[0], None, None).unwrap();
    check_sound(&found);
    let read = lines(&found).join(" ");
    let at =
        ["Heading", "Left", "endLeft.", "Right", "endRight."].map(|word| read.find(word).unwrap());
    assert!(at.is_sorted(), "{read}");
}

#[test]
fn values_are_found_where_they_stand() {
    let found = locate_one(latin(
        r#"<script type="application/json" id="ground-truth">{"questions": [
             {"question": "Sum?", "field": "total"}, {"question": "Who?", "answer": "Ann Lee"},
             {"question": "Rest?", "answer": "2.00"}]}</script>
           <p>First 12.00, then <b data-field="total" data-entity="MONEY">12.00 EUR</b>, 12.00 again
           <p>By Mary-Ann Lee, <i data-entity="PERSON">Ann Lee</i>; 112.00 but 2.00</p>
           <p class="handwriting" data-author="Eve">Eve M."#,
    ));
    let truth = found.truth.as_ref().unwrap();
    let grounded = |of: &[Grounding]| places(&found, of);
    assert_eq!(
        grounded(&truth.fields[0].places),
        [(0, "12.00 EUR,".into())]
    );
    assert_eq!(truth.questions[0].places, truth.fields[0].places);
    assert_eq!(
        grounded(&truth.questions[1].places),
        [(0, "Mary-Ann Lee,".into())]
    );
    assert_eq!(grounded(&truth.questions[2].places), [(0, "2.00".into())]);
    assert_eq!(
        grounded(&found.handwriting.regions[0].places),
        [(0, "Eve M.".into())]
    );
    let labelled = found.words.words.iter().zip(&truth.bio);
    let labelled = labelled.filter(|(_, label)| *label != "O");
    let labelled: Vec<_> = labelled.map(|(w, label)| (&*w.text, &**label)).collect();
    let expected = [
        ("12.00", "B-MONEY"),
        ("EUR,", "I-MONEY"),
        ("Ann", "B-PERSON"),
        ("Lee;", "I-PERSON"),
    ];
    assert_eq!(labelled, expected);
}

#[test]
fn a_place_is_around_its_own_text() {
    let check = |body: &str, words: &str, shares: [f64; 2]| {
        let found = locate_one(page("Noto Sans CJK JP", "ltr", body));
        let place = &found.truth.as_ref().unwrap().fields[0].places[0];
        assert_eq!(text(&found.words, &place.words), words);
        let line = &found.segments.lines[0].rect;
        let [left, right] = [place.rect.x0, place.rect.x1].map(|x| (x - line.x0) / line.width());
        let near = (left - shares[0]).abs().max((right - shares[1]).abs()) < 0.03;
        assert!(near, "{words} goes from {left:.2} to {right:.2}");
    };
    // All glyphs of the line are equally wide.
    check(
        "<p>日付は<b data-field=date>二〇一六年五月</b>です。",
        "二〇一六年五月",
        [3.0 / 13.0, 10.0 / 13.0],
    );
    check(
        "<p style='font-family: Liberation Mono'>at <b data-field=date>10-10-2016</b>, then",
        "10-10-2016,",
        [3.0 / 19.0, 13.0 / 19.0],
    );
    let question = r#"<script id=ground-truth type=application/json>
        {"questions": [{"question": "When?", "answer": "五月"}]}</script><p>日付は五月です。"#;
    let found = locate_one(page("Noto Sans CJK JP", "ltr", question));
    let asked = &found.truth.as_ref().unwrap().questions[0].places[0].rect;
    let line = &found.segments.lines[0].rect;
    assert!((asked.width() / line.width() - 2.0 / 8.0).abs() < 0.03);
}

#[test]
fn labels_of_a_text_without_blanks_are_those_of_its_elements() {
    let found = locate_one(page(
        "Noto Sans CJK JP",
        "ltr",
        "<p>日期：<b data-entity=DATE>2016-10-10</b>，共计<b data-entity=MONEY>12,345元</b>。",
    ));
    let labelled = found
        .words
        .words
        .iter()
        .zip(&found.truth.as_ref().unwrap().bio);
    let labelled: Vec<_> = labelled.map(|(w, label)| (&*w.text, &**label)).collect();
    let expected = [
        ("日期：", "O"),
        ("2016-10-10", "B-DATE"),
        ("，共计", "O"),
        ("12,345元", "B-MONEY"),
        ("。", "O"),
    ];
    assert_eq!(labelled, expected);
}

#[test]
fn what_a_clip_hides_is_not_there() {
    let found = locate_one(latin(
        "<div style='overflow: hidden; height: 1.2em; line-height: 1.2'>shown<br>hidden</div>\
         <p style='position: absolute; left: -400pt'>outside",
    ));
    assert_eq!(lines(&found), ["shown"]);
    // Chromium paints the first line of a page at the foot of the page before it once more.
    let lines_of_hindi = "<p style='margin: 0; line-height: 1'>क्षत्रिय द्वारा हुई।".repeat(120);
    let found = locate_one(page("Noto Sans Devanagari", "ltr", &lines_of_hindi));
    assert!(found.words.pages.len() > 1);
    assert_eq!(found.words.words.len(), 3 * 120);
}

#[test]
fn a_word_broken_over_lines_is_a_word_on_each() {
    let found = locate_one(latin(
        "<ol><li style='width: 8em; overflow-wrap: anywhere'>a <b data-field=key>ABCDEFGHIJKLMNOPQRST</b>",
    ));
    assert_eq!(lines(&found)[0], "1. a");
    let truth = found.truth.as_ref().unwrap();
    let [place] = &truth.fields[0].places[..] else {
        panic!("{truth:?}");
    };
    assert!(place.words.len() > 1 && place.rect.height() > 20.0);
    let pieces = text(&found.words, &place.words).replace(' ', "");
    assert_eq!(pieces, truth.fields[0].value);
    let found = locate_one(page(
        "Noto Naskh Arabic",
        "rtl",
        "<p style='width: 3em'>186–195.",
    ));
    assert_eq!(lines(&found), ["186–", "195."]);
}

#[test]
fn tables_go_over_pages_with_their_cells() {
    let rows: String = (1..70).map(|i| format!("<tr><td>{i}<td>x<td>y")).collect();
    let found = locate_one(latin(&format!(
        "<h1 data-region=title>Title</h1><table data-region=table><thead><tr><th colspan=2>Head<th>Z\
         </thead>{rows}<tr><td rowspan=2>A<td>b<td>c<tr><td colspan=2>wide cell</table>"
    )));
    assert_eq!(found.words.pages.len(), 2);
    let [title, table] = &found.layout.regions[..] else {
        panic!("{:?}", found.layout);
    };
    assert_eq!(places(&found, &title.places), [(0, "Title".into())]);
    assert_eq!(
        table.places.iter().map(|p| p.page).collect::<Vec<_>>(),
        [0, 1]
    );
    let cell = |i: usize| &table.cells[i];
    // The browser repeats the head on every page.
    assert_eq!(
        places(&found, &cell(0).places),
        [(0, "Head".into()), (1, "Head".into())]
    );
    let wide = table.cells.last().unwrap();
    assert_eq!((wide.row, wide.column, wide.column_span), (71, 1, 2));
    assert_eq!(places(&found, &wide.places), [(1, "wide cell".into())]);
}

#[test]
fn visual_elements_have_their_room() {
    let found = locate_one(latin(
        "<div data-region=stamp><div data-visual-element=stamp data-content=PAID \
         style='width: 120pt; height: 40pt; background: red'></div></div>\
         <svg data-visual-element=logo style='position: absolute; left: 100pt; top: 200pt' \
         width=50pt height=20pt></svg>\
         <p style='break-before: page'><span data-visual-element=photo style='display: inline-block; \
         width: 30pt; height: 30pt; transform: rotate(45deg)'></span>",
    ));
    let margin = 15.0 * 72.0 / 25.4;
    let near = |rect: &Rect, [x, y, width, height]: [f64; 4]| {
        let expected = Rect::new(x, y, x + width, y + height).unwrap();
        assert!(rect.iou(&expected) > 0.97, "{rect:?} is not {expected:?}");
    };
    let [stamp, logo, photo] = &found.visual_elements.places[..] else {
        panic!("{:?}", found.visual_elements);
    };
    assert_eq!(
        (&*stamp.kind, &*stamp.content, stamp.page),
        ("stamp", "PAID", 0)
    );
    near(&stamp.rect, [margin, margin, 120.0, 40.0]);
    near(&logo.rect, [margin + 100.0, margin + 200.0, 50.0, 20.0]);
    assert_eq!((&*photo.kind, photo.page), ("photo", 1));
    assert!((photo.rect.width() - 30.0 * 2f64.sqrt()).abs() < 0.5);
    near(
        &found.layout.regions[0].places[0].rect,
        [margin, margin, 120.0, 40.0],
    );
}

#[test]
fn turned_text_keeps_its_angle() {
    let found = locate_one(latin(
        "<div style='transform: rotate(-15deg); width: 200pt; margin: 50pt'>PAID IN FULL</div>\
         <div style='transform: rotate(90deg); width: 100pt'>upwards</div>",
    ));
    assert_eq!(lines(&found), ["PAID IN FULL", "upwards"]);
    let angles: Vec<f64> = found.words.words.iter().map(|word| word.angle).collect();
    assert_eq!(angles, [-15.0, -15.0, -15.0, 90.0]);
    let upwards = &found.words.words[3].rect;
    assert!(upwards.height() > 2.0 * upwards.width());
}

#[test]
fn broken_files_are_told() {
    let error = boxes(&Pdf(b"%PDF-1.7 nothing".to_vec()), None, None).unwrap_err();
    assert_eq!(error.code().as_str(), "DG0450");
}
