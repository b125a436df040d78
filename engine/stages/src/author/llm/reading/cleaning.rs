//! What a document may not hold: code, and references to what is not in it. The browser that prints
//! it runs no scripts and reaches nothing, so this is not what protects anybody; it keeps datasets
//! clean, and what is missing from a page is told.

use std::collections::BTreeSet;

use ego_tree::NodeId;
use scraper::{Html, Node, node::Element};

use crate::markup::{ENTITY_LABELS, REGION_LABELS, VISUAL_KINDS};

/// Elements that go with all that is in them.
const FOREIGN: &[&str] = &[
    "applet", "audio", "base", "embed", "frame", "frameset", "iframe", "link", "object", "portal",
    "video",
];

/// Attributes that hold addresses.
const ADDRESSES: &[&str] = &[
    "action",
    "background",
    "cite",
    "data",
    "formaction",
    "href",
    "longdesc",
    "manifest",
    "ping",
    "poster",
    "src",
    "srcset",
    "xlink:href",
];

/// What models call the kinds of visual elements.
const KINDS: &[(&str, &str)] = &[
    ("seal", "stamp"),
    ("rubber-stamp", "stamp"),
    ("emblem", "logo"),
    ("brand", "logo"),
    ("chart", "figure"),
    ("diagram", "figure"),
    ("graph", "figure"),
    ("illustration", "figure"),
    ("bar-code", "barcode"),
    ("qr", "barcode"),
    ("qr-code", "barcode"),
    ("qrcode", "barcode"),
    ("image", "photo"),
    ("picture", "photo"),
    ("portrait", "photo"),
    ("photograph", "photo"),
];

