//! `new`: a pipeline of one's own.

use std::{fs, path::Path};

use docgenie_document::Code;
use docgenie_runtime::files;

use crate::report::{self, Status, Stop};

/// The folder of a new pipeline exists or cannot be made.
const CANNOT_START: Code = Code::new("DG0906");

pub(super) fn new(name: &str) -> Result<Status, Stop> {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain || name.starts_with('-') {
        let message = format!("`{name}` cannot name a pipeline");
        return Err(Stop::new(Status::BadInput, CANNOT_START, message)
            .hint("use lower-case letters, digits and hyphens, such as `delivery-notes`"));
    }
    let folder = Path::new("pipelines").join(name);
    if folder.exists() {
        let message = format!("`{}` exists already", folder.display());
        return Err(Stop::new(Status::BadInput, CANNOT_START, message)
            .hint("choose another name, or edit it"));
    }
    let failed = |error: std::io::Error| {
        let message = format!("cannot write `{}`", folder.display());
        Stop::new(Status::Environment, CANNOT_START, message).because(&error)
    };
    fs::create_dir_all(&folder).map_err(failed)?;
    for (file, text) in [
        ("pipeline.toml", include_str!("new/pipeline.toml")),
        ("README.md", include_str!("new/README.md")),
        ("tests.toml", include_str!("new/tests.toml")),
    ] {
        let text = text.replace("NAME", name);
        files::write_atomically(&folder.join(file), text.as_bytes()).map_err(failed)?;
    }
    let folder = folder.display();
    report::data(&format!(
        "{folder}/pipeline.toml\n\nNext:\n  docgenie-engine preview {name}      one document, to look at\n  \
         docgenie-engine run {name}          the dataset, in out/{name}\n  \
         docgenie-engine test {name}         the cases of {folder}/tests.toml"
    ));
    Ok(Status::Done)
}
