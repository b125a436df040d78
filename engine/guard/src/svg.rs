//! SVG of strangers, drawn into pixels.
//!
//! A drawing may be small and ask for endless work: elements that use elements that use elements,
//! layers upon layers as large as the picture. What it would take is counted before anything is
//! drawn. Scripts, embedded pictures and references to anything outside the text are refused.

use std::{
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{
        Options, Tree,
        fontdb::{Database, Source},
        roxmltree::{Document, Node, ParsingOptions},
    },
};

/// The library that draws.
const LIBRARY: &str = "resvg 0.49.0";
/// Bytes of text.
const MAX_BYTES: usize = 8 << 20;
/// Nodes of the text, attributes aside.
const MAX_NODES: u32 = 200_000;
/// Elements, each as often as it is used.
const MAX_ELEMENTS: u64 = 500_000;
/// Elements within elements: libraries that walk them call themselves.
const MAX_DEPTH: usize = 100;
/// Pixels of a picture.
const MAX_PIXELS: u64 = 40_000_000;
/// Pixels that may be touched, every element taken as large as the picture: about ten seconds.
const MAX_WORK: u64 = 20_000_000_000;
/// What counting may have missed ends here. The thread that draws is left to itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// What an element with a layer of its own (opacity, filter, mask) costs of plain ones.
const LAYER: u64 = 8;

/// Pixels of a drawing: straight 8-bit RGBA, rows from top to bottom without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `4 × width × height` bytes.
    pub rgba: Vec<u8>,
}

/// Why an SVG is not drawn.
#[derive(Debug, thiserror::Error)]
pub enum SvgError {
    /// It is too long.
    #[error("the SVG has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    /// It is not XML, or not SVG.
    #[error("the SVG cannot be read: {0}")]
    Unreadable(String),
    /// It is nested too deeply.
    #[error("the SVG has elements nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// It has something that runs or leads outside.
    #[error("the SVG has {0}, which is not drawn")]
    Forbidden(String),
    /// Its picture is too large.
    #[error("the SVG is {width} × {height} pixels, more than {MAX_PIXELS}")]
    TooLarge {
        /// Pixels.
        width: f64,
        /// Pixels.
        height: f64,
    },
    /// Drawing it would take too long.
    #[error("the SVG takes the work of {elements} elements as large as itself, which is too much")]
    TooMuch {
        /// Elements, each as often as it is used.
        elements: u64,
    },
    /// Drawing it has taken too long.
    #[error("the SVG is not drawn after {} s", PATIENCE.as_secs())]
    TooSlow,
    /// The library panicked.
    #[error("the SVG cannot be drawn: the library panicked")]
    Panicked,
}

/// Draws an SVG at its own size, with the fonts of this machine.
///
/// # Errors
/// When it is not SVG, or is one that is not drawn.
pub fn draw(svg: &str) -> Result<Drawn, SvgError> {
    if svg.len() > MAX_BYTES {
        return Err(SvgError::TooLong(svg.len()));
    }
    let (svg, (done, drawn)) = (svg.to_owned(), mpsc::channel());
    let work = move || {
        let drawn = panic::catch_unwind(AssertUnwindSafe(|| checked_and_drawn(&svg)));
        // Whoever has lost patience does not listen any more.
        drop(done.send(drawn.unwrap_or(Err(SvgError::Panicked))));
    };
    let thread = thread::Builder::new().name("svg".to_owned()).spawn(work);
    if thread.is_err() {
        return Err(SvgError::TooSlow);
    }
    drawn
        .recv_timeout(PATIENCE)
        .unwrap_or(Err(SvgError::TooSlow))
}

