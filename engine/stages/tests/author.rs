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
};

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

/// What of a page's meaning has no place on it.
fn unplaced(boxes: &Boxes) -> Vec<String> {
    let truth = boxes.truth.as_ref().unwrap();
    let fields = truth.fields.iter().filter(|field| field.places.is_empty());
    let questions = truth
        .questions
        .iter()
        .filter(|question| question.places.is_empty());
    let entities = truth
        .entities
        .iter()
        .filter(|entity| entity.places.is_empty());
    let ink = boxes
        .handwriting
        .regions
        .iter()
        .filter(|region| region.places.is_empty());
    fields
        .map(|field| format!("field {} = {}", field.name, field.value))
        .chain(
            questions
                .map(|question| format!("question {} = {}", question.question, question.answer)),
        )
        .chain(entities.map(|entity| format!("entity {} = {}", entity.label, entity.text)))
        .chain(ink.map(|region| format!("ink {}", region.text)))
        .collect()
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
            unplaced(&boxes)
                .into_iter()
                .map(|fault| format!("{name}: {fault}")),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
