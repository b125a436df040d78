//! A whole document read once: what is marked on its pages, and where a text stands among their
//! words.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, btree_map::Entry},
    iter,
    ops::Range,
};

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{Document, Extent, Problem, Rect, Region, Result, Word, facts::Facts};

/// All words and regions of a document.
pub struct Pages(Vec<PageContent>);

/// The words and regions of a page.
pub struct PageContent {
    /// Its size in points.
    pub extent: Extent,
    /// In reading order.
    pub words: Vec<Word>,
    /// Its labelled parts.
    pub regions: Vec<Region>,
    /// Of its words, once a text is looked for.
    letters: OnceCell<Vec<Letter>>,
}

/// Where something stands on one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Page, from 0.
    pub page: u32,
    /// Left, top, right and bottom in points to a hundredth, origin at the top left of the page.
    pub bbox: [f64; 4],
    /// Positions of its words among the words of the page, in reading order.
    pub words: Vec<u32>,
}

/// One thing that is marked on the pages, such as a field, with all its places.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked<F> {
    /// Of its regions.
    pub id: String,
    /// Of its regions.
    pub label: String,
    /// What the attributes of its regions say.
    pub facts: F,
    /// One for each page that it reaches.
    pub places: Vec<Place>,
}

/// A character that counts when texts are compared, and where it comes from.
struct Letter {
    character: char,
    /// Position of its word on the page.
    word: u32,
    /// Characters of the word before it.
    before: usize,
}

impl Pages {
    /// The pages of a document.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let pages = document.pages().map(|page| PageContent {
            extent: page.extent(),
            words: page.words(),
            regions: page.regions(),
            letters: OnceCell::new(),
        });
        Self(pages.collect())
    }

    /// First to last.
    pub fn iter(&self) -> impl Iterator<Item = &PageContent> {
        self.0.iter()
    }

    /// A page, from 0.
    #[must_use]
    pub fn get(&self, page: u32) -> Option<&PageContent> {
        self.0.get(page as usize)
    }

    /// What is marked with one kind of region, in the order of the pages.
    ///
    /// # Errors
    /// Broken, where attributes are not those of the kind.
    pub fn marked<F: Facts>(&self) -> Result<Vec<Marked<F>>> {
        let mut all: Vec<Marked<F>> = Vec::new();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, page) in (0..).zip(&self.0) {
            for region in &page.regions {
                let Some(facts) = region.facts()? else {
                    continue;
                };
                let place = Place::new(number, &region.bounds, region.words.clone());
                match known.entry(region.id.as_str()) {
                    Entry::Occupied(at) => all[*at.get()].places.push(place),
                    Entry::Vacant(free) => {
                        free.insert(all.len());
                        all.push(Marked {
                            id: region.id.clone(),
                            label: region.label.clone(),
                            facts,
                            places: vec![place],
                        });
                    }
                }
            }
        }
        Ok(all)
    }

    /// Where a text stands verbatim, in reading order, each time as whole words or parts of them
    /// that are set off by punctuation. Texts are compared after NFKD, without white space and
    /// without characters that only steer line breaks and directions.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Place> {
        let wanted = squeezed(text);
        let mut found = Vec::new();
        for (number, page) in (0..).zip(&self.0) {
            let mut from = 0;
            while let Some(range) = page.next(&wanted, from) {
                from = range.end;
                found.extend(page.place(number, &range));
            }
        }
        found
    }

    /// Whether the words at these places carry a text, however much else; no places carry nothing.
    #[must_use]
    pub fn carry(&self, places: &[Place], text: &str) -> bool {
        let words = places.iter().flat_map(|place| {
            let page = self.get(place.page);
            let word = move |word: &u32| page?.words.get(*word as usize);
            place.words.iter().filter_map(word)
        });
        let there: Vec<char> = words.flat_map(|word| squeezed(&word.text)).collect();
        let wanted = squeezed(text);
        !wanted.is_empty() && there.windows(wanted.len()).any(|part| part == wanted)
    }

    /// How many characters of [`Page::text`](crate::Page::text) come before a text at its place;
    /// before the place's first word, where the text does not stand in its words.
    #[must_use]
    pub fn offset(&self, place: &Place, text: &str) -> Option<usize> {
        let page = self.get(place.page)?;
        let first = *place.words.first()?;
        let wanted = squeezed(text);
        let begins = |at: usize| {
            let letters = page.letters()[at..].iter().map(|it| it.character);
            letters.take(wanted.len()).eq(wanted.iter().copied())
        };
        let from = page.letters().partition_point(|letter| letter.word < first);
        let to = page
            .letters()
            .partition_point(|letter| letter.word <= first);
        let start = (from..to).find(|at| begins(*at));
        let inside = start.map_or(0, |at| page.letters()[at].before);
        Some(page.offset_of(first)? + inside)
    }

    /// What cannot be true of the places of something: pages, boxes and words that are not there,
    /// words that lie outside of their box. `pointer` says where the list of places stands.
    #[must_use]
    pub fn check(&self, places: &[Place], pointer: &str) -> Vec<Problem> {
        let each = places.iter().enumerate();
        each.flat_map(|(number, place)| self.check_one(place, &format!("{pointer}/{number}")))
            .collect()
    }

    /// What is wrong if a text does not stand verbatim at its places. `pointer` says where the text
    /// stands in the ground truth.
    #[must_use]
    pub fn check_text(&self, text: &str, places: &[Place], pointer: &str) -> Option<Problem> {
        let where_not = if places.is_empty() {
            "in the document"
        } else {
            "at its places"
        };
        let wrong = !self.carry(places, text);
        wrong.then(|| Problem::new(pointer, format!("`{text}` does not stand {where_not}")))
    }

    fn check_one(&self, place: &Place, pointer: &str) -> Vec<Problem> {
        let Some(page) = self.get(place.page) else {
            let count = self.0.len();
            let message = format!("there is no page {}, the document has {count}", place.page);
            return vec![Problem::new(format!("{pointer}/page"), message)];
        };
        let mut problems = Vec::new();
        if !within(&place.bbox, page.extent) {
            let Extent { width, height } = page.extent;
            let message = format!(
                "{:?} is no box on its page of {width} x {height} points",
                place.bbox
            );
            problems.push(Problem::new(format!("{pointer}/bbox"), message));
        }
        for number in &place.words {
            let message = match page.words.get(*number as usize) {
                None => format!(
                    "there is no word {number}, the page has {}",
                    page.words.len()
                ),
                Some(word) if !touch(&place.bbox, &word.bounds) => {
                    format!("word {number}, `{}`, stands outside of the box", word.text)
                }
                Some(_) => continue,
            };
            problems.push(Problem::new(format!("{pointer}/words"), message));
        }
        problems
    }
}

