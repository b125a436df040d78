//! Words that come and go once boxes are known: what is placed on a page brings words and may hide
//! others. Everything that refers to words by position follows.

use std::collections::BTreeSet;

use crate::{
    text::{Word, Words},
    truth::{GroundTruth, Grounding, Handwriting, Layout, VisualElements},
};

/// From the positions of words as they were to those that they have now.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// By old position; `None` for a word that is gone.
    moved: Vec<Option<u32>>,
    /// Positions of the words that were added, in the order they were given.
    added: Vec<u32>,
    words: usize,
}

impl Revision {
    /// The words without those at the positions `gone` and with others, each behind the words of its
    /// page, in the order they are given.
    #[must_use]
    pub fn of(words: &Words, gone: &BTreeSet<u32>, added: Vec<Word>) -> (Words, Self) {
        let mut revised = Words {
            pages: words.pages.clone(),
            words: Vec::with_capacity(words.words.len() + added.len()),
        };
        let mut revision = Self {
            moved: Vec::with_capacity(words.words.len()),
            added: vec![0; added.len()],
            words: 0,
        };
        let mut waiting: Vec<_> = added.into_iter().enumerate().collect();
        waiting.sort_by_key(|(_, word)| word.page);
        let mut waiting = waiting.into_iter().peekable();
        let mut old = (0..).zip(&words.words).peekable();
        while old.peek().is_some() || waiting.peek().is_some() {
            let page = old.peek().map_or(u32::MAX, |(_, word)| word.page);
            let position = index(revised.words.len());
            if let Some((number, word)) = waiting.next_if(|(_, word)| word.page < page) {
                revision.added[number] = position;
                revised.words.push(word);
            } else if let Some((at, word)) = old.next() {
                let stays = !gone.contains(&at);
                revision.moved.push(stays.then_some(position));
                if stays {
                    revised.words.push(word.clone());
                }
            } else {
                // Of no page that there is: nothing can be tied to it.
                waiting.next();
            }
        }
        revision.words = revised.words.len();
        (revised, revision)
    }

    /// Positions of the words that were added, in the order they were given.
    #[must_use]
    pub fn added(&self) -> &[u32] {
        &self.added
    }

    /// The truth with the words as they are now. What has lost all its words on a page has no place
    /// there any more.
    #[must_use]
    pub fn truth(&self, truth: &GroundTruth) -> GroundTruth {
        let mut truth = truth.clone();
        let fields = truth.fields.iter_mut().map(|it| &mut it.places);
        let questions = truth.questions.iter_mut().map(|it| &mut it.places);
        let entities = truth.entities.iter_mut().map(|it| &mut it.places);
        fields
            .chain(questions)
            .chain(entities)
            .for_each(|places| self.places(places));
        if !truth.bio.is_empty() {
            truth.bio = self.bio(&truth.bio);
        }
        truth
    }

    /// The layout with the words as they are now.
    #[must_use]
    pub fn layout(&self, layout: &Layout) -> Layout {
        let mut layout = layout.clone();
        for region in &mut layout.regions {
            // A region is there without words, too.
            self.words(region.places.iter_mut());
            let cells = region.cells.iter_mut();
            cells.for_each(|cell| self.places(&mut cell.places));
        }
        layout
    }

    /// The places for ink with the words as they are now.
    #[must_use]
    pub fn handwriting(&self, handwriting: &Handwriting) -> Handwriting {
        let mut handwriting = handwriting.clone();
        let regions = handwriting.regions.iter_mut();
        regions.for_each(|region| self.places(&mut region.places));
        handwriting
    }

    /// The visual elements with the words as they are now.
    #[must_use]
    pub fn visual_elements(&self, elements: &VisualElements) -> VisualElements {
        let mut elements = elements.clone();
        for placed in elements
            .places
            .iter_mut()
            .filter_map(|it| it.placed.as_mut())
        {
            self.positions(&mut placed.words);
            let parts = placed.parts.iter_mut();
            parts.for_each(|part| self.positions(&mut part.words));
        }
        elements
    }

    fn places(&self, places: &mut Vec<Grounding>) {
        let had_words: Vec<bool> = places.iter().map(|it| !it.words.is_empty()).collect();
        self.words(places.iter_mut());
        let mut had_words = had_words.into_iter();
        places.retain(|place| !(had_words.next().unwrap_or_default() && place.words.is_empty()));
    }

