//! Tying what a document says to the words that carry it.

use std::ops::Range;

use docgenie_document::{
    geometry::Rect,
    text::Words,
    truth::{Entity, Field, GroundTruth, Grounding, Layout, Question, VisualElements, VisualPlace},
};

use super::{Text, index, words::without_blanks};
use crate::markup::{Markup, Visual, ink};

/// What a word shows of something: the word's position and the box around the part.
type Part = (u32, Rect);

/// The words of a document by chunk and by text.
pub(super) struct Places<'t> {
    words: &'t Words,
    /// The parts of words that carry each chunk, in reading order.
    carriers: Vec<Vec<Part>>,
    /// The characters of all words in reading order.
    characters: Vec<Part>,
    /// Their letters without blanks, and for each of its bytes the character it is of.
    letters: String,
    character_at: Vec<u32>,
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t Text, chunks: usize) -> Self {
        let mut carriers = vec![Vec::new(); chunks];
        for (word, carried) in (0..).zip(&text.chunks) {
            for (chunk, rect) in carried {
                if let Some(carrier) = carriers.get_mut(*chunk as usize) {
                    carrier.push((word, *rect));
                }
            }
        }
        let (mut characters, mut letters, mut character_at) =
            (Vec::new(), String::new(), Vec::new());
        for (number, word) in (0..).zip(&text.words.words) {
            for character in &word.characters {
                letters.extend(character.text.chars().filter(|c| !c.is_whitespace()));
                character_at.resize(letters.len(), index(characters.len()));
                characters.push((number, character.rect));
            }
        }
        Self {
            words: &text.words,
            carriers,
            characters,
            letters,
            character_at,
        }
    }

    /// Where these chunks stand, page by page.
    pub(super) fn of(&self, chunks: Range<u32>) -> Vec<Grounding> {
        let range = chunks.start as usize..chunks.end as usize;
        let carriers = self.carriers.get(range).unwrap_or_default();
        let mut parts = carriers.concat();
        parts.sort_by_key(|(word, _)| *word);
        self.groundings(parts)
    }

    /// Where a text first stands verbatim, blanks aside, and not inside a longer word or number.
    fn find(&self, text: &str) -> Vec<Grounding> {
        let needle: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if needle.is_empty() {
            return Vec::new();
        }
        let mut matches = self.letters.match_indices(&needle);
        let found = matches.find(|(start, _)| self.stands_alone(*start, start + needle.len()));
        let Some((start, _)) = found else {
            return Vec::new();
        };
        let mut characters = self.character_at[start..start + needle.len()].to_vec();
        characters.dedup();
        let parts = characters.iter().map(|at| self.characters[*at as usize]);
        self.groundings(parts)
    }

    fn stands_alone(&self, start: usize, end: usize) -> bool {
        let before = self.letters[..start].chars().next_back();
        let after = self.letters[end..].chars().next();
        let word_at = |byte: usize| {
            let character = self.character_at.get(byte)?;
            Some(self.characters[*character as usize].0)
        };
        let same_word = |a: usize, b: usize| word_at(a) == word_at(b);
        let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && !without_blanks(c));
        let starts = start == 0 || !same_word(start - 1, start) || !joined(before);
        let ends = !same_word(end - 1, end) || !joined(after);
        starts && ends
    }

    /// One grounding a page for parts of words in reading order.
    fn groundings(&self, parts: impl IntoIterator<Item = Part>) -> Vec<Grounding> {
        let mut groundings: Vec<Grounding> = Vec::new();
        for (number, rect) in parts {
            if let Some(word) = self.words.words.get(number as usize) {
                add(&mut groundings, word.page, &rect, Some(number));
            }
        }
        groundings
    }

    pub(super) fn visual_elements(&self, markup: &Markup, text: &Text) -> VisualElements {
        let places = (0..).zip(markup.visuals()).filter_map(|(number, visual)| {
            let (page, rect) = self.visual_place(number, &visual, text)?;
            Some(VisualPlace {
                kind: visual.kind,
                content: visual.content,
                page,
                rect,
                placed: None,
            })
        });
        VisualElements {
            places: places.collect(),
        }
    }

    /// The room of a visual element: its largest fragment, or its text where it has no fill.
    fn visual_place(&self, number: u32, visual: &Visual, text: &Text) -> Option<(u32, Rect)> {
        let fills = text.fills.iter();
        let own = fills.filter(|(fill, ..)| ink::fill_number_of(number) == *fill);
        let largest = own.max_by(|(.., a), (.., b)| a.area().total_cmp(&b.area()));
        let filled = largest.map(|(_, page, rect)| (*page, *rect));
        filled.or_else(|| {
            let place = self.of(visual.chunks.clone()).into_iter().next()?;
            Some((place.page, place.rect))
        })
    }

    /// The regions: around their words and the visual elements in them.
    pub(super) fn layout(&self, markup: &Markup, text: &Text) -> Layout {
        let mut layout = markup.layout(|chunks| self.of(chunks));
        for (number, visual) in (0..).zip(markup.visuals()) {
            let Some((page, rect)) = self.visual_place(number, &visual, text) else {
                continue;
            };
            let mut around = visual.region;
            while let Some(region) = around.and_then(|at| layout.regions.get_mut(at as usize)) {
                add(&mut region.places, page, &rect, None);
                region.places.sort_by_key(|place| place.page);
                around = region.parent;
            }
        }
        layout
    }

    /// The truth with the places of its items: those of the elements that say it, otherwise where
    /// its text stands.
    pub(super) fn truth(&self, truth: &GroundTruth, markup: Option<&Markup>) -> GroundTruth {
        let mut fields = markup.map_or_else(Vec::new, |m| m.fields(|chunks| self.of(chunks)));
        let mut entities = markup.map_or_else(Vec::new, |m| m.entities(|chunks| self.of(chunks)));
        let field = |field: &Field| {
            let same = |f: &Field| {
                (&f.name, &f.value, &f.group) == (&field.name, &field.value, &field.group)
            };
            let places = take(&mut fields, same).map(|known| known.places);
            Field {
                places: places.unwrap_or_else(|| self.find(&field.value)),
                ..field.clone()
            }
        };
        let fields: Vec<Field> = truth.fields.iter().map(field).collect();
        let entity = |entity: &Entity| {
            let same = |e: &Entity| (&e.label, &e.text) == (&entity.label, &entity.text);
            let places = take(&mut entities, same).map(|known| known.places);
            Entity {
                places: places.unwrap_or_else(|| self.find(&entity.text)),
                ..entity.clone()
            }
        };
        let entities: Vec<Entity> = truth.entities.iter().map(entity).collect();
        let question = |question: &Question| {
            let named = |field: &&Field| {
                Some(&field.name) == question.field.as_ref() && field.value == question.answer
            };
            let places = fields.iter().find(named).map(|field| field.places.clone());
            Question {
                places: places.unwrap_or_else(|| self.find(&question.answer)),
                ..question.clone()
            }
        };
        GroundTruth {
            questions: truth.questions.iter().map(question).collect(),
            bio: self.bio(&entities),
            fields,
            entities,
            ..truth.clone()
        }
    }

    /// A label for every word. Where entities nest, the outer one counts.
    fn bio(&self, entities: &[Entity]) -> Vec<String> {
        let mut labels = vec!["O".to_owned(); self.words.words.len()];
        for entity in entities {
            let mut prefix = "B";
            for word in entity.places.iter().flat_map(|place| &place.words) {
                if let Some(label) = labels.get_mut(*word as usize).filter(|label| *label == "O") {
                    *label = format!("{prefix}-{}", entity.label);
                    prefix = "I";
                }
            }
        }
        labels
    }
}

/// Widens the place on a page, or begins one.
fn add(places: &mut Vec<Grounding>, page: u32, rect: &Rect, word: Option<u32>) {
    match places.iter_mut().find(|place| place.page == page) {
        Some(place) => {
            place.rect = place.rect.union(rect);
            place.words.extend(word);
            place.words.dedup();
        }
        None => places.push(Grounding {
            page,
            rect: *rect,
            words: word.into_iter().collect(),
        }),
    }
}

/// Removes the first that matches, so that equal items are used in order.
fn take<T>(items: &mut Vec<T>, matches: impl Fn(&T) -> bool) -> Option<T> {
    let at = items.iter().position(matches)?;
    Some(items.remove(at))
}