/// Remarks about a document, each once.
#[derive(Debug, Default)]
pub(super) struct Remarks(BTreeSet<&'static str>);

impl Remarks {
    pub(super) fn add(&mut self, remark: &'static str) {
        self.0.insert(remark);
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.0.into_iter().map(str::to_owned).collect()
    }
}

/// Removes the ground-truth script and returns its text: the one of that id, however it is spelt,
/// else the first that holds JSON.
pub(super) fn take_script(dom: &mut Html) -> Option<String> {
    let scripts = dom.tree.nodes().filter_map(|node| {
        let element = node.value().as_element()?;
        let known = element.attr("id").map(letters) == Some("groundtruth".to_owned());
        let json = element
            .attr("type")
            .is_some_and(|kind| kind.contains("json"));
        let inside = node.children().filter_map(|child| child.value().as_text());
        let text: String = inside.map(|text| &**text).collect();
        let is_script = matches!(element.name(), "script" | "template" | "pre" | "div");
        let found = (is_script && known) || (element.name() == "script" && json);
        (found && text.contains(['{', '['])).then_some((!known, node.id(), text))
    });
    let (_, id, text) = scripts.min_by_key(|(unknown, id, _)| (*unknown, *id))?;
    dom.tree.get_mut(id)?.detach();
    Some(text)
}

fn letters(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphabetic);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Removes what does not belong into a document and puts its labels right.
pub(super) fn clean(dom: &mut Html, remarks: &mut Remarks) {
    let mut ids = BTreeSet::new();
    // What was detached is still among all nodes, but no longer below the root.
    let nodes = dom.tree.root().descendants();
    let nodes: Vec<NodeId> = nodes.map(|node| node.id()).collect();
    for id in nodes {
        let Some(mut node) = dom.tree.get_mut(id) else {
            continue;
        };
        let styles = node.as_ref().parent().and_then(|parent| {
            let parent = parent.value().as_element()?;
            Some(parent.name() == "style")
        });
        match node.value() {
            Node::Text(text) if styles == Some(true) => {
                if let Some(clean) = clean_css(text) {
                    text.text = clean.into();
                    remarks.add("references to what is outside the document were removed");
                }
            }
            Node::Element(element) => {
                let goes = match element.name() {
                    "script" => Some("scripts were removed"),
                    "meta" => element.attr("http-equiv").map(|_| "scripts were removed"),
                    name => FOREIGN
                        .contains(&name)
                        .then_some("references to what is outside the document were removed"),
                };
                if let Some(remark) = goes {
                    remarks.add(remark);
                    node.detach();
                    continue;
                }
                clean_attributes(element, remarks);
                correct_labels(element, remarks);
                drop_used_id(element, &mut ids);
            }
            _ => {}
        }
    }
}

fn clean_attributes(element: &mut Element, remarks: &mut Remarks) {
    element.attrs.retain(|(name, value)| {
        let name = match &name.prefix {
            Some(prefix) => format!("{prefix}:{}", name.local),
            None => name.local.to_ascii_lowercase().to_string(),
        };
        if name.starts_with("on") {
            remarks.add("scripts were removed");
            return false;
        }
        let inside = value.trim_start();
        let inside = inside.starts_with('#') || inside.starts_with("data:image/");
        let stays = !ADDRESSES.contains(&name.as_str()) || inside;
        if !stays {
            remarks.add("references to what is outside the document were removed");
        }
        stays
    });
    for (name, value) in &mut element.attrs {
        if &*name.local == "style"
            && let Some(clean) = clean_css(value)
        {
            *value = clean.into();
            remarks.add("references to what is outside the document were removed");
        }
    }
}

/// The style sheet without imports and addresses; `None` where it has none.
fn clean_css(css: &str) -> Option<String> {
    let mut clean = String::new();
    let mut rest = css;
    let mut changed = false;
    while let Some(at) = found(rest, "@import") {
        let (before, import) = rest.split_at(at);
        clean.push_str(before);
        // An address may hold semicolons; in quotes or brackets they end nothing.
        rest = import
            .find([';', '\n', '}'])
            .map_or("", |end| &import[end + 1..]);
        changed = true;
    }
    let imported = clean + rest;
    let (mut clean, mut rest) = (String::new(), imported.as_str());
    while let Some(at) = found(rest, "url(") {
        let (before, address) = rest.split_at(at);
        let inside = address["url(".len()..].trim_start_matches([' ', '"', '\'']);
        let stays = inside.starts_with('#')
            || inside.starts_with("data:image/")
            || inside.starts_with("data:font/");
        let end = address.find(')').map_or(address.len(), |end| end + 1);
        clean.push_str(before);
        clean.push_str(if stays { &address[..end] } else { "none" });
        changed |= !stays;
        rest = &address[end..];
    }
    clean.push_str(rest);
    changed.then_some(clean)
}

/// Where a word stands, in whatever case.
fn found(text: &str, word: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(word)
}

/// Writes labels as they are known, and drops those that are not.
fn correct_labels(element: &mut Element, remarks: &mut Remarks) {
    element.attrs.retain_mut(|(name, value)| {
        let correct = match &*name.local {
            "data-region" => known(&dashed(value), REGION_LABELS),
            "data-entity" => known(&value.trim().to_ascii_uppercase(), ENTITY_LABELS),
            "data-visual-element" => {
                let kind = dashed(value);
                let synonym = KINDS.iter().find(|(word, _)| *word == kind);
                known(synonym.map_or(&kind, |(_, kind)| kind), VISUAL_KINDS)
            }
            "data-field" | "data-group" => {
                let name = dashed(value).replace('-', "_");
                Some(name).filter(|name| !name.is_empty())
            }
            _ => return true,
        };
        let Some(correct) = correct else {
            remarks.add("labels that are not known were dropped");
            return false;
        };
        if correct != **value {
            *value = correct.as_str().into();
        }
        true
    });
}

fn known(label: &str, labels: &[&str]) -> Option<String> {
    labels.contains(&label).then(|| label.to_owned())
}

/// Lower case, words apart by hyphens; `lineItem` has two.
fn dashed(text: &str) -> String {
    let mut dashed = String::new();
    let mut small_before = false;
    for c in text.trim().chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && small_before {
                dashed.push('-');
            }
            dashed.extend(c.to_lowercase());
        } else if !dashed.is_empty() && !dashed.ends_with('-') {
            dashed.push('-');
        }
        small_before = c.is_lowercase() || c.is_numeric();
    }
    dashed.trim_end_matches('-').to_owned()
}

/// The first element of an id keeps it.
fn drop_used_id(element: &mut Element, used: &mut BTreeSet<String>) {
    element
        .attrs
        .retain(|(name, value)| &*name.local != "id" || used.insert(value.to_string()));
}
