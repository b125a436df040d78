use docgenie_document::{
    geometry::{PixelGrid, Rect},
    slot::Pdf,
};
use lopdf::{Document, Object, Stream, dictionary};

use super::*;
use crate::raster::{Colour, page_images};

/// A word and where its baseline starts, in points from the bottom left.
type Placed = (&'static str, f64, f64);

const PLACED: &[Placed] = &[
    ("Invoice", 72.0, 700.0),
    ("Number", 200.0, 700.0),
    ("4711", 330.0, 700.0),
    ("Delivery", 72.0, 640.0),
    ("Thursday", 200.0, 640.0),
    ("Warehouse", 72.0, 400.0),
    ("Total", 330.0, 200.0),
    ("128.50", 470.0, 200.0),
];

/// An A4 page of words in Helvetica, after some drawing.
fn pdf_of_words(drawing: &str, words: &[Placed]) -> Pdf {
    let mut content = format!("{drawing}\n");
    for (text, x, y) in words {
        content += &format!("BT /F 18 Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n");
    }
    let mut pdf = Document::with_version("1.5");
    let font = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" };
    let font = pdf.add_object(font);
    let content = pdf.add_object(Stream::new(dictionary! {}, content.into_bytes()));
    let pages = pdf.new_object_id();
    let page = pdf.add_object(dictionary! {
        "Type" => "Page",
        "Parent" => pages,
        "MediaBox" => vec![0.into(), 0.into(), Object::Real(595.276), Object::Real(841.89)],
        "Resources" => dictionary! { "Font" => dictionary! { "F" => font } },
        "Contents" => content,
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    pdf.set_object(pages, tree);
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    pdf.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    Pdf(bytes)
}

fn read(pool: &Pool, images: &PageImages, reading: &Reading) -> Recognised {
    recognise(
        pool,
        "tesseract".into(),
        &[Language::ENGLISH],
        images,
        reading,
    )
    .unwrap()
}

fn pool() -> Pool {
    Pool::new(Tessdata::find().unwrap(), 2)
}

/// The box around the dark pixels of the 24 points above a baseline, from `x` to the next word.
fn ink(image: &PageImage, (_, x, y): Placed) -> Rect {
    let bitmap = Bitmap::from_png(&image.png).unwrap().into_grey();
    let top = image.grid.page.height - y - 18.0;
    let room = Rect::new(x - 2.0, top, x + 100.0, top + 24.0).unwrap();
    let [x0, y0, x1, y1] = image.grid.to_pixels(&room).map(|edge| edge as u32);
    let dark = (y0..y1)
        .flat_map(|y| (x0..x1.min(bitmap.width)).map(move |x| (x, y)))
        .filter(|(x, y)| bitmap.data[(y * bitmap.width + x) as usize] < 128)
        .map(|(x, y)| (f64::from(x), f64::from(y)))
        .filter_map(|(x, y)| image.grid.to_points([x, y, x + 1.0, y + 1.0]));
    let dark: Vec<_> = dark.collect();
    Rect::union_all(&dark).unwrap()
}

#[track_caller]
fn check_read(dpi: u32, reading: Reading, grid: impl Fn(PixelGrid) -> PixelGrid) {
    let images = page_images(&pdf_of_words("", PLACED), dpi, Colour::Rgb).unwrap();
    let read = read(&pool(), &images, &reading);
    let page = &read.pages[0];
    assert_eq!(page.grid, grid(images.0[0].grid));
    for placed in PLACED {
        let word = page.words.iter().find(|word| word.text == placed.0);
        let word = word.unwrap_or_else(|| panic!("`{}` at {dpi} dpi: {page:?}", placed.0));
        let expected = ink(&images.0[0], *placed);
        let overlap = word.rect.iou(&expected);
        assert!(overlap >= 0.5, "`{}` at {dpi} dpi: {overlap}", placed.0);
        assert!(word.confidence > 0.5);
    }
    assert_eq!(page.words.len(), PLACED.len());
}

#[test]
fn printed_words_are_read_in_their_places() {
    for dpi in [150, 217] {
        check_read(dpi, Reading::default(), |grid| grid);
    }
}

#[test]
fn a_small_image_is_read_enlarged() {
    let reading = Reading {
        dpi: Some(144),
        ..Reading::default()
    };
    check_read(72, reading, |grid| PixelGrid {
        width: 1191,
        height: 1684,
        ..grid
    });
}

/// Dark words on a dark panel: one threshold for the whole page makes all of the panel ink.
#[test]
fn faint_pages_are_tried_again() {
    let pdf = pdf_of_words("0.42 g 0 0 596 720 re f 0.1 g", PLACED);
    let images = page_images(&pdf, 150, Colour::Grey).unwrap();
    let pool = pool();
    let image = Bitmap::from_png(&images.0[0].png).unwrap();
    let engine = pool.take("eng").unwrap();
    let first = engine::recognise_once(&engine, &image, &images.0[0].grid, engine::OTSU).unwrap();
    assert_eq!(engine::rows(&first).count(), 0);

    let read = read(&pool, &images, &Reading::default());
    let words = read.pages[0].words.iter().map(|word| word.text.as_str());
    let found = words.filter(|text| PLACED.iter().any(|(word, ..)| word == text));
    assert!(found.count() > PLACED.len() / 2, "{read:?}");
}

#[test]
fn a_blank_page_has_no_words() {
    let images = page_images(&pdf_of_words("", &[]), 100, Colour::Grey).unwrap();
    let read = read(&pool(), &images, &Reading::default());
    assert_eq!(read.pages[0].words, []);
}

#[test]
fn a_kept_engine_reads_as_a_new_one() {
    let images = page_images(&pdf_of_words("", PLACED), 150, Colour::Grey).unwrap();
    let pool = pool();
    let first = read(&pool, &images, &Reading::default());
    assert_eq!(read(&pool, &images, &Reading::default()), first);
}

#[track_caller]
fn check_language(name: &str, data: &str, package: &str) {
    let language = Language::named(name).unwrap();
    assert_eq!(
        (&*language.to_string(), &*language.package()),
        (data, package)
    );
}

#[test]
fn languages_go_by_many_names() {
    for name in ["en", "eng", "English", " ENGLISH ", "en-GB", "en_US"] {
        check_language(name, "eng", "tesseract-ocr-eng");
    }
    for name in ["zh", "Chinese", "chi_sim", "zh-CN"] {
        check_language(name, "chi_sim", "tesseract-ocr-chi-sim");
    }
    check_language("German", "deu", "tesseract-ocr-deu");
    check_language("zh-Hant", "chi_tra", "tesseract-ocr-chi-tra");
    check_language("kat_old", "kat_old", "tesseract-ocr-kat-old");
    for name in ["", "Klingon", "x", "../eng", "deu+../x"] {
        let error = Language::named(name).unwrap_err();
        assert_eq!(error.code(), UNKNOWN_LANGUAGE, "{name}");
    }
}

#[track_caller]
fn check_resolved(languages: &[&str], document: &str, expected: &[&str]) {
    let resolved = options(languages).resolve(document).unwrap();
    let names: Vec<_> = resolved.iter().map(ToString::to_string).collect();
    assert_eq!(names, expected);
}

#[test]
fn auto_is_the_language_of_the_document() {
    check_resolved(&["auto"], "de", &["deu"]);
    check_resolved(&["auto", "eng"], "ar", &["ara", "eng"]);
    check_resolved(&["auto", "en"], "en", &["eng"]);
    check_resolved(&["fra"], "de", &["fra"]);
}

#[test]
fn missing_data_names_its_package() {
    let icelandic = [Language::named("isl").unwrap()];
    let images = page_images(&pdf_of_words("", &[]), 72, Colour::Grey).unwrap();
    let empty = tempfile::tempdir().unwrap();
    std::fs::copy(
        Tessdata::find().unwrap().folder().join("eng.traineddata"),
        empty.path().join("eng.traineddata"),
    )
    .unwrap();
    let data = Tessdata::in_one_of(vec![empty.path().to_owned()]).unwrap();
    let pool = Pool::new(data, 1);
    let failure = recognise(
        &pool,
        String::new(),
        &icelandic,
        &images,
        &Reading::default(),
    );
    let problem = failure.unwrap_err().problem;
    assert_eq!(problem.code, MISSING_LANGUAGE.as_str());
    assert!(
        problem
            .hint
            .unwrap()
            .contains("apt-get install tesseract-ocr-isl")
    );
}

#[test]
fn no_data_at_all_says_where_it_was_looked_for() {
    let error = Tessdata::in_one_of(vec!["/no/such/folder".into()]).unwrap_err();
    assert_eq!(error.code(), NO_DATA);
    assert!(error.to_string().contains("/no/such/folder"));
    assert!(error.hint().contains("tesseract-ocr-eng"));
}

fn options(languages: &[&str]) -> OcrConfig {
    OcrConfig {
        languages: OneOrMany::Many(languages.iter().map(|&name| name.into()).collect()),
        ..OcrConfig::default()
    }
}

/// The stage made for these languages: its identity, or the code of what is wrong with them.
fn built(languages: &[&str]) -> Result<String, String> {
    let env = StageEnv {
        home: std::path::PathBuf::new(),
        pipeline_dir: std::path::PathBuf::new(),
        inputs: Vec::new(),
        jobs: 1,
        extensions: Arc::new(docgenie_runtime::extension::NoExtensions),
        secrets: docgenie_runtime::secret::Secrets::default(),
        residents: docgenie_runtime::resident::Residents::default(),
        private_addresses: false,
        program: None,
    };
    match options(languages).build(&env) {
        Ok(Built::Document(stage)) => Ok(stage.identity()),
        Ok(_) => panic!("it works on documents"),
        Err(failure) => Err(failure.problem.code),
    }
}

#[test]
fn languages_are_checked_before_the_first_page() {
    for (languages, expected) in [
        (&[][..], BAD_OPTIONS),
        (&["Klingon"], UNKNOWN_LANGUAGE),
        (&["auto", "Klingon"], UNKNOWN_LANGUAGE),
        (&["auto", "tlh"], MISSING_LANGUAGE),
        (&["eng", "tlh"], MISSING_LANGUAGE),
    ] {
        assert_eq!(
            built(languages).unwrap_err(),
            expected.as_str(),
            "{languages:?}"
        );
    }
    let english = built(&["English"]).unwrap();
    assert!(english.starts_with(&format!("tesseract {} eng:", engine::version())));
    assert_eq!(built(&["en", "eng"]), Ok(english.clone()));
    assert_eq!(built(&["auto", "en"]), Ok(english));
    let auto = format!("tesseract {}", engine::version());
    assert_eq!(built(&["auto"]), Ok(auto));
}

#[test]
fn only_the_data_of_the_language_counts() {
    let folder = tempfile::tempdir().unwrap();
    let versions = || {
        let data = Tessdata::in_one_of(vec![folder.path().to_owned()]).unwrap();
        data.versions(&[Language::named("German").unwrap()])
            .unwrap()
    };
    let install = |language: &str, data: &str| {
        let path = folder.path().join(format!("{language}.traineddata"));
        docgenie_runtime::files::write_atomically(&path, data.as_bytes()).unwrap();
    };
    install("deu", "first");
    let first = versions();
    install("fra", "another");
    assert_eq!(versions(), first);
    install("deu", "second");
    assert_ne!(versions(), first);
}
