//! Writing the HTML with its ink marks.

use std::io::Write;

use ego_tree::iter::Edge;
use html5ever::serialize::{HtmlSerializer, SerializeOpts, Serializer};
use scraper::{Html, Node};

use super::{
    ink,
    outline::{Outline, split},
};

pub(super) fn marked(dom: &Html, outline: &Outline) -> String {
    let mut out = HtmlSerializer::new(Vec::new(), SerializeOpts::default());
    // Writing into memory does not fail.
    let written = write(&mut out, dom, outline);
    debug_assert!(written.is_ok());
    String::from_utf8_lossy(&out.writer).into_owned()
}

fn write(
    out: &mut HtmlSerializer<Vec<u8>>,
    dom: &Html,
    outline: &Outline,
) -> Result<(), std::io::Error> {
    let mut texts = outline.texts.iter().copied().peekable();
    let mut visuals = outline.visuals.iter().copied().zip(0..).peekable();
    for edge in dom.tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Doctype(doctype) => out.write_doctype(doctype.name())?,
                Node::Comment(comment) => out.write_comment(comment)?,
                Node::Text(text) => match texts.next_if(|(id, _)| *id == node.id()) {
                    Some((_, first)) => write_chunks(out, text, first, outline.by_word)?,
                    None => out.write_text(text)?,
                },
                Node::Element(element) => {
                    let fill = visuals.next_if(|(id, _)| *id == node.id());
                    let style = fill.map(|(_, visual)| {
                        let own = element.attr("style").unwrap_or_default();
                        format!("{own};{}", ink::fill_style(visual))
                    });
                    let attributes = element.attrs.iter();
                    let kept = attributes
                        .filter(|(name, _)| style.is_none() || &*name.local != "style")
                        .map(|(name, value)| (name, &**value));
                    out.start_elem(element.name.clone(), kept)?;
                    if let Some(style) = style {
                        add_attribute(out, "style", &style)?;
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    if element.name() == "head" {
                        write!(out.writer, "<style>{}</style>", ink::STYLE)?;
                    }
                    out.end_elem(element.name.clone())?;
                }
            }
        }
    }
    Ok(())
}

/// Writes a text node whose first chunk has this number. Several chunks stay together in one
/// element, as they are one item of a flex or grid container.
fn write_chunks(
    out: &mut HtmlSerializer<Vec<u8>>,
    text: &str,
    first: u32,
    by_word: bool,
) -> Result<(), std::io::Error> {
    if by_word {
        out.writer.write_all(b"<dg-t>")?;
    }
    for (number, (chunk, blanks)) in (first..).zip(split(text, by_word)) {
        write!(out.writer, "<dg-w style=\"{}\">", ink::text_style(number))?;
        out.write_text(chunk)?;
        out.writer.write_all(b"</dg-w>")?;
        out.write_text(blanks)?;
    }
    if by_word {
        out.writer.write_all(b"</dg-t>")?;
    }
    Ok(())
}

/// Adds an attribute to the start tag that was written last.
fn add_attribute(
    out: &mut HtmlSerializer<Vec<u8>>,
    name: &str,
    value: &str,
) -> Result<(), std::io::Error> {
    out.writer.pop();
    let escaped = value.replace('&', "&amp;").replace('"', "&quot;");
    write!(out.writer, " {name}=\"{escaped}\">")
}
