//! Putting a finished dataset at its target in one step, and only where it may go.

use std::{
    fs,
    io::{self, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use docgenie_document::Code;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Deserialize;

use super::{
    DatasetFolder, DatasetManifest,
    staging::{Staging, resolve},
};
use crate::stage::StageFailure;

/// What stands at the target is not a dataset of this engine.
pub const FOREIGN_TARGET: Code = Code::new("DG0703");
/// The target is a mount point.
pub const MOUNT_POINT: Code = Code::new("DG0704");
/// The target cannot be read or written.
pub const UNWRITABLE_TARGET: Code = Code::new("DG0705");

/// The folder and the ZIP lie one in the other.
pub const NESTED_TARGETS: Code = Code::new("DG0709");

/// A dataset that cannot be put at its target. What stood there is untouched.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Something stands there that this engine has not made.
    #[error("`{}` exists and is not a dataset of docgenie-engine", .0.display())]
    Foreign(PathBuf),
    /// Somebody else has put a file into the dataset that would be replaced.
    #[error("`{}` holds `{file}`, which docgenie-engine has not put there", .target.display())]
    Added {
        /// The dataset.
        target: PathBuf,
        /// The file, relative to it.
        file: String,
    },
    /// The folder would be replaced with the ZIP in it, or the other way round.
    #[error("the folder `{}` and the ZIP `{}` lie one in the other", .out.display(), .zip.display())]
    Nested {
        /// The folder.
        out: PathBuf,
        /// The ZIP.
        zip: PathBuf,
    },
    /// A mount point cannot be replaced in one step.
    #[error("`{}` is a mount point and cannot be replaced whole", .0.display())]
    MountPoint(PathBuf),
    /// The file system refuses.
    #[error("cannot {doing} `{}`", .path.display())]
    Io {
        /// What it was doing.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl PublishError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Foreign(_) | Self::Added { .. } => FOREIGN_TARGET,
            Self::Nested { .. } => NESTED_TARGETS,
            Self::MountPoint(_) => MOUNT_POINT,
            Self::Io { .. } => UNWRITABLE_TARGET,
        }
    }

    /// What the reader can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Foreign(_) => {
                "name a place that does not exist yet, an empty folder, or a dataset to replace"
            }
            Self::Added { .. } => {
                "move it out of the dataset, which is replaced whole, or name another place"
            }
            Self::Nested { .. } => "name a place for the ZIP outside the folder",
            Self::MountPoint(_) => "name a folder inside it",
            Self::Io { .. } => {
                "check that the disk has room and can be written, and run again: finished work is kept"
            }
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

impl From<PublishError> for StageFailure {
    fn from(error: PublishError) -> Self {
        Self::new(error.code(), "the dataset cannot be published")
            .because(&error)
            .hint(error.hint())
            .ends_run()
    }
}

/// Whether a folder and a ZIP may both be put at these targets.
///
/// # Errors
/// When one lies in the other.
pub fn check_apart(out: &Path, zip: &Path) -> Result<(), PublishError> {
    let (real_out, real_zip) = (resolve(out)?, resolve(zip)?);
    if real_zip.starts_with(&real_out) || real_out.starts_with(&real_zip) {
        let (out, zip) = (out.to_owned(), zip.to_owned());
        return Err(PublishError::Nested { out, zip });
    }
    Ok(())
}

/// Whether a dataset may be put here: nothing, an empty folder, or a dataset of this engine, which
/// would be replaced. Where it is the one that was `published` here, nothing else may be in it; of
/// one that came from elsewhere, its mark is all there is to go by.
///
/// # Errors
/// When something else stands here, or it is a mount point.
pub fn check_target(
    target: &Path,
    published: Option<&DatasetManifest>,
) -> Result<(), PublishError> {
    let found = match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(PublishError::io("read", target))?,
    };
    if !found.is_dir() {
        return Err(PublishError::Foreign(target.to_owned()));
    }
    let real = resolve(target)?;
    let above = real.parent().map(fs::metadata).transpose();
    let above = above.map_err(PublishError::io("read", target))?;
    if above.is_none_or(|above| above.dev() != found.dev()) {
        return Err(PublishError::MountPoint(target.to_owned()));
    }
    if let Some(published) = published {
        let standing = DatasetManifest::of(target)?;
        if standing.overlaps(published) {
            return match standing.beyond(published) {
                None => Ok(()),
                Some(file) => Err(PublishError::Added {
                    target: target.to_owned(),
                    file: file.to_owned(),
                }),
            };
        }
    }
    let mut entries = fs::read_dir(target).map_err(PublishError::io("read", target))?;
    let metadata = fs::File::open(target.join("metadata.json"));
    if entries.next().is_none() || metadata.is_ok_and(is_ours) {
        Ok(())
    } else {
        Err(PublishError::Foreign(target.to_owned()))
    }
}