    fn words<'a>(&self, places: impl Iterator<Item = &'a mut Grounding>) {
        places.for_each(|place| self.positions(&mut place.words));
    }

    fn positions(&self, positions: &mut Vec<u32>) {
        let now = |at: &u32| self.moved.get(*at as usize).copied().flatten();
        *positions = positions.iter().filter_map(now).collect();
    }

    /// A label for each word as they are now. An entity that has lost its first word begins with the
    /// next.
    fn bio(&self, labels: &[String]) -> Vec<String> {
        let mut now = vec!["O".to_owned(); self.words];
        let mut lost: Option<&str> = None;
        for (label, moved) in labels.iter().zip(&self.moved) {
            let (tag, entity) = label.split_once('-').unwrap_or(("O", ""));
            match moved {
                None if tag != "O" => lost = Some(entity),
                None => {}
                Some(at) => {
                    let headless = tag == "I" && lost == Some(entity);
                    now[*at as usize] = if headless {
                        format!("B-{entity}")
                    } else {
                        label.clone()
                    };
                    lost = None;
                }
            }
        }
        now
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        geometry::{Rect, Size},
        text::Page,
        truth::{Entity, PlacedElement, VisualPlace},
    };

    fn word(text: &str, page: u32) -> Word {
        Word {
            text: text.to_owned(),
            page,
            rect: Rect::new(0.0, 0.0, 10.0, 10.0).unwrap(),
            block: 0,
            line: 0,
            number: 0,
            angle: 0.0,
            right_to_left: false,
            font_size: 10.0,
            characters: Vec::new(),
        }
    }

    fn words(texts: &[(&str, u32)]) -> Words {
        let size = Size {
            width: 100.0,
            height: 100.0,
        };
        Words {
            pages: vec![Page { size }; 2],
            words: texts.iter().map(|(text, page)| word(text, *page)).collect(),
        }
    }

    fn entity(words: &[u32]) -> Entity {
        Entity {
            label: "ORG".to_owned(),
            text: String::new(),
            places: vec![Grounding {
                page: 0,
                rect: Rect::new(0.0, 0.0, 1.0, 1.0).unwrap(),
                words: words.to_vec(),
            }],
        }
    }

    #[test]
    fn words_come_behind_their_page_and_references_follow() {
        let before = words(&[("Acme", 0), ("Ltd", 0), ("Total", 1)]);
        let truth = GroundTruth {
            entities: vec![entity(&[0, 1]), entity(&[2])],
            bio: ["B-ORG", "I-ORG", "B-ORG"].map(str::to_owned).to_vec(),
            ..GroundTruth::default()
        };
        let added = vec![word("late", 1), word("PAID", 0)];
        let (after, revision) = Revision::of(&before, &BTreeSet::from([0]), added);
        let texts: Vec<_> = after.words.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["Ltd", "PAID", "Total", "late"]);
        assert_eq!(revision.added(), [3, 1]);
        let truth = revision.truth(&truth);
        assert_eq!(truth.entities[0].places[0].words, [0]);
        assert_eq!(truth.entities[1].places[0].words, [2]);
        assert_eq!(truth.bio, ["B-ORG", "O", "B-ORG", "O"]);
    }

    #[test]
    fn what_is_hidden_whole_has_no_place() {
        let before = words(&[("Acme", 0), ("Ltd", 0)]);
        let truth = GroundTruth {
            entities: vec![entity(&[1])],
            ..GroundTruth::default()
        };
        let (after, revision) = Revision::of(&before, &BTreeSet::from([1]), Vec::new());
        assert_eq!(after.words.len(), 1);
        assert!(revision.truth(&truth).entities[0].places.is_empty());
    }

    #[test]
    fn words_of_earlier_elements_move_too() {
        let before = words(&[("PAID", 0), ("x", 1)]);
        let elements = VisualElements {
            places: vec![VisualPlace {
                kind: "stamp".to_owned(),
                content: String::new(),
                page: 1,
                rect: Rect::new(0.0, 0.0, 1.0, 1.0).unwrap(),
                placed: Some(PlacedElement {
                    element: "plugin:seal".to_owned(),
                    label: "seal".to_owned(),
                    rect: Rect::new(0.0, 0.0, 1.0, 1.0).unwrap(),
                    shows: serde_json::Value::Null,
                    words: vec![1],
                    parts: Vec::new(),
                }),
            }],
        };
        let (_, revision) = Revision::of(&before, &BTreeSet::new(), vec![word("COPY", 0)]);
        let placed = revision.visual_elements(&elements).places[0].placed.clone();
        assert_eq!(placed.unwrap().words, [2]);
    }
}