fn checked_and_drawn(svg: &str) -> Result<Drawn, SvgError> {
    let limits = ParsingOptions {
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(svg, limits)
        .map_err(|error| SvgError::Unreadable(error.to_string()))?;
    check_depth(&document)?;
    check_references(&document)?;
    let elements = Cost::of(&document);
    if elements > MAX_ELEMENTS {
        return Err(SvgError::TooMuch { elements });
    }
    pixels(&document, elements)
}

/// What a drawing depends on besides its text: the library and the fonts there are.
#[must_use]
pub fn identity() -> &'static str {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let fonts = fonts();
        let names = fonts.faces().map(|face| face.post_script_name.as_str());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        let text = names.join("\n");
        format!(
            "{LIBRARY}, {} fonts {:08x}",
            names.len(),
            crc32fast::hash(text.as_bytes())
        )
    })
}

fn pixels(document: &Document<'_>, elements: u64) -> Result<Drawn, SvgError> {
    let options = Options {
        fontdb: fonts(),
        font_family: "sans-serif".to_owned(),
        ..Options::default()
    };
    let tree = Tree::from_xmltree(document, &options)
        .map_err(|error| SvgError::Unreadable(error.to_string()))?;
    let (width, height) = (
        f64::from(tree.size().width()),
        f64::from(tree.size().height()),
    );
    let area = width.ceil() * height.ceil();
    if area > MAX_PIXELS as f64 {
        return Err(SvgError::TooLarge { width, height });
    }
    if elements.saturating_mul(area as u64) > MAX_WORK {
        return Err(SvgError::TooMuch { elements });
    }
    let (columns, rows) = (width.ceil().max(1.0) as u32, height.ceil().max(1.0) as u32);
    let mut pixmap = Pixmap::new(columns, rows).ok_or(SvgError::TooLarge { width, height })?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    Ok(Drawn {
        width: columns,
        height: rows,
        rgba: pixmap.take_demultiplied(),
    })
}

fn check_depth(document: &Document<'_>) -> Result<(), SvgError> {
    let mut level: Vec<Node<'_, '_>> = vec![document.root()];
    for _ in 0..MAX_DEPTH {
        level = level.iter().flat_map(Node::children).collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(SvgError::TooDeep)
}

fn check_references(document: &Document<'_>) -> Result<(), SvgError> {
    let forbidden = |what: String| Err(SvgError::Forbidden(what));
    for node in document.root().descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        if matches!(name, "script" | "foreignObject" | "image" | "feImage") {
            return forbidden(format!("`<{name}>`"));
        }
        // A style sheet can give a reference to elements without naming them one by one.
        if name == "style" && node.text().is_some_and(|text| text.contains("url")) {
            return forbidden(
                "references in a `<style>`, which may stand in attributes only".to_owned(),
            );
        }
        let mut outside = node.attributes().filter(|attribute| {
            attribute.name() == "href" && !attribute.value().trim_start().starts_with('#')
        });
        if let Some(attribute) = outside.next() {
            let start: String = attribute.value().chars().take(60).collect();
            return forbidden(format!("a reference to `{}`", start.escape_debug()));
        }
    }
    Ok(())
}

/// Counts elements as often as references repeat them.
struct Cost<'a> {
    by_id: HashMap<&'a str, Node<'a, 'a>>,
    known: HashMap<usize, u64>,
}

impl<'a> Cost<'a> {
    fn of(document: &'a Document<'a>) -> u64 {
        let elements = document.root().descendants().filter(Node::is_element);
        let named = elements.filter_map(|node| Some((node.attribute("id")?, node)));
        let mut cost = Self {
            by_id: named.collect(),
            known: HashMap::new(),
        };
        cost.count(document.root_element(), 0)
    }

    fn count(&mut self, node: Node<'a, 'a>, depth: usize) -> u64 {
        let key = node.id().get_usize();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        // A reference in a circle is not followed by the library either. Chains that are longer than
        // this are taken as endless.
        if depth > 2 * MAX_DEPTH {
            return u64::MAX;
        }
        self.known.insert(key, 0);
        let mut total = if has_layer(node) { LAYER } else { 1 };
        total = total.saturating_mul(filter_work(node));
        let times = marks(node);
        for target in references(node) {
            if let Some(target) = self.by_id.get(target).copied() {
                let once = self.count(target, depth + 1);
                total = total.saturating_add(once.saturating_mul(times));
            }
        }
        for child in node.children().filter(Node::is_element) {
            total = total.saturating_add(self.count(child, depth + 1));
        }
        self.known.insert(key, total);
        total
    }
}