/// Whether a dataset's `metadata.json` says that this engine made it.
pub(super) fn is_ours(metadata: impl io::Read) -> bool {
    #[derive(Deserialize)]
    struct Mark {
        generator: String,
        #[serde(rename = "structure_version")]
        _structure_version: String,
    }
    let mark: Result<Mark, _> = serde_json::from_reader(BufReader::new(metadata));
    mark.is_ok_and(|mark| mark.generator == "docgenie-engine")
}

impl DatasetFolder {
    /// Puts the dataset at the target it was staged beside, in one step: readers see the old one or
    /// the new one whole. It survives a power cut once this returns.
    ///
    /// # Errors
    /// When [`check_target`] refuses or the file system does. The target is then untouched and the
    /// staging folder removed.
    pub fn publish(
        self,
        target: &Path,
        published: Option<&DatasetManifest>,
    ) -> Result<(), PublishError> {
        check_target(target, published)?;
        self.staging.put(target)
    }
}

impl Staging {
    /// Puts the folder at the target it was made beside, in one step; what stood there is removed
    /// with the staging folder. It survives a power cut once this returns.
    pub(super) fn put(&self, target: &Path) -> Result<(), PublishError> {
        let target = resolve(target)?;
        let staged = self.path();
        self.flush().map_err(PublishError::io("flush", staged))?;
        let put = fs::rename(staged, &target).or_else(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => exchange(staged, &target),
            _ => Err(error),
        });
        put.map_err(PublishError::io("replace", &target))?;
        let above = target.parent().unwrap_or(&target);
        let flushed = fs::File::open(above).and_then(|folder| folder.sync_all());
        flushed.map_err(PublishError::io("flush", above))
    }
}

/// Lets two folders change places, in one step where the file system can.
fn exchange(staged: &Path, target: &Path) -> io::Result<()> {
    match renameat_with(CWD, staged, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            exchange_in_steps(staged, target)
        }
        Err(error) => Err(error.into()),
    }
}

