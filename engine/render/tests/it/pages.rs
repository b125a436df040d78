//! What comes out for what goes in.

use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use docgenie_render::{HtmlPage, PageSize, RenderError};

use crate::{css, renderer, text};

/// Some TrueType font of this machine.
fn font() -> Vec<u8> {
    let mut folders = vec![PathBuf::from("/usr/share/fonts")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with("Mono-Regular.ttf") {
                return fs::read(path).unwrap();
            }
        }
    }
    panic!("no font in /usr/share/fonts")
}

/// A page with everything that could come late or differ: an image and a font of its own.
fn rich_page() -> String {
    let font = BASE64_STANDARD.encode(font());
    let image = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==";
    format!(
        "<!DOCTYPE html><style>@font-face {{ font-family: Own; src: url(data:font/ttf;base64,{font}) }}
        p {{ font: 12pt Own }} div {{ height: 2cm; background: url(data:image/png;base64,{image}) }}</style>
        <p>Grüße</p><div></div><img src='data:image/png;base64,{image}'>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_gives_the_same_bytes_in_every_browser() {
    let home = tempfile::tempdir().unwrap();
    let html = rich_page();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let renderer = renderer(home.path());
        seen.push(renderer.print(css(&html)).await.unwrap());
        seen.push(
            renderer
                .print(css("<p>another page between</p>"))
                .await
                .unwrap(),
        );
        seen.push(renderer.print(css(&html)).await.unwrap());
        renderer.close().await;
    }
    seen.retain(|pdf| !text(pdf).contains("another"));
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|pdf| *pdf == seen[0]));
    assert!(text(&seen[0]).contains("Grüße"));
    let pdf = lopdf::Document::load_mem(&seen[0]).unwrap();
    let images = pdf.objects.values().filter(|object| {
        let stream = object.as_stream().ok();
        stream.is_some_and(|stream| stream.dict.has_type(b"XObject"))
    });
    assert!(
        images.count() > 0,
        "images are there although they load apart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_page_holds_for_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let renderer = renderer(home.path());
    let plain = rich_page();
    let alone = renderer.print(css(&plain)).await.unwrap();
    for before in [
        "<title>old</title><base href='data:,'>text",
        "<meta http-equiv=Content-Security-Policy content=\"style-src 'none'\">text",
        "<meta http-equiv=Content-Security-Policy content=\"img-src 'none'; font-src 'none'\">text",
        "<meta name=color-scheme content=dark>text",
        "<meta name=viewport content='width=100'>text",
        "<meta http-equiv=default-style content=other>text",
        "<html lang=ar dir=rtl style='zoom: 2; color-scheme: dark'>text",
        "<style>@page { size: 3in; margin: 1in } @font-face { font-family: Own; src: local(x) }</style>text",
        "<frameset><frame></frameset>",
        "<plaintext>text",
    ] {
        renderer.print(css(before)).await.unwrap();
        let after = renderer.print(css(&plain)).await.unwrap();
        assert!(after == alone, "{before}");
    }
    renderer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_sizes() {
    let home = tempfile::tempdir().unwrap();
    let renderer = renderer(home.path());
    let check = async |html: &str, size, pages: usize, [width, height]: [f32; 2]| {
        let pdf = renderer.print(HtmlPage { html, size }).await.unwrap();
        let pdf = lopdf::Document::load_mem(&pdf).unwrap();
        assert_eq!(pdf.get_pages().len(), pages, "{html}");
        let page = pdf.get_dictionary(pdf.get_pages()[&1]).unwrap();
        let sides = page
            .get(b"MediaBox")
            .and_then(lopdf::Object::as_array)
            .unwrap();
        let sides: Vec<_> = sides.iter().map(|side| side.as_float().unwrap()).collect();
        let off = (sides[2] - width).abs().max((sides[3] - height).abs());
        assert!(
            off < 1.5,
            "{html}: {sides:?} instead of {width} by {height}"
        );
    };
    let (by_css, by_content) = (PageSize::Css, PageSize::Content);
    let a4 = [595.3, 841.9];
    check("<p>text", by_css, 1, a4).await;
    check(
        "<style>@page { size: 100mm 50mm }</style>text",
        by_css,
        1,
        [283.5, 141.7],
    )
    .await;
    check(
        "<style>@page { size: A4 landscape }</style>text",
        by_css,
        1,
        [841.9, 595.3],
    )
    .await;
    check("<p style='break-after: page'>one<p>two", by_css, 2, a4).await;
    let receipt = "<!DOCTYPE html><style>@page { size: A4; margin: 3cm }
        body { margin: 0; width: 300px; height: 2000px }</style>text";
    check(receipt, by_content, 1, [225.0, 1500.0]).await;
    for turned in ["<html dir=rtl>", "<body dir=rtl>"] {
        let receipt = receipt.replace("<!DOCTYPE html>", &format!("<!DOCTYPE html>{turned}"));
        check(&receipt, by_content, 1, [225.0, 1500.0]).await;
    }
    let wide = "<!DOCTYPE html><body style='margin: 0'><div style='width: 2000px; height: 10px'>";
    check(wide, by_content, 1, [1500.0, 7.5]).await;
    let sheet = "<!DOCTYPE html><body style='margin: 0; min-height: 100vh'>text";
    check(sheet, by_content, 1, a4).await;
    renderer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_cannot_be_printed() {
    let home = tempfile::tempdir().unwrap();
    let renderer = renderer(home.path());
    let empty = renderer.print(css(" \n ")).await;
    assert!(matches!(empty, Err(RenderError::Empty)), "{empty:?}");
    for (html, size) in [
        ("<div style='height: 99999px'>", PageSize::Content),
        (
            "<style>@page { size: 10000cm 1cm }</style>text",
            PageSize::Css,
        ),
    ] {
        let failed = renderer.print(HtmlPage { html, size }).await;
        assert!(
            matches!(failed, Err(RenderError::TooLarge { .. })),
            "{html}: {failed:?}"
        );
    }
    renderer
        .print(css("<p>the next one is not affected"))
        .await
        .unwrap();
    renderer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_keep_four_decimals() {
    let home = tempfile::tempdir().unwrap();
    let renderer = renderer(home.path());
    let html = "<p style='color: color(srgb 0.2007 0.4011 0.6018)'>ink</p>";
    let pdf = renderer.print(css(html)).await.unwrap();
    let pdf = lopdf::Document::load_mem(&pdf).unwrap();
    let content = pdf.get_page_content(pdf.get_pages()[&1]);
    let content = String::from_utf8_lossy(&content).into_owned();
    assert!(content.contains(".2007 .4011 .6018 rg"), "{content}");
    renderer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_can_render() {
    let home = tempfile::tempdir().unwrap();
    let browser = docgenie_render::probe(home.path()).await.unwrap();
    let identity = renderer(home.path()).identity();
    assert!(identity.starts_with(&browser.version), "{identity}");
    assert!(identity.contains(", fonts "), "{identity}");
}