/// The ids that an element's attributes refer to: `#id`, and `url(#id)` as often as it occurs.
fn references<'a>(node: Node<'a, 'a>) -> impl Iterator<Item = &'a str> {
    node.attributes().flat_map(|attribute| {
        let value = attribute.value();
        let whole = value
            .trim()
            .strip_prefix('#')
            .filter(|_| attribute.name() == "href");
        let parts = value.split("url(").skip(1).filter_map(|part| {
            let id = part.split(')').next()?;
            id.trim_matches([' ', '"', '\'']).strip_prefix('#')
        });
        whole.into_iter().chain(parts)
    })
}

/// How often a filter looks at each pixel, as far as a number of its attributes says so.
fn filter_work(node: Node<'_, '_>) -> u64 {
    let number = |name: &str| {
        let value = node.attribute(name)?.split([' ', ',']).next()?;
        let number: f64 = value.parse().ok()?;
        (number > 1.0).then_some(number as u64)
    };
    let octaves = number("numOctaves").unwrap_or(1);
    let order = number("order").unwrap_or(1);
    let radius = number("radius").unwrap_or(1);
    let squared = |number: u64| number.saturating_mul(number);
    octaves
        .saturating_mul(squared(order))
        .saturating_mul(squared(radius))
}

/// How often an element draws what it refers to: a marker stands at each of a path's points.
fn marks(node: Node<'_, '_>) -> u64 {
    let has_marker = node.attributes().any(|attribute| {
        attribute.name().starts_with("marker") || attribute.value().contains("marker")
    });
    let points = ["d", "points"]
        .into_iter()
        .filter_map(|name| node.attribute(name));
    // A point takes two characters at least.
    let points = points.map(|text| text.len() as u64 / 2 + 1).max();
    points.filter(|_| has_marker).unwrap_or(1)
}

fn has_layer(node: Node<'_, '_>) -> bool {
    const LAYERED: [&str; 6] = [
        "opacity",
        "filter",
        "mask",
        "clip-path",
        "mix-blend-mode",
        "isolation",
    ];
    let named = |attribute: &str| LAYERED.contains(&attribute);
    node.attributes().any(|attribute| {
        named(attribute.name())
            || (attribute.name() == "style"
                && LAYERED.iter().any(|it| attribute.value().contains(it)))
    }) || node.tag_name().name().starts_with("fe")
}

