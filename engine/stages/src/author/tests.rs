//! The embedded templates as a whole: every type in every language.

use std::collections::{BTreeMap, BTreeSet};

use docgenie_document::{Seed, truth::GroundTruth};

use super::*;

fn author(doc_type: &str, language: &str) -> Author {
    let config = AuthorConfig {
        doc_type: OneOrMany::One(doc_type.to_owned()),
        language: OneOrMany::One(language.to_owned()),
        ..AuthorConfig::default()
    };
    Author::new(&config, None).unwrap_or_else(|failure| panic!("{:#?}", failure.problem))
}

fn truth(author: &Author, seed: u64) -> GroundTruth {
    let page = author
        .page(Seed(seed))
        .unwrap_or_else(|failure| panic!("seed {seed}: {:#?}", failure.problem));
    page.markup.truth()
}

/// The types of the set with the languages they have texts in.
fn written(set: &TemplateSet) -> impl Iterator<Item = (&String, &Arc<language::Language>)> {
    set.types.iter().flat_map(|(id, kind)| {
        let languages = set.languages.iter();
        let known = languages.filter(|language| kind.texts.contains_key(&language.code));
        known.map(move |language| (id, language))
    })
}

fn recipe(doc_type: &str, language: &Arc<language::Language>, seed: u64) -> Recipe<'static> {
    Recipe {
        doc_type: doc_type.to_owned(),
        language: Arc::clone(language),
        paper: None,
        layout: None,
        after: None,
        seed: Seed(seed),
    }
}

fn style_sheet(html: &str) -> &str {
    let (_, rest) = html.split_once("<style>").unwrap();
    rest.split_once("</style>").unwrap().0
}

