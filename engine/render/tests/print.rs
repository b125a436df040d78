//! Printing as seen from outside, in a real browser.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, time::Duration};

use docgenie_render::{HtmlPage, PageSize, RenderSettings, Renderer};

fn renderer(home: &Path) -> Renderer {
    Renderer::start(RenderSettings {
        home: home.to_owned(),
        tabs: 2,
        pages_per_browser: 500,
        limit: Duration::from_secs(60),
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_gives_the_same_bytes_in_every_browser() {
    let home = tempfile::tempdir().unwrap();
    let html = "<!DOCTYPE html><style>@page { size: 100mm 50mm }</style><p>Grüße</p>";
    let page = HtmlPage {
        html,
        size: PageSize::Css,
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let renderer = renderer(home.path());
        seen.push(renderer.print(page).await.unwrap());
        seen.push(renderer.print(page).await.unwrap());
        renderer.close().await;
    }
    assert!(seen[0].starts_with(b"%PDF-"));
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}