/// The fonts of this machine, in an order that does not depend on how its folders are read: a font
/// for a character that the wanted one has not is the first that has it.
fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let sorted = || {
        let mut found = Database::new();
        found.load_system_fonts();
        let path = |source: &Source| match source {
            Source::File(path) | Source::SharedFile(path, _) => path.clone(),
            Source::Binary(_) => PathBuf::new(),
        };
        let mut faces: Vec<_> = found.faces().cloned().collect();
        faces.sort_by_key(|face| (path(&face.source), face.index));
        let mut fonts = Database::new();
        for face in faces {
            fonts.push_face_info(face);
        }
        let has = |name: &str| {
            let mut families = fonts.faces().flat_map(|face| &face.families);
            families.any(|(family, _)| family == name)
        };
        let first = |names: &[&'static str]| names.iter().copied().find(|name| has(name));
        let serif = first(&["Liberation Serif", "Noto Serif", "DejaVu Serif"]);
        let sans = first(&["Liberation Sans", "Noto Sans", "DejaVu Sans"]);
        let mono = first(&["Liberation Mono", "Noto Sans Mono", "DejaVu Sans Mono"]);
        let cursive = first(&["Dancing Script", "Comic Neue"]);
        let any = fonts
            .faces()
            .find_map(|face| Some(face.families.first()?.0.clone()));
        let or_any = |name: Option<&str>| {
            name.map(str::to_owned)
                .or_else(|| any.clone())
                .unwrap_or_default()
        };
        fonts.set_serif_family(or_any(serif));
        fonts.set_sans_serif_family(or_any(sans.or(serif)));
        fonts.set_monospace_family(or_any(mono.or(sans)));
        fonts.set_cursive_family(or_any(cursive.or(sans)));
        fonts.set_fantasy_family(or_any(cursive.or(sans)));
        Arc::new(fonts)
    };
    FONTS.get_or_init(sorted).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(body: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">{body}</svg>"#
        )
    }

    #[track_caller]
    fn refused(text: &str, because: &str) {
        let error = draw(text).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }

    #[test]
    fn colours_are_straight() {
        let half = svg(r#"<rect width="40" height="20" fill="red" fill-opacity="0.5"/>"#);
        let drawn = draw(&half).unwrap();
        assert_eq!((drawn.width, drawn.height), (40, 20));
        assert_eq!(drawn.rgba[..3], [255, 0, 0]);
        assert!((127..=128).contains(&drawn.rgba[3]));
    }

    #[test]
    fn text_is_drawn_with_a_font_of_the_machine() {
        if fonts().is_empty() {
            println!("skipped: this machine has no fonts");
            return;
        }
        let drawn = draw(&svg(
            r#"<text x="2" y="15" font-family="No Such Font">Ag</text>"#,
        ))
        .unwrap();
        assert!(drawn.rgba.chunks(4).any(|pixel| pixel[3] > 200));
        assert!(identity().starts_with(LIBRARY));
    }

    #[test]
    fn what_runs_or_leads_outside_is_refused() {
        refused(&svg("<script>1</script>"), "`<script>`");
        refused(
            &svg(r#"<image xlink:href="file:///etc/passwd"/>"#),
            "`<image>`",
        );
        refused(
            &svg(r#"<use href="http://example.org/a.svg#b"/>"#),
            "a reference to `http://",
        );
        refused(&svg("<style>rect { mask: url(#m) }</style>"), "<style>");
        refused(&svg("<foreignObject/>"), "`<foreignObject>`");
        let entities =
            r#"<!DOCTYPE svg [<!ENTITY a "aa">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>"#;
        refused(entities, "DTD");
    }

    #[test]
    fn endless_work_is_refused_before_it_begins() {
        let mut body = r#"<g id="l0"><rect width="9" height="9"/></g>"#.to_owned();
        for level in 1..12 {
            let uses = format!("<use href=\"#l{}\"/>", level - 1).repeat(10);
            body.push_str(&format!("<g id=\"l{level}\">{uses}</g>"));
        }
        refused(&svg(&body), "too much");
        let deep = format!("{}{}", "<g>".repeat(5_000), "</g>".repeat(5_000));
        refused(&svg(&deep), "deep");
        let layers = r#"<g opacity="0.5"/>"#.repeat(2_000);
        let large = svg(&layers)
            .replace("width=\"40\"", "width=\"4000\"")
            .replace("height=\"20\"", "height=\"4000\"");
        refused(&large, "too much");
        let octaves = r#"<filter id="f"><feTurbulence numOctaves="1000000000"/></filter>"#;
        refused(&svg(octaves), "too much");
        let dots = "L 1 1 ".repeat(10_000);
        let marked = format!(
            "<marker id=\"m\">{}</marker><path d=\"M 0 0 {dots}\" marker-mid=\"url(#m)\"/>",
            "<g/>".repeat(100)
        );
        refused(&svg(&marked), "too much");
        let huge = svg("").replace("width=\"40\"", "width=\"1e9\"");
        refused(&huge, "pixels");
        refused(&svg(&"<g/>".repeat(300_000)), "nodes limit");
        refused("no svg", "cannot be read");
    }

    #[test]
    fn a_circle_of_references_ends() {
        let circle = svg(r##"<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>"##);
        // Whether such a drawing is drawn is the library's affair; that it ends is ours.
        let _ = draw(&circle);
        let pattern = svg(
            r##"<pattern id="p" width="1" height="1"><rect width="9" height="9" fill="url(#p)"/></pattern>"##,
        );
        let _ = draw(&pattern);
    }
}
