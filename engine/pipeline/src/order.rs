//! Which stage has to wait for which.

use std::collections::{BTreeMap, BTreeSet};

use docgenie_document::Slot;

use crate::catalogue::{Scope, SlotUse};

/// An order that respects every `after` (positions in the same list). Document stages come before
/// dataset stages and these before deliveries; apart from that, stages stay in the order they have. Where `after` has a cycle,
/// it is cut.
pub(crate) fn sorted(stages: &[(Scope, Vec<usize>)]) -> Vec<usize> {
    let mut waits_for: Vec<usize> = stages.iter().map(|(_, after)| after.len()).collect();
    let mut awaited_by = vec![Vec::new(); stages.len()];
    for (index, (_, after)) in stages.iter().enumerate() {
        for earlier in after {
            awaited_by[*earlier].push(index);
        }
    }
    // A stage that still waits comes last: it is taken only where every stage that is left waits.
    let rank = |index: usize, waits_for: &[usize]| match (waits_for[index], stages[index].0) {
        (0, Scope::Document) => (0, index),
        (0, Scope::Dataset) => (1, index),
        (0, Scope::Delivery) => (2, index),
        _ => (3, index),
    };
    let all = (0..stages.len()).map(|index| rank(index, &waits_for));
    let mut left: BTreeSet<(u8, usize)> = all.collect();
    let mut order = Vec::with_capacity(stages.len());
    while let Some((_, index)) = left.pop_first() {
        order.push(index);
        for later in &awaited_by[index] {
            let was_left = left.remove(&rank(*later, &waits_for));
            waits_for[*later] -= 1;
            if was_left {
                left.insert(rank(*later, &waits_for));
            }
        }
    }
    order
}

/// The cycles among `after`, each from its first stage on, every stage waiting for the next.
pub(crate) fn cycles(after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    for start in 0..after.len() {
        if found.iter().flatten().any(|known| *known == start) {
            continue;
        }
        found.extend(path_back(after, start));
    }
    found
}

/// A path along `after` from `start` back to it.
fn path_back(after: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for next in &after[at] {
            if *next == start {
                let back = std::iter::successors(Some(at), |at| came_from.get(at).copied());
                let mut path: Vec<_> = back.collect();
                path.reverse();
                return Some(path);
            }
            if *next != at && !came_from.contains_key(next) {
                came_from.insert(*next, at);
                open.push(*next);
            }
        }
    }
    None
}

/// For each stage of an ordered list the stages it has to wait for because of the slots they
/// share: last writers of what it reads, last writers and readers of what it overwrites.
pub(crate) fn hazards(stages: &[SlotUse]) -> Vec<Vec<usize>> {
    let mut writer: BTreeMap<Slot, usize> = BTreeMap::new();
    let mut readers: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
    let mut all = Vec::with_capacity(stages.len());
    for (index, slots) in stages.iter().enumerate() {
        let reads = || slots.reads.iter().chain(&slots.reads_if_present);
        let mut after: Vec<usize> = Vec::new();
        after.extend(
            reads()
                .chain(&slots.writes)
                .filter_map(|slot| writer.get(slot)),
        );
        after.extend(
            slots
                .writes
                .iter()
                .filter_map(|slot| readers.get(slot))
                .flatten(),
        );
        after.sort_unstable();
        after.dedup();
        all.push(after);

        for slot in reads() {
            readers.entry(*slot).or_default().push(index);
        }
        for slot in &slots.writes {
            writer.insert(*slot, index);
            readers.remove(slot);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_file_but_for_after_and_scope() {
        use Scope::{Dataset, Document};
        let check = |stages: &[(Scope, &[usize])], expected: &[usize]| {
            let stages: Vec<_> = stages
                .iter()
                .map(|(scope, after)| (*scope, after.to_vec()))
                .collect();
            assert_eq!(sorted(&stages), expected, "{stages:?}");
        };
        check(&[], &[]);
        check(
            &[(Document, &[]), (Document, &[]), (Document, &[])],
            &[0, 1, 2],
        );
        check(
            &[(Document, &[2]), (Document, &[]), (Document, &[])],
            &[1, 2, 0],
        );
        check(
            &[(Document, &[]), (Dataset, &[]), (Document, &[])],
            &[0, 2, 1],
        );
        check(
            &[(Dataset, &[1]), (Dataset, &[]), (Document, &[])],
            &[2, 1, 0],
        );
        check(&[(Document, &[1]), (Document, &[0])], &[0, 1]);
        check(
            &[(Document, &[0, 2, 2]), (Dataset, &[]), (Document, &[])],
            &[2, 1, 0],
        );
    }

    #[test]
    fn cycles_are_found_whole() {
        let check = |after: &[&[usize]], expected: &[&[usize]]| {
            let after: Vec<_> = after.iter().map(|list| list.to_vec()).collect();
            assert_eq!(cycles(&after), expected, "{after:?}");
        };
        check(&[&[], &[0], &[1, 0]], &[]);
        check(&[&[0]], &[&[0]]);
        check(&[&[1], &[0]], &[&[0, 1]]);
        check(&[&[], &[3], &[1], &[2]], &[&[1, 3, 2]]);
        check(&[&[1], &[0], &[3], &[2]], &[&[0, 1], &[2, 3]]);
        check(&[&[1], &[1]], &[&[1]]);
    }

    #[test]
    fn hazards_cover_reads_and_overwrites() {
        let uses = |reads: &[Slot], optional: &[Slot], writes: &[Slot]| SlotUse {
            reads: reads.to_vec(),
            reads_if_present: optional.to_vec(),
            writes: writes.to_vec(),
        };
        let check = |stages: &[SlotUse], expected: &[&[usize]]| {
            assert_eq!(hazards(stages), expected);
        };
        let author = uses(&[], &[], &[Slot::Html]);
        let render = uses(&[Slot::Html], &[], &[Slot::Pdf]);
        let raster = uses(&[Slot::Pdf], &[], &[Slot::PageImages]);
        let boxes = uses(&[Slot::Pdf], &[], &[Slot::Words]);
        let scan = uses(
            &[Slot::PageImages],
            &[Slot::Words],
            &[Slot::PageImages, Slot::Words],
        );
        let ocr = uses(&[Slot::PageImages], &[], &[Slot::Ocr]);

        // Read after write; independent readers do not wait for each other.
        check(
            &[
                author.clone(),
                render.clone(),
                raster.clone(),
                boxes.clone(),
            ],
            &[&[], &[0], &[1], &[1]],
        );
        // Write after read and write after write: the second scan waits for who read the first.
        check(
            &[
                author,
                render,
                raster,
                boxes,
                scan.clone(),
                ocr.clone(),
                scan,
                ocr,
            ],
            &[&[], &[0], &[1], &[1], &[2, 3], &[4], &[4, 5], &[5, 6]],
        );
    }
}