impl Place {
    /// A place with its box as a dataset holds it.
    #[must_use]
    pub fn new(page: u32, bounds: &Rect, words: Vec<u32>) -> Self {
        let hundredth = |value: f64| (value * 100.0).round() / 100.0;
        let edges = [bounds.x, bounds.y, bounds.right(), bounds.bottom()];
        Self {
            page,
            bbox: edges.map(hundredth),
            words,
        }
    }
}

/// By how much the edges of a place may be off.
const ROUNDING: f64 = 0.011;

/// Whether edges are in order and on the page.
fn within([left, top, right, bottom]: &[f64; 4], page: Extent) -> bool {
    let along = |from: f64, to: f64, end: f64| {
        from.is_finite()
            && to.is_finite()
            && -ROUNDING <= from
            && from <= to
            && to <= end + ROUNDING
    };
    along(*left, *right, page.width) && along(*top, *bottom, page.height)
}

fn touch([left, top, right, bottom]: &[f64; 4], bounds: &Rect) -> bool {
    let along =
        |from: f64, to: f64, start: f64, end: f64| from <= end + ROUNDING && start <= to + ROUNDING;
    along(*left, *right, bounds.x, bounds.right())
        && along(*top, *bottom, bounds.y, bounds.bottom())
}

impl PageContent {
    fn letters(&self) -> &[Letter] {
        self.letters.get_or_init(|| letters(&self.words))
    }

    /// The next letters at or behind `from` that are the wanted ones and stand for themselves.
    fn next(&self, wanted: &[char], from: usize) -> Option<Range<usize>> {
        let first = wanted.first()?;
        let letters = self.letters();
        let last = letters.len().checked_sub(wanted.len())?;
        let is_it = |start: &usize| {
            let range = *start..*start + wanted.len();
            letters[*start].character == *first
                && letters[range.clone()]
                    .iter()
                    .map(|it| it.character)
                    .eq(wanted.iter().copied())
                && !self.goes_on(range.start)
                && !self.goes_on(range.end)
        };
        let start = (from..=last).find(is_it)?;
        Some(start..start + wanted.len())
    }

