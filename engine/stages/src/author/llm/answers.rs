//! The answers of language models, kept in a folder before they are used: what has been paid for is
//! never asked for again, and a run can be had once more without a model.

use std::{fs, io, path::PathBuf};

use docgenie_document::Digest;
use docgenie_runtime::{
    files::write_atomically,
    stage::{StageFailure, blocking},
};
use serde::{Deserialize, Serialize};

use super::UNKEPT_ANSWERS;

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The model, as it names itself.
    pub(super) model: String,
    /// Why it stopped.
    pub(super) stop: Stop,
    /// Tokens read.
    #[serde(default)]
    pub(super) input_tokens: u64,
    /// Tokens written.
    #[serde(default)]
    pub(super) output_tokens: u64,
    /// What they cost, in millionths of a US dollar, where the price is known.
    #[serde(default)]
    pub(super) micro_usd: Option<u64>,
    /// What was not asked as it should have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
    /// Its words.
    pub(super) text: String,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stop {
    /// It had said everything.
    End,
    /// It was not allowed to say more.
    MaxTokens,
    /// It does not want to answer.
    Refusal,
}

/// A folder of answers, each in a file named by the digest of what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers(PathBuf);

impl Answers {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Where the answer to this is, or will be.
    pub(super) fn path(&self, asked: Digest) -> PathBuf {
        self.0.join(format!("{asked}.json"))
    }

    /// The answer to this, if it is known.
    pub(super) async fn get(&self, asked: Digest) -> Result<Option<Answer>, StageFailure> {
        let path = self.path(asked);
        blocking(move || {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(unkept("read", &path, &error)),
            };
            let answer = serde_json::from_slice(&bytes);
            answer.map(Some).map_err(|error| {
                let failure = unkept("understand", &path, &error);
                failure.hint("remove the file, and the model is asked again")
            })
        })
        .await
    }

    /// Keeps the answer to this.
    pub(super) async fn put(&self, asked: Digest, answer: &Answer) -> Result<(), StageFailure> {
        let path = self.path(asked);
        let json = serde_json::to_vec_pretty(answer);
        blocking(move || {
            let json = json.map_err(|error| unkept("write", &path, &error))?;
            let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
            folder
                .and_then(|()| write_atomically(&path, &json))
                .map_err(|error| unkept("write", &path, &error))
        })
        .await
    }
}

/// An answer that cannot be kept ends the run: the next ones would be paid for in vain.
fn unkept(
    what: &str,
    path: &std::path::Path,
    error: &(dyn std::error::Error + 'static),
) -> StageFailure {
    let message = format!("cannot {what} the answer `{}`", path.display());
    StageFailure::new(UNKEPT_ANSWERS, message)
        .because(error)
        .hint("check that the folder can be written and its disk has room")
        .ends_run()
}
