//! Where a stage names plugins.

use serde_json::{Map, Value};

use crate::{
    naming::plugin_in,
    node::{Kind, Node},
    pipeline::Stage,
    plan::PluginUse,
    source::Span,
};

/// The plugins that a stage names: by what it uses, and by texts anywhere in its options. One that
/// only a default names stands where the stage does.
pub(super) fn named(
    stage: &Stage,
    with: Option<&Node>,
    options: &Map<String, Value>,
) -> Vec<PluginUse> {
    let mut named = Vec::new();
    note(&stage.uses, &stage.uses_span, &mut named);
    if let Some(with) = with {
        of_node(with, &mut named);
    }
    let written = named.len();
    for option in options.values() {
        of_value(option, &stage.uses_span, &mut named);
    }
    let mut defaults = named.split_off(written);
    defaults.retain(|it| named.iter().all(|other| other.plugin != it.plugin));
    named.extend(defaults);
    named
}

fn of_node(node: &Node, named: &mut Vec<PluginUse>) {
    match &node.kind {
        Kind::Array(items) => items.iter().for_each(|item| of_node(item, named)),
        Kind::Table(table) => table
            .0
            .iter()
            .for_each(|entry| of_node(&entry.value, named)),
        Kind::Scalar(value) => of_value(value, &node.span, named),
        Kind::Foreign(..) | Kind::Unknown(_) => {}
    }
}

fn of_value(value: &Value, span: &Span, named: &mut Vec<PluginUse>) {
    match value {
        Value::String(text) => note(text, span, named),
        Value::Array(items) => items.iter().for_each(|item| of_value(item, span, named)),
        Value::Object(members) => members.values().for_each(|it| of_value(it, span, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn note(text: &str, span: &Span, named: &mut Vec<PluginUse>) {
    if let Some(plugin) = plugin_in(text) {
        let plugin = plugin.to_owned();
        let span = span.clone();
        named.push(PluginUse { plugin, span });
    }
}