    /// Whether a word or number goes on from the letter before `at` to the letter there.
    fn goes_on(&self, at: usize) -> bool {
        let letter = |at: Option<usize>| at.and_then(|at| self.letters().get(at));
        let (Some(before), Some(after)) = (letter(at.checked_sub(1)), letter(Some(at))) else {
            return false;
        };
        if before.word != after.word {
            return false;
        }
        let beyond = |letter: Option<&Letter>| {
            letter.is_some_and(|it| it.word == before.word && it.character.is_numeric())
        };
        let point = |character| matches!(character, '.' | ',');
        let (a, b) = (before.character, after.character);
        joined(a, b)
            || a.is_numeric() && point(b) && beyond(letter(Some(at + 1)))
            || point(a) && b.is_numeric() && beyond(letter(at.checked_sub(2)))
    }

    fn place(&self, page: u32, letters: &Range<usize>) -> Option<Place> {
        let letters = self.letters().get(letters.clone())?;
        let (first, last) = (letters.first()?.word, letters.last()?.word);
        let words = self.words.get(first as usize..=last as usize)?;
        let bounds = Rect::around(words.iter().map(|word| &word.bounds))?;
        Some(Place::new(page, &bounds, (first..=last).collect()))
    }

    /// Characters of the page's text before a word: what stands between two words is one character,
    /// or two between blocks.
    fn offset_of(&self, word: u32) -> Option<usize> {
        let words = self.words.get(..=word as usize)?;
        let between = words.windows(2).map(|pair| {
            let gap = if pair[0].block == pair[1].block { 1 } else { 2 };
            pair[0].text.chars().count() + gap
        });
        Some(between.sum())
    }
}

/// Whether two characters side by side belong to one word or number.
fn joined(a: char, b: char) -> bool {
    // Vowels and final consonants of a Korean syllable.
    let is_part = is_combining_mark(b) || ('\u{1160}'..='\u{11ff}').contains(&b);
    let apart = is_unspaced(a) && is_unspaced(b);
    is_part
        || !apart && (a.is_alphabetic() && b.is_alphabetic() || a.is_numeric() && b.is_numeric())
}

/// Whether a character is of a script that sets no blanks between words, or between a word and its
/// particles.
fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}'
        | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn letters(words: &[Word]) -> Vec<Letter> {
    let mut letters = Vec::new();
    for (number, word) in (0..).zip(words) {
        for (before, character) in word.text.chars().enumerate() {
            letters.extend(folded(character).map(|character| Letter {
                character,
                word: number,
                before,
            }));
        }
    }
    letters
}

fn squeezed(text: &str) -> Vec<char> {
    text.chars().flat_map(folded).collect()
}

