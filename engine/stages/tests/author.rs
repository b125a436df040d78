//! Every document type in every language, printed by a real browser and read back: whatever the
//! templates say about a page stands on it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use docgenie_document::{Seed, slot::Pdf};
use docgenie_render::{HtmlPage, PageSize, RenderSettings, Renderer};
use docgenie_stages::{
    OneOrMany,
    author::{Author, AuthorConfig},
    boxes::{Boxes, boxes},
    markup::Markup,
    verify::verification,
};
use scraper::{Html, Selector};

/// Names of the files below a folder of the template set, without their ending.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("templates")
        .join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

/// One page of every layout, the languages by turns, so that every type comes in every language.
fn pages() -> Vec<(String, Markup)> {
    let mut pages = Vec::new();
    for doc_type in names("types", "") {
        let layouts: Vec<String> = names(&format!("types/{doc_type}/layouts"), ".html")
            .into_iter()
            .collect();
        let languages: Vec<String> = names(&format!("types/{doc_type}/texts"), ".toml")
            .into_iter()
            .collect();
        for turn in 0..layouts.len().max(languages.len()) {
            let (layout, language) = (
                &layouts[turn % layouts.len()],
                &languages[turn % languages.len()],
            );
            let config = AuthorConfig {
                doc_type: OneOrMany::One(doc_type.clone()),
                language: OneOrMany::One(language.clone()),
                layout: Some(layout.clone()),
                ..AuthorConfig::default()
            };
            let author = Author::new(&config, None).unwrap();
            let page = author.page(Seed(turn as u64)).unwrap();
            pages.push((format!("{doc_type}/{layout} in {language}"), page.markup));
        }
    }
    pages
}

fn print(pages: &[(String, Markup)]) -> Vec<Pdf> {
    let home = tempfile::tempdir().unwrap();
    let settings = RenderSettings {
        home: home.path().to_owned(),
        tabs: 1,
        pages_per_browser: 500,
        limit: Duration::from_secs(60),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let renderer = Renderer::start(settings).unwrap();
        let mut printed = Vec::new();
        for (_, markup) in pages {
            let size = if markup.is_as_long_as_content() {
                PageSize::Content
            } else {
                PageSize::Css
            };
            let html = markup.marked();
            printed.push(Pdf(renderer
                .print(HtmlPage { html: &html, size })
                .await
                .unwrap()));
        }
        renderer.close().await;
        printed
    })
}

/// What of a page's meaning does not stand verbatim where it should.
fn misplaced(boxes: &Boxes) -> Vec<String> {
    let truth = boxes.truth.as_ref().unwrap();
    let verified = verification(&boxes.words, truth, Some(&boxes.layout), None, 1.0);
    let keys = verified.keys.iter().filter(|key| !key.exact);
    let keys = keys.map(|key| format!("{} {} = {}", key.kind, key.key, key.value));
    let labels = (!verified.valid_labels).then(|| "labels".to_owned());
    let fields = truth.fields.iter().map(|it| (&it.name, &it.places));
    let asked = truth.questions.iter().map(|it| (&it.question, &it.places));
    let entities = truth.entities.iter().map(|it| (&it.text, &it.places));
    let ink = &boxes.handwriting.regions;
    let ink = ink.iter().map(|it| (&it.text, &it.places));
    let placed = fields.chain(asked).chain(entities).chain(ink);
    let nowhere = placed.filter(|(_, places)| places.is_empty());
    let nowhere = nowhere.map(|(name, _)| format!("{name} stands nowhere"));
    keys.chain(labels).chain(nowhere).collect()
}

/// The first word of a page that is marked word by word which is not read, in the order of the
/// document.
fn misread(markup: &Markup, boxes: &Boxes) -> Option<String> {
    let letters = |text: &str| -> String {
        let shown = text.chars().filter(|c| !c.is_whitespace());
        shown.flat_map(char::to_lowercase).collect()
    };
    let read: String = boxes
        .words
        .words
        .iter()
        .map(|it| letters(&it.text))
        .collect();
    let mut rest = &*read;
    let marked = Html::parse_document(&markup.marked());
    let chunks = Selector::parse("dg-t dg-w").unwrap();
    marked.select(&chunks).find_map(|chunk| {
        let text: String = chunk.text().map(letters).collect();
        let Some((_, after)) = rest.split_once(&*text) else {
            let found: String = rest.chars().take(80).collect();
            return Some(format!("`{text}` is not in `{found}…`"));
        };
        rest = after;
        None
    })
}

#[test]
fn whatever_templates_say_stands_on_the_page() {
    let pages = pages();
    let mut faults = Vec::new();
    for ((name, markup), pdf) in pages.iter().zip(print(&pages)) {
        let boxes = boxes(&pdf, Some(markup), Some(&markup.truth())).unwrap();
        let truth = boxes.truth.as_ref().unwrap();
        if truth.fields.len() < 4
            || truth.questions.len() < 3
            || truth.entities.len() < 3
            || boxes.layout.regions.len() < 4
        {
            faults.push(format!("{name}: hardly any ground truth"));
        }
        faults.extend(
            misplaced(&boxes)
                .into_iter()
                .chain(misread(markup, &boxes))
                .map(|fault| format!("{name}: {fault}")),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
