//! Which part of the dataset a document falls into: training, validation or test.

use docgenie_document::{DocumentId, Seed};
use docgenie_runtime::stage::StageFailure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BAD_SPLIT;

/// Shares of the parts of a dataset; together 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// Share of documents to train on.
    pub train: f64,
    /// Share of documents to tune on.
    pub validation: f64,
    /// Share of documents to test on.
    pub test: f64,
}

impl Split {
    pub(super) fn check(&self) -> Result<(), StageFailure> {
        let shares = [self.train, self.validation, self.test];
        let sum: f64 = shares.iter().sum();
        if shares.iter().all(|share| *share >= 0.0) && (sum - 1.0).abs() < 1e-6 {
            return Ok(());
        }
        let message = format!("the shares of `split` are {shares:?} and add up to {sum}");
        Err(StageFailure::new(BAD_SPLIT, message)
            .hint("give shares between 0 and 1 that add up to 1, such as `{ train = 0.8, validation = 0.1, test = 0.1 }`")
            .ends_run())
    }

    /// The part this document falls into.
    pub(super) fn part(&self, run: Seed, document: DocumentId) -> &'static str {
        let draw = run.derive("split").of_document(document.index());
        let draw = draw.0 as f64 / u64::MAX as f64;
        if draw < self.train {
            "train"
        } else if draw < self.train + self.validation {
            "validation"
        } else if self.test > 0.0 {
            "test"
        } else {
            // Shares that add up to a little less than 1 by rounding.
            "train"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let check = |train, validation, test, good: bool| {
            let split = Split {
                train,
                validation,
                test,
            };
            assert_eq!(split.check().is_ok(), good, "{split:?}");
        };
        check(0.8, 0.1, 0.1, true);
        check(1.0, 0.0, 0.0, true);
        check(0.8, 0.1, 0.0, false);
        check(1.2, -0.2, 0.0, false);
        check(f64::NAN, 0.5, 0.5, false);
    }

    #[test]
    fn parts_follow_the_shares_and_the_seed() {
        let split = Split {
            train: 0.8,
            validation: 0.1,
            test: 0.1,
        };
        let parts = |seed| {
            let documents = (0..2000).map(DocumentId::from_index);
            let parts = documents.map(|id| split.part(Seed(seed), id));
            parts.collect::<Vec<_>>()
        };
        let train = parts(7).iter().filter(|part| **part == "train").count();
        assert!((1520..1680).contains(&train), "{train}");
        assert_eq!(parts(7), parts(7));
        assert_ne!(parts(7), parts(8));
    }
}