/// For file systems without the exchange (NFS, some FUSE): between two steps there is no target.
fn exchange_in_steps(staged: &Path, target: &Path) -> io::Result<()> {
    let mut aside = staged.as_os_str().to_owned();
    aside.push("-old");
    let aside = PathBuf::from(aside);
    fs::rename(target, &aside)?;
    if let Err(error) = fs::rename(staged, target) {
        fs::rename(&aside, target)?;
        return Err(error);
    }
    fs::rename(&aside, staged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[u8] = br#"{"generator":"docgenie-engine","structure_version":"2.0"}"#;

    /// A folder `out` with these files, in a place of its own.
    fn place(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        for (name, bytes) in files {
            fs::create_dir_all(&out).unwrap();
            super::super::write_atomically(&out.join(name), bytes).unwrap();
        }
        (place, out)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_nothing_an_empty_folder_and_its_own() {
        let check = |files: &[(&str, &[u8])]| {
            let (place, out) = place(files);
            let folder = DatasetFolder::stage_beside(&out).unwrap();
            folder.write("metadata.json", OURS).unwrap();
            folder.write("img/document_1.png", b"png").unwrap();
            folder.publish(&out, None).unwrap();
            assert_eq!(names(&out), ["img", "metadata.json"]);
            assert_eq!(names(place.path()), ["out"]);
        };
        check(&[]);
        check(&[("metadata.json", OURS), ("old.txt", b"old")]);
        let (place, out) = place(&[]);
        fs::create_dir(&out).unwrap();
        let folder = DatasetFolder::stage_beside(&out).unwrap();
        folder.write("a", b"").unwrap();
        folder.publish(&out, None).unwrap();
        assert_eq!(
            (names(&out), names(place.path())),
            (vec!["a".into()], vec!["out".into()])
        );
    }

    #[test]
    fn what_somebody_has_put_into_a_dataset_is_not_replaced() {
        let check = |file: &str, again: bool| {
            let (_place, out) = place(&[]);
            let publish = |published: Option<&DatasetManifest>| {
                let folder = DatasetFolder::stage_beside(&out).unwrap();
                folder.write("metadata.json", OURS).unwrap();
                folder.write("img/document_1.png", b"png").unwrap();
                let manifest = folder.manifest().unwrap();
                folder.publish(&out, published).map(|()| manifest)
            };
            let manifest = publish(None).unwrap();
            super::super::write_atomically(&out.join(file), b"mine").unwrap();
            let refused = publish(Some(&manifest));
            assert_eq!(refused.is_ok(), again, "{file}");
            if let Err(error) = refused {
                assert_eq!(error.code(), FOREIGN_TARGET);
                assert!(error.to_string().contains(file), "{error}");
                assert_eq!(fs::read(out.join(file)).unwrap(), b"mine");
                // Of a dataset that came from elsewhere nothing is known.
                publish(None).unwrap();
                publish(Some(&manifest)).unwrap();
            }
        };
        check("img/notes.txt", false);
        check("img/document_1.png", true);
        check("metadata.json", true);
    }

    #[test]
    fn a_folder_and_a_zip_lie_apart() {
        let place = tempfile::tempdir().unwrap();
        let there = |path: &str| place.path().join(path);
        fs::create_dir(there("real")).unwrap();
        std::os::unix::fs::symlink(there("real"), there("link")).unwrap();
        let check = |out: &str, zip: &str, apart: bool| {
            let checked = check_apart(&there(out), &there(zip));
            assert_eq!(checked.is_ok(), apart, "{out} {zip}");
        };
        check("out", "out.zip", true);
        check("real/out", "real/out.zip", true);
        check("out", "out/data.zip", false);
        check("out", "out/deep/data.zip", false);
        check("out", "out", false);
        check("data.zip/out", "data.zip", false);
        check("real", "link/data.zip", false);
        check("link/out", "real/out/data.zip", false);
        assert_eq!(names(place.path()), ["link", "real"], "nothing is made");
    }

    #[test]
    fn refuses_what_is_not_its_own() {
        let check = |files: &[(&str, &[u8])]| {
            let (place, out) = place(files);
            let before = names(&out);
            let error = check_target(&out, None).unwrap_err();
            assert_eq!(error.code(), FOREIGN_TARGET);
            let folder = DatasetFolder::stage_beside(&out).unwrap();
            folder.write("a", b"").unwrap();
            assert!(folder.publish(&out, None).is_err());
            assert_eq!(names(&out), before);
            assert_eq!(names(place.path()), ["out"]);
        };
        check(&[("thesis.tex", b"years of work")]);
        check(&[("metadata.json", br#"{"structure_version":"2.0"}"#)]);
        check(&[("metadata.json", b"not json")]);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            check_target(file.path(), None),
            Err(PublishError::Foreign(_))
        ));
        let mount = check_target(Path::new("/proc"), None);
        assert!(matches!(mount, Err(PublishError::MountPoint(_))));
    }

    #[test]
    fn two_steps_where_one_is_not_to_be_had() {
        let (place, out) = place(&[("old", b"")]);
        let staged = place.path().join("staged");
        fs::create_dir(&staged).unwrap();
        super::super::write_atomically(&staged.join("new"), b"").unwrap();
        exchange_in_steps(&staged, &out).unwrap();
        assert_eq!(
            (names(&out), names(&staged)),
            (vec!["new".into()], vec!["old".into()])
        );
    }

    #[test]
    fn leftovers_of_the_dead_are_swept_and_the_living_spared() {
        let (place, out) = place(&[]);
        fs::create_dir_all(place.path().join(".out.partial-7/img")).unwrap();
        let living = DatasetFolder::stage_beside(&out).unwrap();
        let second = DatasetFolder::stage_beside(&out).unwrap();
        assert_eq!(names(place.path()), [".out.partial-1", ".out.partial-2"]);
        drop(living);
        assert_eq!(names(place.path()), [".out.partial-2"]);
        second.publish(&out, None).unwrap();
        assert_eq!(names(place.path()), ["out"]);
    }

    #[test]
    fn a_link_is_followed() {
        let (place, out) = place(&[("metadata.json", OURS)]);
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&out, &link).unwrap();
        let folder = DatasetFolder::stage_beside(&link).unwrap();
        folder.write("new", b"").unwrap();
        folder.publish(&link, None).unwrap();
        assert_eq!(names(&out), ["new"]);
        assert_eq!(names(place.path()), ["link", "out"]);
    }
}
