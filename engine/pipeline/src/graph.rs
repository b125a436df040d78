//! A plan drawn: stages as nodes, slots on the edges from writer to reader. Dashed edges are order
//! without data: a stage that overwrites what others read, or an `after`.

use std::{collections::BTreeMap, fmt::Write};

use docgenie_document::Slot;

use crate::{
    catalogue::Scope,
    plan::{Plan, PlannedStage},
};

/// As a Mermaid flow chart.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut text = String::from("flowchart TD\n");
    for (index, stage) in plan.stages.iter().enumerate() {
        let label = label(stage);
        let _ = match stage.scope {
            Scope::Document => writeln!(text, "    s{index}[\"{label}\"]"),
            Scope::Dataset => writeln!(text, "    s{index}[(\"{label}\")]"),
            Scope::Delivery => writeln!(text, "    s{index}([\"{label}\"])"),
        };
    }
    for ((from, to), slots) in edges(plan) {
        let _ = if slots.is_empty() {
            writeln!(text, "    s{from} -.-> s{to}")
        } else {
            writeln!(text, "    s{from} -->|{}| s{to}", slots.join(", "))
        };
    }
    text
}

/// As a digraph for Graphviz.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut text = String::from("digraph pipeline {\n    node [shape=box];\n");
    for (index, stage) in plan.stages.iter().enumerate() {
        let label = label(stage);
        let _ = match stage.scope {
            Scope::Document => writeln!(text, "    s{index} [label=\"{label}\"];"),
            Scope::Dataset => writeln!(text, "    s{index} [label=\"{label}\", shape=cylinder];"),
            Scope::Delivery => writeln!(text, "    s{index} [label=\"{label}\", shape=cds];"),
        };
    }
    for ((from, to), slots) in edges(plan) {
        let _ = if slots.is_empty() {
            writeln!(text, "    s{from} -> s{to} [style=dashed];")
        } else {
            writeln!(
                text,
                "    s{from} -> s{to} [label=\"{}\"];",
                slots.join(", ")
            )
        };
    }
    text.push_str("}\n");
    text
}

fn label(stage: &PlannedStage) -> String {
    let PlannedStage { id, uses, .. } = stage;
    if id == uses {
        id.clone()
    } else {
        format!("{id} ({uses})")
    }
}

/// The slots that go from one stage to a later one, by their positions.
fn edges(plan: &Plan) -> BTreeMap<(usize, usize), Vec<&'static str>> {
    let mut writers: BTreeMap<Slot, usize> = BTreeMap::new();
    let mut edges: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        for earlier in &stage.after {
            edges.entry((*earlier, index)).or_default();
        }
        for slot in stage
            .slots
            .reads
            .iter()
            .chain(&stage.slots.reads_if_present)
        {
            if let Some(writer) = writers.get(slot) {
                edges.entry((*writer, index)).or_default().push(slot.name());
            }
        }
        writers.extend(stage.slots.writes.iter().map(|slot| (*slot, index)));
    }
    edges
}
