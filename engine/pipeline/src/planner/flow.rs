//! Documents are started once, and slots are written before they are read.

use std::collections::BTreeSet;

use docgenie_document::{Code, Slot};

use super::Resolved;
use crate::{
    catalogue::{Scope, SlotUse, StageSpec},
    diagnostic::Report,
    options,
    pipeline::{Pipeline, Stage},
    wording::one_of,
};

/// A slot read that nothing earlier writes.
pub(crate) const UNWRITTEN_SLOT: Code = Code::new("DG0033");
/// No stage starts documents.
pub(crate) const NO_START: Code = Code::new("DG0034");
/// Several stages start documents.
pub(crate) const SECOND_START: Code = Code::new("DG0035");

/// Checks that exactly one active stage starts documents.
pub(super) fn check_start(pipeline: &Pipeline, stages: &[Resolved<'_>], report: &mut Report) {
    let starts = |resolved: &&Resolved<'_>| {
        resolved
            .stage
            .spec
            .as_ref()
            .is_some_and(|spec| spec.starts_documents)
    };
    let mut active = stages
        .iter()
        .filter(starts)
        .filter(|resolved| resolved.settled.is_active);
    let Some(first) = active.next() else {
        let is_obscure = stages.iter().any(|resolved| resolved.stage.spec.is_none());
        if let Some(any) = stages.first()
            && !is_obscure
        {
            let switched_off = stages.iter().find(starts).map(|resolved| resolved.stage);
            report_no_start(pipeline, any.stage, switched_off, report);
        }
        return;
    };
    for second in active {
        let (first, second) = (first.stage, second.stage);
        let message = format!("both `{}` and `{}` start documents", first.id, second.id);
        report
            .error(SECOND_START, second.uses_span.clone(), message)
            .label("starts documents, too")
            .related(first.uses_span.clone(), "starts documents")
            .hint("keep one of them, or switch one off by `when`".to_owned());
    }
}

fn report_no_start(
    pipeline: &Pipeline,
    any: &Stage,
    switched_off: Option<&Stage>,
    report: &mut Report,
) {
    let starters = pipeline
        .catalogue
        .iter()
        .filter(|spec| spec.starts_documents);
    let names = starters.map(|spec| spec.name.as_str());
    let others = names.filter(|name| switched_off.is_none_or(|off| off.uses != *name));
    let others = one_of(others, "or");
    let off = switched_off.and_then(|off| Some((&off.id, off.when.as_ref()?)));
    let (span, label, hint) = match off {
        Some((id, when)) => (
            when.span(),
            format!("switches `{id}` off, which would"),
            format!("switch `{id}` on, or start with another stage: {others}"),
        ),
        None => (
            any.uses_span.clone(),
            "the first stage works on documents that others have started".to_owned(),
            format!("begin with a stage that starts documents: {others}"),
        ),
    };
    report
        .error(NO_START, span, "no stage starts documents")
        .label(label)
        .hint(hint);
}

/// Checks that every slot read is written earlier. The slots of each stage in `order`, with
/// `reads_if_present` narrowed to what is there.
pub(super) fn check_slots(
    pipeline: &Pipeline,
    stages: &[Resolved<'_>],
    order: &[usize],
    report: &mut Report,
) -> Vec<SlotUse> {
    let mut written: BTreeSet<Slot> = BTreeSet::new();
    let mut all = Vec::with_capacity(order.len());
    let mut is_obscure = false;
    for index in order {
        let mut slots = stages[*index].settled.slots.clone();
        let missing = slots.reads.iter().filter(|slot| !written.contains(slot));
        for slot in missing.filter(|_| !is_obscure) {
            report_unwritten(pipeline, *slot, *index, stages, report);
        }
        is_obscure |= stages[*index].is_obscure;
        slots.reads_if_present.retain(|slot| written.contains(slot));
        written.extend(&slots.writes);
        all.push(slots);
    }
    all
}

fn report_unwritten(
    pipeline: &Pipeline,
    slot: Slot,
    reader: usize,
    stages: &[Resolved<'_>],
    report: &mut Report,
) {
    let stage = stages[reader].stage;
    let id = &stage.id;
    let message = format!("stage `{id}` reads slot `{slot}`, which no earlier stage writes");
    let diagnostic = report
        .error(UNWRITTEN_SLOT, stage.uses_span.clone(), message)
        .label(format!("reads `{slot}`"));

    // A stage that changes what others have written does not bring it into being.
    let brings = |spec: &StageSpec, slots: &SlotUse| {
        let changes = slots.reads.contains(&slot) || slots.reads_if_present.contains(&slot);
        slots.writes.contains(&slot) && !changes && spec.name != stage.uses
    };
    let in_file = stages.iter().find_map(|other| {
        let spec = other.stage.spec.as_ref()?;
        brings(spec, &other.settled.slots).then_some((other, spec.scope))
    });
    let Some((other, scope)) = in_file else {
        let writers = pipeline.catalogue.iter().filter(|spec| {
            let (options, _) = options::check(&spec.name, &spec.options, None, 0..0);
            brings(spec, &(spec.slots)(&options))
        });
        let writers = one_of(writers.map(|spec| spec.name.as_str()), "or");
        let advice = format!("add a stage before `{id}` that writes `{slot}`");
        let is_known = !writers.is_empty();
        diagnostic.hint(if is_known {
            format!("{advice}: {writers}")
        } else {
            advice
        });
        return;
    };
    let writer = &other.stage.id;
    let place = other.stage.uses_span.clone();
    let (span, label, hint) = match (&other.stage.when, scope) {
        (Some(when), _) if !other.settled.is_active => (
            when.span(),
            format!("switches `{writer}` off, which writes `{slot}`"),
            format!("switch `{writer}` on, or `{id}` off by the same `when`"),
        ),
        (_, Scope::Dataset | Scope::Delivery) => (
            place,
            format!("writes `{slot}`, but after all document stages"),
            format!("`{id}` cannot come after `{writer}`: remove it"),
        ),
        (_, Scope::Document) => (
            place,
            format!("writes `{slot}`, but comes later"),
            format!("move `{writer}` before `{id}`"),
        ),
    };
    diagnostic.related(span, label).hint(hint);
}
