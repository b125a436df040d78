//! Counts and means that take the same memory for ten documents and ten million.

use docgenie_document::slot::TokenUsage;
use serde::Serialize;

use super::{ByName, Facts, TypeDiversity};

/// Figures about a run, as the dataset shows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Documents asked for.
    pub total_documents: u64,
    /// Documents in the dataset that passed their check, where one was made.
    pub valid_documents: u64,
    /// Failed documents by error code.
    pub error_counts: Counts,
    /// Documents with places for handwriting.
    pub has_handwriting: u64,
    /// Documents with places for visual elements.
    pub has_visual_elements: u64,
    /// Documents read by optical character recognition.
    pub has_ocr: u64,
    /// Documents of more than one page.
    pub multipage_count: u64,
    /// What language models took for the documents; null where none was asked.
    pub token_usage: Option<TokenFigures>,
    /// Pages.
    pub pages: u64,
    /// Words on them.
    pub words: u64,
    /// Key information values.
    pub fields: u64,
    /// Questions.
    pub questions: u64,
    /// Named entities by label.
    pub entities: Counts,
    /// Layout regions by label.
    pub regions: Counts,
    /// Documents by language.
    pub languages: Counts,
    /// Documents by type.
    pub document_types: Counts,
    /// The outcome of checking the ground truth; null where it was not checked.
    pub verification: Option<VerificationFigures>,
    /// What optical character recognition got wrong; null where it was not measured.
    pub ocr: Option<OcrFigures>,
    /// How different the layouts of a document type are.
    pub layout_diversity: ByName<TypeDiversity>,
}

/// What language models took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TokenFigures {
    /// Documents that a model wrote.
    pub documents: u64,
    /// Those documents by model.
    pub models: Counts,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// What they cost in US dollars; null where the price of one is not known.
    pub cost_usd: Option<f64>,
}

/// The outcome of checking the ground truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerificationFigures {
    /// Documents checked.
    pub documents: u64,
    /// Documents all of whose keys stand on their pages.
    pub passed: u64,
    /// Documents with known labels and boxes on their pages.
    pub valid_labels: u64,
    /// Keys looked for.
    pub keys: u64,
    /// Keys that stand on the pages verbatim.
    pub exact: u64,
    /// Mean similarity of keys to the pages' words, 0 to 1.
    pub mean_similarity: f64,
    /// Mean similarity of keys to what OCR read, 0 to 1.
    pub mean_ocr_similarity: Option<f64>,
}

/// What optical character recognition got wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OcrFigures {
    /// Documents measured.
    pub documents: u64,
    /// Mean of their character error rates.
    pub mean_character_error_rate: f64,
    /// Median of their character error rates, to a thousandth, at most 1.
    pub median_character_error_rate: f64,
}

/// How often each of a few names occurs. Names beyond the first [`Self::MOST`] count as `other`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Counts(ByName<u64>);

impl Counts {
    /// The most names that are told apart.
    pub const MOST: usize = 256;

    pub(super) fn add(&mut self, name: &str) {
        let name = match self.0.len() < Self::MOST || self.0.contains_key(name) {
            true => name,
            false => "other",
        };
        *self.0.entry(name.to_owned()).or_default() += 1;
    }
}

#[derive(Default)]
pub(super) struct Tally {
    valid: u64,
    handwriting: u64,
    elements: u64,
    recognised: u64,
    multipage: u64,
    pages: u64,
    words: u64,
    fields: u64,
    questions: u64,
    entities: Counts,
    regions: Counts,
    languages: Counts,
    types: Counts,
    checked: u64,
    passed: u64,
    labelled: u64,
    exact: u64,
    similarity: Mean,
    ocr_similarity: Mean,
    error_rate: Mean,
    error_rates: Histogram,
    tokens: Tokens,
}

/// What language models took so far.
#[derive(Default)]
struct Tokens {
    documents: u64,
    models: Counts,
    input: u64,
    output: u64,
    micro_usd: u64,
    unpriced: bool,
}

impl Tokens {
    fn add(&mut self, usage: &TokenUsage) {
        self.documents += 1;
        self.models.add(&usage.model);
        self.input += usage.input_tokens;
        self.output += usage.output_tokens;
        self.micro_usd += usage.micro_usd.unwrap_or_default();
        self.unpriced |= usage.micro_usd.is_none();
    }