/// What counts of a character when texts are compared.
fn folded(character: char) -> impl Iterator<Item = char> {
    let unseen = |c: &char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    iter::once(character).nfkd().filter(move |it| !unseen(it))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::{
        facts::{Entity, Field},
        testing::{page, region, word},
    };

    fn pages(lines: &[&str]) -> Pages {
        let mut words = Vec::new();
        for (line, text) in (0..).zip(lines) {
            for (at, text) in text.split(' ').enumerate() {
                let x = 20.0 + 50.0 * at as f64;
                let y = 20.0 + 20.0 * f64::from(line);
                words.push(word(text, [x, y, 40.0, 12.0], line / 2, line));
            }
        }
        Pages::of(&Document {
            pages: vec![page(words, Vec::new())],
            ..Document::default()
        })
    }

    #[track_caller]
    fn check(lines: &[&str], text: &str, expected: &[&[u32]]) {
        let found = pages(lines).find(text);
        let words: Vec<_> = found.into_iter().map(|place| place.words).collect();
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn a_text_is_found_as_whole_words() {
        let lines = ["No: (A-17), 12.50 EUR", "A-17 112.50 100EUR 1"];
        check(&lines, "A-17", &[&[1], &[4]]);
        check(&lines, "12.50\n EUR", &[&[2, 3]]);
        check(&lines, "12.50", &[&[2]]);
        check(&lines, "12", &[]);
        check(&lines, "50", &[]);
        check(&lines, "100", &[&[6]]);
        check(&lines, "EUR", &[&[3], &[6]]);
        check(&lines, "EU", &[]);
        check(&lines, "1", &[&[7]]);
        check(&lines, "", &[]);
        check(&lines, " \u{200b}", &[]);
        check(&[], "x", &[]);
    }

    #[test]
    fn scripts_differ() {
        check(&["发票编号 东京", "都庁前"], "东京都庁", &[&[1, 2]]);
        check(&["서울에서 선생"], "서울", &[&[0]]);
        check(&["선생"], "서", &[]);
        check(&["ﬁne cafe\u{301}"], "fine café", &[&[0, 1]]);
        check(&["cafe\u{301}"], "cafe", &[]);
        check(&["فاتورة رقم"], "\u{200f}رقم", &[&[1]]);
    }

    #[test]
    fn offsets_are_those_of_the_page_text() {
        let lines = ["No: (Ä-17)", "x y", "z A-17"];
        let pages = pages(&lines);
        let offset = |text: &str| pages.offset(&pages.find(text)[0], text);
        assert_eq!(offset("Ä-17"), Some(5));
        assert_eq!(
            offset("A-17"),
            Some("No: (Ä-17)\nx y\n\nz ".chars().count())
        );
    }

    #[test]
    fn places_are_not_believed() {
        let pages = pages(&["a b"]);
        let good = pages.find("a").remove(0);
        let bad = |change: &dyn Fn(&mut Place)| {
            let mut place = good.clone();
            change(&mut place);
            let problems = pages.check(&[good.clone(), place], "/places");
            problems
                .into_iter()
                .map(|it| it.pointer)
                .collect::<Vec<_>>()
        };
        assert!(pages.check(slice::from_ref(&good), "").is_empty());
        assert_eq!(bad(&|place| place.page = 7), ["/places/1/page"]);
        assert_eq!(bad(&|place| place.words = vec![0, 2]), ["/places/1/words"]);
        assert_eq!(bad(&|place| place.words = vec![1]), ["/places/1/words"]);
        assert_eq!(
            bad(&|place| place.bbox = [0.0, 0.0, 5.0, 5.0]),
            ["/places/1/words"]
        );
        for edge in [f64::INFINITY, -1.0, 1e9] {
            assert_eq!(
                bad(&|place| place.bbox[0] = edge)[0],
                "/places/1/bbox",
                "{edge}"
            );
        }
        assert_eq!(bad(&|place| place.bbox[0] = f64::NAN)[0], "/places/1/bbox");
        assert!(pages.carry(&pages.find("a b"), "a  b"));
        assert!(!pages.carry(&pages.find("a"), "b"));
        assert!(!pages.carry(&[], "a") && !pages.carry(&pages.find("a"), ""));
        let said = |places: &[Place]| pages.check_text("b", places, "/text").map(|it| it.message);
        assert_eq!(said(&pages.find("b")), None);
        assert_eq!(said(&[good]).unwrap(), "`b` does not stand at its places");
        assert_eq!(said(&[]).unwrap(), "`b` does not stand in the document");
    }

    #[test]
    fn what_goes_on_overleaf_is_one_thing() {
        let part = |label| region("field-0", "field", label, [1.0, 2.0, 3.004, 4.0], &[0]);
        let entity = region("entity-0", "entity", "ORG", [0.0; 4], &[]);
        let words = vec![word("a", [1.0, 2.0, 3.0, 4.0], 0, 0)];
        let pages = Pages::of(&Document {
            pages: vec![
                page(words.clone(), vec![part("total")]),
                page(words, vec![part("total"), entity]),
            ],
            ..Document::default()
        });
        let fields = pages.marked::<Field>().unwrap();
        assert_eq!(fields.len(), 1);
        let places = fields[0].places.iter().map(|it| (it.page, it.bbox));
        let bbox = [1.0, 2.0, 4.0, 6.0];
        assert_eq!(places.collect::<Vec<_>>(), [(0, bbox), (1, bbox)]);
        assert_eq!(pages.marked::<Entity>().unwrap()[0].label, "ORG");
    }
}
