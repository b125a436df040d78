//! Published dataset → a ZIP of it in a storage elsewhere.

mod account;
mod dropbox;
mod google_drive;
mod s3;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use docgenie_document::Code;
use docgenie_guard::fetch::{FetchError, Fetcher, Policy};
use docgenie_runtime::{
    files::{self, NewFolder},
    stage::{
        Built, DeliveryStage, Published, Reach, Receipt, Scope, SlotUse, StageConfig, StageEnv,
        StageFailure, blocking,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use self::{dropbox::Dropbox, google_drive::GoogleDrive, s3::S3};

/// There is nothing to sign in with, or no place is named.
const NOT_CONNECTED: Code = Code::new("DG0710");
/// The storage gives no answer.
const NO_ANSWER: Code = Code::new("DG0711");
/// The storage refuses the dataset.
const REFUSED: Code = Code::new("DG0712");
/// The storage does not accept what signs in.
const SIGNED_OUT: Code = Code::new("DG0713");
/// The ZIP cannot be made or read.
const UNREADABLE: Code = Code::new("DG0714");

/// The folder in a storage for people, where none is named.
const FOLDER: &str = "DocGenie Documents";
/// Bytes that are sent at once; no more of a file is in memory.
const CHUNK: u64 = 8 << 20;
/// For one request, its chunk included.
const PATIENCE: Duration = Duration::from_secs(120);

/// Options of the stage `deliver`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverConfig {
    /// Where the dataset goes.
    pub to: Place,
    /// The folder there, of S3 what keys begin with. Without it `GOOGLE_DRIVE_FOLDER_NAME` or
    /// `DocGenie Documents`, and of S3 nothing.
    #[serde(default)]
    pub folder: Option<String>,
    /// The name of the ZIP; that of the pipeline and the run without it. One of the same name is
    /// replaced.
    #[serde(default)]
    pub name: String,
    /// Whether everybody may read it who has the link. S3 is set up for that by itself.
    #[serde(default)]
    pub share: bool,
    /// The bucket of S3; that of `DOCGENIE_S3_BUCKET` without it.
    #[serde(default)]
    pub bucket: Option<String>,
    /// The address of S3 where it is not Amazon's; that of `AWS_ENDPOINT_URL` without it.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region of S3; that of `AWS_REGION` or `us-east-1` without it.
    #[serde(default)]
    pub region: Option<String>,
}

/// A storage elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Amazon S3, or what speaks like it.
    S3,
    /// Google Drive.
    GoogleDrive,
    /// Dropbox.
    Dropbox,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::GoogleDrive => "google_drive",
            Self::Dropbox => "dropbox",
        }
    }
}

impl StageConfig for DeliverConfig {
    const NAME: &'static str = "deliver";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Brings the dataset to S3, Google Drive or Dropbox.";
    const DOCUMENTATION: &'static str = "\
It begins once the dataset is published and sends it as one ZIP: the one that was asked for, else one
that is made of the folder and removed again. What does not answer is tried again for some seconds. A
delivery that fails is reported and recorded (`docgenie-engine runs show`), and the run is none the
worse: the dataset is where it was published.

Keys and tokens never stand in a pipeline file. They are read from the environment, or come with a
request to the service:

| to | needed | besides |
|---|---|---|
| `s3` | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` | `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `DOCGENIE_S3_BUCKET` |
| `google_drive` | `GOOGLE_DRIVE_TOKEN`, or `GOOGLE_DRIVE_REFRESH_TOKEN` with `GOOGLE_CLIENT_ID` and `GOOGLE_CLIENT_SECRET` | `GOOGLE_DRIVE_FOLDER_NAME` |
| `dropbox` | `DROPBOX_TOKEN`, or `DROPBOX_REFRESH_TOKEN` with `DROPBOX_APP_KEY` and `DROPBOX_APP_SECRET` | |

An access token that has run out is renewed where there is a refresh token.

```toml
[[stage]]
uses = \"deliver\"
with = { to = \"s3\", bucket = \"datasets\", folder = \"invoices\" }
```
";
    const SCOPE: Scope = Scope::Delivery;

    fn slots(&self) -> SlotUse {
        SlotUse::default()
    }

    fn build(self, env: &StageEnv) -> Result<Built, StageFailure> {
        let env = env.clone();
        Ok(Built::Delivery(Arc::new(Deliver { config: self, env })))
    }
}

/// The stage. What is missing to deliver is found when it is to be done: nothing of a run fails for it.
struct Deliver {
    config: DeliverConfig,
    env: StageEnv,
}

#[async_trait]
impl DeliveryStage for Deliver {
    fn target(&self) -> &'static str {
        self.config.to.name()
    }

    async fn deliver(&self, dataset: &Published) -> Result<Receipt, StageFailure> {
        let target: Box<dyn Target> = match self.config.to {
            Place::S3 => Box::new(S3::new(&self.config, &self.env)?),
            Place::GoogleDrive => Box::new(GoogleDrive::new(&self.config, &self.env)?),
            Place::Dropbox => Box::new(Dropbox::new(&self.config, &self.env)?),
        };
        // Goes with what it holds at the end.
        let packed = match (&dataset.zip, &dataset.folder) {
            (None, Some(folder)) => Some(pack(folder.clone()).await?),
            _ => None,
        };
        let packed = packed.as_ref().map(|packed| packed.path().join(PACKED));
        let path = dataset.zip.clone().or(packed).unwrap_or_default();
        let size = tokio::fs::metadata(&path).await.map_err(unreadable)?.len();
        let name = name_of(&self.config.name, dataset);
        target.put(&Upload { path, size, name }).await
    }
}