    fn figures(&self) -> Option<TokenFigures> {
        (self.documents > 0).then(|| TokenFigures {
            documents: self.documents,
            models: self.models.clone(),
            input_tokens: self.input,
            output_tokens: self.output,
            cost_usd: (!self.unpriced).then(|| self.micro_usd as f64 / 1e6),
        })
    }
}

impl Tally {
    pub(super) fn add(&mut self, facts: &Facts) {
        let count = |yes: bool| u64::from(yes);
        let handwriting = facts.handwriting.as_deref();
        let elements = facts.elements.as_deref();
        self.handwriting += count(handwriting.is_some_and(|ink| !ink.regions.is_empty()));
        self.elements += count(elements.is_some_and(|elements| !elements.places.is_empty()));
        self.recognised += count(facts.ocr.is_some());
        if let Some(words) = &facts.words {
            self.multipage += count(words.pages.len() > 1);
            self.pages += words.pages.len() as u64;
            self.words += words.words.len() as u64;
        }
        if let Some(truth) = &facts.truth {
            self.types.add(&truth.document_type);
            self.languages.add(&truth.language);
            self.fields += truth.fields.len() as u64;
            self.questions += truth.questions.len() as u64;
            for entity in &truth.entities {
                self.entities.add(&entity.label);
            }
        }
        if let Some(usage) = &facts.usage {
            self.tokens.add(usage);
        }
        for region in facts.layout.iter().flat_map(|layout| &layout.regions) {
            self.regions.add(&region.label);
        }
        let Some(verification) = &facts.verification else {
            self.valid += 1;
            return;
        };
        self.checked += 1;
        self.passed += count(verification.passed);
        self.labelled += count(verification.valid_labels);
        self.valid += count(verification.passed && verification.valid_labels);
        for key in &verification.keys {
            self.exact += count(key.exact);
            self.similarity.add(key.similarity);
            if let Some(found) = key.ocr_similarity {
                self.ocr_similarity.add(found);
            }
        }
        if let Some(rate) = verification.ocr_character_error_rate {
            self.error_rate.add(rate);
            self.error_rates.add(rate);
        }
    }

    pub(super) fn figures<'a>(
        &self,
        documents: u64,
        errors: impl Iterator<Item = &'a str>,
        layout_diversity: ByName<TypeDiversity>,
    ) -> Figures {
        let mut error_counts = Counts::default();
        errors.for_each(|code| error_counts.add(code));
        let verification = (self.checked > 0).then(|| VerificationFigures {
            documents: self.checked,
            passed: self.passed,
            valid_labels: self.labelled,
            keys: self.similarity.count,
            exact: self.exact,
            mean_similarity: self.similarity.value().unwrap_or(1.0),
            mean_ocr_similarity: self.ocr_similarity.value(),
        });
        let ocr = self.error_rate.value().map(|mean| OcrFigures {
            documents: self.error_rate.count,
            mean_character_error_rate: mean,
            median_character_error_rate: self.error_rates.median(),
        });
        Figures {
            total_documents: documents,
            valid_documents: self.valid,
            error_counts,
            has_handwriting: self.handwriting,
            has_visual_elements: self.elements,
            has_ocr: self.recognised,
            multipage_count: self.multipage,
            token_usage: self.tokens.figures(),
            pages: self.pages,
            words: self.words,
            fields: self.fields,
            questions: self.questions,
            entities: self.entities.clone(),
            regions: self.regions.clone(),
            languages: self.languages.clone(),
            document_types: self.types.clone(),
            verification,
            ocr,
            layout_diversity,
        }
    }
}

/// A running mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean to four decimals; `None` of nothing.
    pub(super) fn value(&self) -> Option<f64> {
        let mean = self.sum / self.count as f64;
        (self.count > 0).then(|| (mean * 10_000.0).round() / 10_000.0)
    }
}

/// How many values fall into each thousandth from 0 to 1; what is larger counts as 1.
struct Histogram([u64; 1001]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; 1001])
    }
}

impl Histogram {
    fn add(&mut self, value: f64) {
        let thousandths = (value.clamp(0.0, 1.0) * 1000.0).round();
        self.0[thousandths as usize] += 1;
    }

    /// The lower median; 0 of nothing.
    fn median(&self) -> f64 {
        let half = self.0.iter().sum::<u64>().div_ceil(2);
        let mut below = 0;
        let bin = self.0.iter().position(|count| {
            below += count;
            below >= half
        });
        bin.unwrap_or_default() as f64 / 1000.0
    }
}
