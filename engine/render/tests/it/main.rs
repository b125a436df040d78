//! Printing as seen from outside, in a real browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod family;
mod network;
mod pages;
mod supervision;

use std::{path::Path, time::Duration};

use docgenie_render::{HtmlPage, PageSize, RenderSettings, Renderer};

fn settings(home: &Path) -> RenderSettings {
    RenderSettings {
        home: home.to_owned(),
        tabs: 2,
        pages_per_browser: 500,
        limit: Duration::from_secs(60),
    }
}

fn renderer(home: &Path) -> Renderer {
    Renderer::start(settings(home)).unwrap()
}

fn css(html: &str) -> HtmlPage<'_> {
    let size = PageSize::Css;
    HtmlPage { html, size }
}

/// The text of a PDF, as its fonts map glyphs to characters.
fn text(pdf: &[u8]) -> String {
    let document = lopdf::Document::load_mem(pdf).unwrap();
    let pages: Vec<_> = document.get_pages().into_keys().collect();
    document.extract_text(&pages).unwrap()
}
