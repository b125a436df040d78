//! Files of the user → documents.

use std::{fs, io::Read, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use docgenie_document::{Code, Digest, Slot, slot::Source};
use docgenie_runtime::stage::{
    Built, DocumentContext, DocumentStage, Outputs, Scope, SlotUse, StageConfig, StageEnv,
    StageFailure, blocking,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No file was given.
pub const NO_INPUT: Code = Code::new("DG0440");
/// A file cannot be read.
pub const UNREADABLE_INPUT: Code = Code::new("DG0441");
/// A file is larger than allowed.
pub const INPUT_TOO_LARGE: Code = Code::new("DG0442");

/// Options of the stage `input`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InputConfig {
    /// The largest file that is taken, in megabytes.
    #[schemars(range(min = 1, max = 1024))]
    pub max_megabytes: u64,
}

impl Default for InputConfig {
    fn default() -> Self {
        Self { max_megabytes: 64 }
    }
}

impl StageConfig for InputConfig {
    const NAME: &'static str = "input";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Starts a document with each file given with `--input`.";
    const DOCUMENTATION: &'static str = "\
The files become the documents in the order they are given; what is in them is not looked at here.

```toml
[[stage]]
uses = \"input\"
```

```sh
docgenie-engine run read-scans --input first.png --input second.pdf
```
";
    const SCOPE: Scope = Scope::Document;
    const STARTS_DOCUMENTS: bool = true;

    fn slots(&self) -> SlotUse {
        SlotUse {
            writes: vec![Slot::Source],
            ..SlotUse::default()
        }
    }

    fn build(self, env: &StageEnv) -> Result<Built, StageFailure> {
        if env.inputs.is_empty() {
            return Err(
                StageFailure::new(NO_INPUT, "the stage `input` has no file to start from")
                    .hint("give one or more files with `--input PATH`"),
            );
        }
        let limit = self.max_megabytes * 1_000_000;
        // What is remembered of a document must not outlive a change of its file.
        let digests = env.inputs.iter().map(|path| {
            let source = read(path, limit)?;
            let parts = [source.name.as_bytes(), &source.bytes];
            Ok(*Digest::of_parts(parts).as_bytes())
        });
        let digests = digests.collect::<Result<Vec<_>, StageFailure>>()?;
        Ok(Built::Document(Arc::new(Stage {
            files: env.inputs.clone(),
            limit,
            identity: Digest::of(&digests.concat()).to_string(),
        })))
    }
}

struct Stage {
    files: Vec<PathBuf>,
    limit: u64,
    identity: String,
}

#[async_trait]
impl DocumentStage for Stage {
    fn documents(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn seeded(&self) -> bool {
        true
    }

    async fn run(&self, document: &DocumentContext) -> Result<Outputs, StageFailure> {
        let file = self.files.get(document.id.index() as usize);
        let file = file.cloned().ok_or_else(|| {
            let message = format!("there is no file for {}", document.id);
            StageFailure::new(NO_INPUT, message).hint("give as many files as documents are asked")
        })?;
        let limit = self.limit;
        let source = blocking(move || read(&file, limit)).await?;
        Outputs::new().with(&source)
    }
}

fn read(path: &PathBuf, limit: u64) -> Result<Source, StageFailure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the input `{}` cannot be read", path.display());
        let failure = StageFailure::new(UNREADABLE_INPUT, message).because(&error);
        failure.hint("give the path of a file that exists and that you may read")
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        let (path, megabytes) = (path.display(), limit / 1_000_000);
        let message = format!("the input `{path}` has more than {megabytes} megabytes");
        let hint = "make it smaller, or raise `max_megabytes` of the stage `input`";
        return Err(StageFailure::new(INPUT_TOO_LARGE, message).hint(hint));
    }
    let name = path.file_name().unwrap_or_default();
    Ok(Source {
        name: name.to_string_lossy().into_owned(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(inputs: Vec<PathBuf>) -> Result<Arc<dyn DocumentStage>, StageFailure> {
        let env = StageEnv {
            home: PathBuf::new(),
            pipeline_dir: PathBuf::new(),
            inputs,
            jobs: 1,
            extensions: Arc::new(docgenie_runtime::extension::NoExtensions),
            secrets: docgenie_runtime::secret::Secrets::default(),
            residents: docgenie_runtime::resident::Residents::default(),
            private_addresses: false,
            program: None,
        };
        match (InputConfig { max_megabytes: 1 }).build(&env)? {
            Built::Document(stage) => Ok(stage),
            _ => panic!("it works on documents"),
        }
    }

    #[track_caller]
    fn check_refused(inputs: Vec<PathBuf>, code: Code) {
        let problem = build(inputs).err().unwrap().problem;
        assert_eq!(problem.code, code.as_str());
        assert!(problem.hint.is_some());
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut large = tempfile::NamedTempFile::new_in(&folder).unwrap();
        std::io::Write::write_all(&mut large, &[0; 1_000_001]).unwrap();
        check_refused(vec![], NO_INPUT);
        check_refused(vec![folder.path().join("missing.pdf")], UNREADABLE_INPUT);
        check_refused(vec![folder.path().to_owned()], UNREADABLE_INPUT);
        check_refused(vec![large.path().to_owned()], INPUT_TOO_LARGE);
    }

    #[test]
    fn a_changed_file_is_another_input() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let files = vec![file.path().to_owned(); 2];
        let before = build(files.clone()).unwrap();
        assert_eq!(before.documents(), Some(2));
        assert_eq!(build(files.clone()).unwrap().identity(), before.identity());
        std::io::Write::write_all(&mut file, b"more").unwrap();
        assert_ne!(build(files).unwrap().identity(), before.identity());
        assert_eq!(read(&file.path().to_owned(), 4).unwrap().bytes, b"more");
    }
}
