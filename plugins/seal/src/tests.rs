use docgenie_plugin::testing;
use serde_json::Value;

use docgenie_plugin::Rect;

use super::*;

fn render(params: &Value, content: &str, seed: u32) -> Result<Drawn> {
    testing::render::<Seal>(params, content, [300, 260], seed)
}

fn svg(drawn: &Drawn) -> &str {
    match &drawn.picture {
        Picture::Svg(svg) => svg,
        Picture::Raster(_) => "",
    }
}

#[test]
fn a_seed_gives_one_seal() {
    let draw = |seed| render(&json!({}), "Acme & Söhne GmbH | Köln", seed).unwrap();
    assert_eq!(draw(1), draw(1));
    let different = (2..12).filter(|seed| draw(*seed) != draw(1));
    assert_eq!(different.count(), 10);
    assert!(svg(&draw(1)).contains(">&amp;</textPath>"));
}

#[test]
fn words_are_those_that_are_drawn_and_stand_in_the_picture() {
    for seed in 0..50 {
        let drawn = render(&json!({}), "Acme & Söhne GmbH | Köln", seed).unwrap();
        let words: Vec<_> = drawn.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words[..5], ["Acme", "&", "Söhne", "GmbH", "Köln"]);
        for word in &drawn.words {
            let Rect { x, y, .. } = word.bounds;
            assert!(
                x >= 0.0
                    && y >= 0.0
                    && word.bounds.right() <= 300.0
                    && word.bounds.bottom() <= 260.0
            );
            assert!((-180.0..=180.0).contains(&word.angle) && word.font_size > 6.5);
        }
        assert_eq!(svg(&drawn).matches("<text ").count(), words.len());
    }
}

#[test]
fn text_runs_over_the_top_and_under_the_bottom() {
    let drawn = render(&json!({ "centre": "star" }), "Left Right | Left Right", 3).unwrap();
    let middle = |at: usize| {
        let bounds = drawn.words[at].bounds;
        (
            bounds.x + bounds.width / 2.0,
            bounds.y + bounds.height / 2.0,
        )
    };
    assert!(middle(0).0 < middle(1).0 && middle(0).1 < 130.0);
    assert!(middle(2).0 < middle(3).0 && middle(2).1 > 130.0);
    assert!(drawn.words[0].angle < drawn.words[1].angle);
    // From right to left the first word stands to the right.
    let drawn = render(&json!({ "centre": "star" }), "שלום עולם", 3).unwrap();
    assert!(drawn.words[0].bounds.x > drawn.words[1].bounds.x);
}

#[test]
fn params_are_followed() {
    let params =
        json!({ "colour": "#123abc", "text": "Nord West Ost | Kiel", "centre": "initials" });
    let drawn = render(&params, "Other", 1).unwrap();
    assert_eq!(
        drawn.content,
        json!({ "text": "Nord West Ost Kiel", "centre": "NWO", "colour": "#123abc" })
    );
    assert_eq!(
        drawn.words.last().map(|word| word.text.as_str()),
        Some("NWO")
    );
    for style in ["double", "single", "beaded", "notched"] {
        let drawn = render(&json!({ "style": style, "centre": "anchor" }), "A", 1).unwrap();
        assert!(svg(&drawn).contains("<circle"));
    }
    for wrong in [
        json!({ "colour": "mauve" }),
        json!({ "colour": "#12345" }),
        json!({ "colour": "#12345é" }),
        json!({ "text": " | x" }),
        json!({ "centre": "moon" }),
        json!({ "color": "red" }),
    ] {
        assert!(
            matches!(render(&wrong, "A", 1), Err(Failure::BadParams(_))),
            "{wrong}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_not_drawn() {
    for content in [
        "",
        " \u{7} ",
        "| x",
        &"long ".repeat(60),
        &"x".repeat(100_000),
    ] {
        let drawn = render(&json!({}), content, 1);
        assert!(
            matches!(drawn, Err(Failure::Unsuitable(_))),
            "{content:.20}"
        );
    }
    let small = testing::render::<Seal>(&json!({}), "A", [300, 40], 1);
    assert!(matches!(small, Err(Failure::Unsuitable(_))));
    let nothing = testing::render::<Seal>(&json!({}), "A", [0, 0], 1);
    assert!(matches!(nothing, Err(Failure::Unsuitable(_))));
}

#[test]
fn what_is_said_cannot_leave_the_text() {
    let drawn = render(&json!({}), "</text><script>\u{1b}[31m\"'&", 1).unwrap();
    assert!(!svg(&drawn).contains("<script") && !svg(&drawn).contains('\u{1b}'));
}

#[test]
fn every_script_and_length() {
    for (number, content) in (0..).zip(SHOWN) {
        let drawn = render(&json!({}), content, number).unwrap();
        let said = content.replace('|', " ");
        let words = drawn.words.iter().map(|word| word.text.as_str());
        assert!(
            words
                .zip(said.split_whitespace())
                .all(|(word, said)| word == said),
            "{content}"
        );
    }
}

const SHOWN: &[&str] = &[
    "Acme & Söhne GmbH | Köln",
    "Bergmann Maschinenbau AG",
    "Northern Shipping Company Limited",
    "Ministère de la Santé | Paris",
    "株式会社 東京 製作所",
    "شركة النور للتجارة",
    "ООО Северная Звезда | Москва",
    "Instituto Nacional de Estadística y Censos | Buenos Aires",
    "ACME",
    "भारतीय रेल निगम | दिल्ली",
    "Wjgpq Ångström Élysée",
    "Public Notary | Jane Q. Doe",
];