#[test]
fn every_type_renders_in_every_language() {
    let set = TemplateSet::load(None).unwrap();
    let mut failures = BTreeSet::new();
    for (id, language) in written(&set) {
        for seed in 0..20 {
            match set.author(&recipe(id, language, seed)) {
                Ok(html) if Markup::parse(&html).is_err() => {
                    failures.insert(format!("{id} in {}, seed {seed}: mark-up", language.code));
                }
                // A style sheet is no HTML: what is escaped there is printed so.
                Ok(html) if style_sheet(&html).contains("&#") => {
                    failures.insert(format!("{id} in {}, seed {seed}: style", language.code));
                }
                Ok(_) => {}
                Err(error) => {
                    let cause = error.source().map(ToString::to_string);
                    failures.insert(format!("{id} in {}: {error} {cause:?}", language.code));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// A type says in every language what it says in English.
#[test]
fn texts_have_the_keys_of_english() {
    fn keys(texts: &language::Texts) -> BTreeSet<String> {
        let named = |kind: &'static str, key: &String| format!("{kind} {key}");
        let labels = texts.labels.keys().map(|key| named("label", key));
        let phrases = texts.phrases.keys().map(|key| named("phrase", key));
        let questions = texts.questions.keys().map(|key| named("question", key));
        let words = texts.words.keys().map(|key| named("words", key));
        labels
            .chain(phrases)
            .chain(questions)
            .chain(words)
            .collect()
    }
    let mut missing = Vec::new();
    for (id, kind) in &TemplateSet::load(None).unwrap().types {
        let english = keys(&kind.texts["en"]);
        for (code, texts) in &kind.texts {
            let own = keys(texts);
            missing.extend(
                english
                    .difference(&own)
                    .map(|key| format!("{id} in {code}: {key}")),
            );
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_same_seed_gives_the_same_page() {
    let (first, second) = (author("invoice", "German"), author("invoice", "de"));
    let html = |author: &Author, seed| author.page(Seed(seed)).unwrap().markup.clean();
    assert_eq!(html(&first, 7), html(&second, 7));
    assert_ne!(html(&first, 7), html(&first, 8));
}

fn cents(truth: &GroundTruth, name: &str) -> Vec<i64> {
    let fields = truth.fields.iter().filter(|field| field.name == name);
    let plain = fields.map(|field| {
        field
            .normalised
            .as_ref()
            .unwrap_or(&field.value)
            .replace('.', "")
    });
    plain.map(|digits| digits.parse().unwrap()).collect()
}

#[test]
fn sums_of_an_invoice_agree() {
    for language in ["German", "English"] {
        let author = author("invoice", language);
        for seed in 0..200 {
            let truth = truth(&author, seed);
            let net = cents(&truth, "net_total")[0];
            let tax: i64 = cents(&truth, "tax_amount").iter().sum();
            assert_eq!(
                cents(&truth, "line_total").iter().sum::<i64>(),
                net,
                "seed {seed}"
            );
            assert_eq!(net + tax, cents(&truth, "total")[0], "seed {seed}");
        }
    }
}

#[test]
fn free_text_finds_the_nearest_type() {
    let set = TemplateSet::load(None).unwrap();
    let check = |text: &str, expected: &[&str]| {
        let found = doc_type::find(text, &set.types).map(|meaning| meaning.types);
        assert_eq!(found.unwrap_or_default(), expected, "{text}");
    };
    check("invoice", &["invoice"]);
    check("Rechnung", &["invoice"]);
    check("invoces", &["invoice"]);
    check("a purchase order, please", &["purchase-order"]);
    check("zebra", &[]);
    let group = doc_type::find("business and administrative", &set.types).unwrap();
    let business = |id: &String| {
        set.types[id]
            .facts
            .groups
            .iter()
            .any(|it| ["business", "administrative"].contains(&it.as_str()))
    };
    assert!(
        group.types.len() > 3 && group.types.iter().all(business),
        "{group:?}"
    );
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let check = |config: AuthorConfig, expected: &str| {
        let failure = Author::new(&config, None).err().unwrap();
        let hint = failure.problem.hint.unwrap_or_default();
        assert!(
            format!("{} {hint}", failure.problem.message).contains(expected),
            "{hint}"
        );
    };
    let one = |text: &str| OneOrMany::One(text.to_owned());
    check(
        AuthorConfig {
            language: one("Germann"),
            ..Default::default()
        },
        "did you mean `German`?",
    );
    check(
        AuthorConfig {
            doc_type: one("zebra"),
            ..Default::default()
        },
        "known: ",
    );
    check(
        AuthorConfig {
            paper: "A44".to_owned(),
            ..Default::default()
        },
        "did you mean `A4",
    );
    check(
        AuthorConfig {
            layout: Some("bandd".to_owned()),
            ..Default::default()
        },
        "did you mean `band`?",
    );
}

/// The characters of every installed font, by family.
#[allow(
    clippy::disallowed_methods,
    reason = "asks what the machine has installed"
)]
fn installed_fonts() -> BTreeMap<String, BTreeSet<u32>> {
    use skrifa::MetadataProvider;
    let list = std::process::Command::new("fc-list")
        .args(["--format", "%{family}\t%{file}\t%{index}\n"])
        .output()
        .unwrap();
    let mut fonts: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for line in String::from_utf8(list.stdout).unwrap().lines() {
        let [families, file, index] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("unexpected line `{line}`");
        };
        let bytes = std::fs::read(file).unwrap();
        // The upper half of an index names an instance of a variable font.
        let index = index.parse::<u32>().unwrap() & 0xffff;
        let Ok(font) = skrifa::FontRef::from_index(&bytes, index) else {
            continue;
        };
        let characters: BTreeSet<u32> = font.charmap().mappings().map(|(code, _)| code).collect();
        for family in families.split(',') {
            fonts
                .entry(family.to_owned())
                .or_default()
                .extend(&characters);
        }
    }
    fonts
}

/// No tofu: whatever a language writes, a font of its stacks has the glyphs.
#[test]
fn every_character_has_a_glyph() {
    let set = TemplateSet::load(None).unwrap();
    let body = scraper::Selector::parse("body").unwrap();
    let installed = installed_fonts();
    let mut faults = BTreeSet::new();
    for language in &set.languages {
        let fonts = &set.styles.fonts[&language.script];
        for family in fonts.families() {
            if !installed.contains_key(family) {
                faults.insert(format!("{}: no font `{family}`", language.script));
            }
        }
        let covered: BTreeSet<u32> = fonts
            .fallback_families()
            .filter_map(|family| installed.get(family))
            .flatten()
            .copied()
            .collect();
        for (id, _) in written(&set).filter(|(_, own)| own.code == language.code) {
            for seed in 0..6 {
                let html = set.author(&recipe(id, language, seed)).unwrap();
                let dom = scraper::Html::parse_document(&html);
                let texts = dom.select(&body).flat_map(|body| body.text());
                let bare = texts
                    .flat_map(str::chars)
                    .filter(|c| !c.is_whitespace() && !covered.contains(&u32::from(*c)));
                faults
                    .extend(bare.map(|c| format!("{} in {id}: no glyph for {c:?}", language.name)));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Text stands out from its ground.
#[test]
fn colours_of_text_have_contrast() {
    let luminance = |colour: &str| {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let check = |text: &str, ground: &str| {
        let (a, b) = (luminance(text), luminance(ground));
        let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
        assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
    };
    for palette in &TemplateSet::load(None).unwrap().styles.palettes {
        check(&palette.on_accent, &palette.accent);
        check(palette.accent_ink(), "#ffffff");
        check(palette.accent_ink(), &palette.tint);
        check(&palette.ink, &palette.tint);
        check(&palette.muted, &palette.tint);
    }
}

#[test]
fn sums_of_a_receipt_agree() {
    for language in ["German", "English"] {
        let author = author("receipt", language);
        for seed in 0..200 {
            let truth = truth(&author, seed);
            let (total, lines) = (cents(&truth, "total")[0], cents(&truth, "line_total"));
            let tax: i64 = cents(&truth, "tax_amount").iter().sum();
            // Where prices exclude it, tax comes on top.
            let lines: i64 = lines.iter().sum();
            assert!(lines == total || lines + tax == total, "seed {seed}");
            let given: i64 = cents(&truth, "cash_given").iter().sum();
            let change: i64 = cents(&truth, "change").iter().sum();
            assert!(given == 0 || given - change == total, "seed {seed}");
        }
    }
}

/// An author of cards whose type, in a folder of the user's, has these two files.
fn author_of_cards(
    content: &str,
    layout: &str,
) -> (tempfile::TempDir, Result<Author, StageFailure>) {
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("types/card");
    for (path, text) in [
        ("type.toml", "aliases = [\"club card\"]\n"),
        (
            "texts/en.toml",
            "[labels]\ntitle = \"Card\"\n[questions]\nnumber = \"Which number?\"\n",
        ),
        ("content.jinja", content),
        ("layouts/plain.html", layout),
    ] {
        let path = card.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        docgenie_runtime::files::write_atomically(&path, text.as_bytes()).unwrap();
    }
    let config = AuthorConfig {
        doc_type: OneOrMany::One("Club Card".to_owned()),
        ..AuthorConfig::default()
    };
    let author = Author::new(&config, Some(&folder.path().to_owned()));
    (folder, author)
}

#[test]
fn a_folder_adds_a_type() {
    let layout = "{% extends \"shared/page.html\" %}{% block page %}{{ label(\"title\") }} {{ field(\"number\", number) }}{% endblock %}";
    let (_folder, author) = author_of_cards("{% set number = code(\"~###\") %}", layout);
    let page = author.unwrap().page(Seed(1)).unwrap();
    assert_eq!(
        page.remark.as_deref(),
        Some("document type `Club Card` taken as `card`")
    );
    let truth = page.markup.truth();
    assert_eq!(truth.document_type, "card");
    assert_eq!(truth.questions[0].answer, truth.fields[0].value);
}

#[test]
fn a_template_that_fails_is_named_with_its_line() {
    let check = |content: &str, layout: &str, expected: &str| {
        let (_folder, author) = author_of_cards(content, layout);
        let failure = author
            .and_then(|author| author.page(Seed(1)).map(drop))
            .unwrap_err();
        let text = format!("{failure} {:?}", failure.problem.causes);
        assert!(text.contains(expected), "{text}");
    };
    check(
        "",
        "\n\n{{ nonsense }}",
        "layouts/plain.html:3: the template failed",
    );
    check(
        "\n{{ label(\"nonsense\") }}",
        "",
        "content.jinja:2: the template failed",
    );
    check(
        "",
        "{{ label(\"nonsense\") }}",
        "English has no label `nonsense`",
    );
    check(
        "",
        "\n{% if %}",
        "layouts/plain.html:2: the template does not compile",
    );
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    check("", endless, "ran out of fuel");
    let unanswered = "{% set questions = [{\"question\": \"Q\", \"field\": \"none\"}] %}";
    check(unanswered, "", "the mark-up of a `card` cannot be read");
}

/// A page to take after, of so many points and with one colour.
fn seed_page((width, height): (f64, f64), colour: [u8; 3]) -> SeedPage {
    SeedPage {
        media_type: "image/png",
        bytes: Vec::new(),
        size: (width as u32, height as u32),
        points: Some((width, height)),
        colours: vec![colour],
        digest: docgenie_document::Digest::of(b"a page"),
    }
}

#[test]
fn paper_and_colours_are_taken_over() {
    let letter = seed_page((612.0, 792.0), [200, 16, 46]);
    let roll = seed_page((164.4, 700.0), [0, 90, 60]);
    let lying = seed_page((842.0, 595.0), [10, 30, 140]);
    let check = |author: &Author, after: &SeedPage, expected: &[&str]| {
        for seed in 0..20 {
            let page = author.page_after(Some(after), Seed(seed)).unwrap();
            let html = page.markup.clean();
            let sheet = style_sheet(&html);
            let missing = expected.iter().find(|text| !sheet.contains(**text));
            assert_eq!(missing, None, "seed {seed}: {}", &sheet[..900]);
        }
    };
    let invoice = author("invoice", "German");
    let red = "--accent:#c8102e;";
    check(
        &invoice,
        &letter,
        &[red, "--page-width:215.9mm;--page-height:279.4mm;"],
    );
    check(
        &invoice,
        &lying,
        &[
            "--accent:#0a1e8c;",
            "--page-width:297mm;--page-height:210mm;",
        ],
    );
    // An invoice is on no roll, a receipt on nothing else.
    check(
        &invoice,
        &roll,
        &[
            "--accent:#005a3c;",
            "--page-width:215.9mm;--page-height:355.6mm;",
        ],
    );
    check(
        &author("receipt", "de"),
        &roll,
        &["--accent:#005a3c;", "--page-width:58mm;"],
    );
    check(
        &author("receipt", "de"),
        &letter,
        &[red, "--page-width:80mm;"],
    );
    // What is said is not guessed.
    let config = AuthorConfig {
        paper: "A5".to_owned(),
        ..AuthorConfig::default()
    };
    let small = Author::new(&config, None).ok().unwrap();
    check(
        &small,
        &letter,
        &[red, "--page-width:148mm;--page-height:210mm;"],
    );
}

/// What a document says is its own, whatever it looks like.
#[test]
fn content_does_not_depend_on_the_look() {
    let author = author("invoice", "English");
    let after = seed_page((612.0, 792.0), [200, 16, 46]);
    for seed in 0..20 {
        let taken = author.page_after(Some(&after), Seed(seed)).unwrap();
        let plain = author.page(Seed(seed)).unwrap();
        let values = |page: &Page| {
            let fields = page.markup.truth().fields;
            let mut values: Vec<_> = fields.into_iter().map(|it| (it.name, it.value)).collect();
            values.sort();
            values
        };
        assert_eq!(values(&taken), values(&plain), "seed {seed}");
    }
}
