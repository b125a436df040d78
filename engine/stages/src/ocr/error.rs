//! What may go wrong with Tesseract.

use std::{io, path::PathBuf};

use docgenie_document::Code;
use docgenie_runtime::stage::StageFailure;

use super::Language;

/// No language data is installed.
pub const NO_DATA: Code = Code::new("DG0501");
/// The data of a language is not installed.
pub const MISSING_LANGUAGE: Code = Code::new("DG0502");
/// Tesseract refuses to start or to read.
pub const ENGINE_FAILED: Code = Code::new("DG0503");
/// A name that is no language.
pub const UNKNOWN_LANGUAGE: Code = Code::new("DG0504");

/// Why a page is not read.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    /// No folder of language data.
    #[error("no language data for tesseract in {}", .searched.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", "))]
    NoData {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A language without data.
    #[error("tesseract has no data for the language `{0}`")]
    MissingLanguage(Language),
    /// Data that cannot be read.
    #[error("the data of the language `{language}` cannot be read")]
    UnreadableData {
        /// Which.
        language: Language,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No language of this name.
    #[error("`{0}` is no language that tesseract reads")]
    UnknownLanguage(String),
    /// Tesseract itself.
    #[error("tesseract fails with the languages `{languages}`")]
    Engine {
        /// The languages, joined by `+`.
        languages: String,
        /// Why.
        #[source]
        source: tesseract_rs::TesseractError,
    },
}

impl OcrError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NoData { .. } => NO_DATA,
            Self::MissingLanguage(_) => MISSING_LANGUAGE,
            Self::UnreadableData { .. } | Self::Engine { .. } => ENGINE_FAILED,
            Self::UnknownLanguage(_) => UNKNOWN_LANGUAGE,
        }
    }

    /// What cures it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoData { .. } => format!(
                "run `apt-get install {}`, or set TESSDATA_PREFIX to the folder of your data",
                Language::ENGLISH.package()
            ),
            Self::MissingLanguage(language) => {
                format!("run `apt-get install {}`", language.package())
            }
            Self::UnreadableData { language, .. } => {
                format!("run `apt-get install --reinstall {}`", language.package())
            }
            Self::UnknownLanguage(_) => {
                "give an English name, an ISO code or the name of tesseract's data: \
                 `German`, `de`, `deu`, `chi_sim`"
                    .to_owned()
            }
            Self::Engine { .. } => {
                "run `docgenie-engine doctor`, and reinstall the language data".to_owned()
            }
        }
    }
}

impl From<OcrError> for StageFailure {
    fn from(error: OcrError) -> Self {
        let failure = Self::new(error.code(), error.to_string()).hint(error.hint());
        match std::error::Error::source(&error) {
            Some(cause) => failure.because(cause),
            None => failure,
        }
    }
}