/// A storage that takes files.
#[async_trait]
trait Target: Send + Sync {
    /// Puts a file there, in place of one of the same name.
    async fn put(&self, file: &Upload) -> Result<Receipt, StageFailure>;
}

/// A file on its way.
struct Upload {
    path: PathBuf,
    size: u64,
    name: String,
}

impl Upload {
    /// The bytes from an offset on, as many as are sent at once.
    async fn chunk(&self, offset: u64) -> Result<Vec<u8>, StageFailure> {
        let read = async {
            let mut file = tokio::fs::File::open(&self.path).await?;
            file.seek(std::io::SeekFrom::Start(offset)).await?;
            let mut bytes = Vec::new();
            file.take(CHUNK).read_to_end(&mut bytes).await?;
            Ok(bytes)
        };
        read.await.map_err(unreadable)
    }
}

const PACKED: &str = "dataset.zip";

async fn pack(folder: PathBuf) -> Result<NewFolder, StageFailure> {
    blocking(move || {
        let beside = NewFolder::beside(&folder)?;
        files::zip_folder(&folder, &beside.path().join(PACKED)).map_err(unreadable)?;
        Ok(beside)
    })
    .await
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn unreadable(error: std::io::Error) -> StageFailure {
    StageFailure::new(UNREADABLE, "the dataset's ZIP cannot be made or read")
        .because(&error)
        .hint("check that the disk has room and can be read, then run again")
}

/// A name that is one in every storage.
fn name_of(given: &str, dataset: &Published) -> String {
    let name = match given.trim() {
        "" => format!("{}-{}", dataset.pipeline, dataset.run),
        given => given.to_owned(),
    };
    let separates = |c: char| matches!(c, '/' | '\\') || c.is_control();
    let name = name.replace(separates, "-");
    let has_ending = Path::new(&name)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    if has_ending {
        name
    } else {
        format!("{name}.zip")
    }
}

/// The folder in a storage for people.
fn folder_of(config: &DeliverConfig, env: &StageEnv) -> String {
    let named = env.secrets.get("GOOGLE_DRIVE_FOLDER_NAME");
    let named = named.map(|name| name.expose().to_owned());
    let given = config.folder.clone().filter(|folder| !folder.is_empty());
    given.or(named).unwrap_or_else(|| FOLDER.to_owned())
}

/// What speaks with a storage. Its address may be private where the operator has named it.
fn fetcher(allow_private: bool) -> Result<Fetcher, StageFailure> {
    let policy = Policy {
        allow_private,
        max_bytes: 1 << 20,
        timeout: PATIENCE,
        ..Policy::default()
    };
    Fetcher::new(policy).map_err(|error| no_answer("the storage", &error))
}

fn no_answer(storage: &str, error: &FetchError) -> StageFailure {
    let failure = StageFailure::new(NO_ANSWER, format!("{storage} cannot be reached"))
        .because(error)
        .hint("check the address and the network, then run again: the documents are remembered");
    if error.is_temporary() {
        failure.retryable()
    } else {
        failure
    }
}

/// Bears a few failures that may pass, longer each time.
#[derive(Default)]
struct Patience {
    borne: u32,
}

impl Patience {
    const MOST: u32 = 4;
    const FIRST_PAUSE: Duration = Duration::from_millis(500);

    /// Whether to try again, which it waits for.
    async fn bears(&mut self, failure: &StageFailure) -> bool {
        if failure.reach != Reach::Attempt || self.borne == Self::MOST {
            return false;
        }
        tokio::time::sleep(Self::FIRST_PAUSE * 2_u32.pow(self.borne)).await;
        self.borne += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use docgenie_runtime::job::RunId;

    use super::*;

    #[test]
    fn a_name_is_one_everywhere() {
        let dataset = Published {
            pipeline: "invoices".to_owned(),
            run: RunId(7),
            folder: None,
            zip: None,
        };
        let check = |given: &str, expected: &str| assert_eq!(name_of(given, &dataset), expected);
        check("", "invoices-run-7.zip");
        check("77/3f1c", "77-3f1c.zip");
        check("a.ZIP", "a.ZIP");
        check("..\\..\n", "..-...zip");
    }

    #[tokio::test]
    async fn a_file_is_read_in_chunks() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let size = CHUNK + 3;
        let file = std::fs::File::create_new(&path).unwrap();
        file.set_len(size).unwrap();
        let name = String::new();
        let upload = Upload { path, size, name };
        for (offset, expected) in [(0, CHUNK), (CHUNK, 3), (size, 0)] {
            let chunk = upload.chunk(offset).await.unwrap();
            assert_eq!(chunk.len() as u64, expected);
        }
    }
}
