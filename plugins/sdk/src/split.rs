//! Training, validation and test parts.

use std::collections::btree_map::{self, BTreeMap, Entry};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, Problem, Result};

/// A part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To judge by.
    Test,
}

impl Part {
    /// All parts in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// One thing for each part that has documents, such as a file.
pub struct Parts<T>(BTreeMap<Part, T>);

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Parts<T> {
    /// The part's, made when it is asked for first.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn get(&mut self, part: Part, make: impl FnOnce() -> Result<T>) -> Result<&mut T> {
        match self.0.entry(part) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(make()?)),
        }
    }
}

impl<T> IntoIterator for Parts<T> {
    type Item = (Part, T);
    type IntoIter = btree_map::IntoIter<Part, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// How many documents are held back for validation and test. All pages of a document are in one
/// part.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Split {
    /// Share of the documents in the validation part.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub validation: f64,
    /// Share of the documents in the test part.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub test: f64,
}

impl Split {
    /// The part a document is in. It follows from the document's number alone; multiples of the
    /// golden ratio spread any run of numbers evenly, so that shares are kept closely and no rhythm
    /// among the documents ends up in one part.
    #[must_use]
    pub fn part(&self, document: &Document) -> Part {
        const GOLDEN_RATIO: f64 = 1.618_033_988_749_895;
        let place = (f64::from(document.index()) * GOLDEN_RATIO).fract();
        // From the top, so that the first document, at 0, is one to learn from.
        if place >= 1.0 - self.validation {
            Part::Validation
        } else if place >= 1.0 - self.validation - self.test {
            Part::Test
        } else {
            Part::Train
        }
    }

    /// What is wrong with the shares; `pointer` is where they stand in the params.
    #[must_use]
    pub fn check(&self, pointer: &str) -> Vec<Problem> {
        let too_much = self.validation + self.test >= 1.0;
        let problem = too_much.then(|| {
            Problem::new(pointer, "no documents are left for training")
                .hint("`validation` and `test` together must be less than 1")
        });
        problem.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let split = Split {
            validation: 0.1,
            test: 0.2,
        };
        let count = |part| {
            let parts = (0..1000).map(|index| {
                split.part(&Document {
                    index,
                    ..Document::default()
                })
            });
            parts.filter(|it| *it == part).count()
        };
        for (part, expected) in Part::ALL.into_iter().zip([700_usize, 100, 200]) {
            assert!(
                count(part).abs_diff(expected) <= 2,
                "{} of {}",
                count(part),
                part.name()
            );
        }
        assert!(split.check("/split").is_empty());
        assert_eq!(
            Split {
                validation: 0.5,
                test: 0.5
            }
            .check("/split")
            .len(),
            1
        );
        assert_eq!(Split::default().part(&Document::default()), Part::Train);
    }
}
