//! Whether a published dataset is still as it was published.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use serde::{Deserialize, Serialize};

use docgenie_document::Digest;

use super::{DatasetFolder, publish::PublishError};

/// What a dataset's files look like from outside: a digest over the relative path, size and time of
/// change of each. Equal manifests mean that nobody has touched the dataset. It is kept outside the
/// dataset, which holds nothing that depends on time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatasetManifest(Digest);

impl DatasetFolder {
    /// The manifest of what has been written, which publishing does not change.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn manifest(&self) -> Result<DatasetManifest, PublishError> {
        manifest_of(self.root()).map_err(PublishError::io("read", self.root()))
    }
}

/// Whether the dataset at the target is there exactly as when the manifest was made.
#[must_use]
pub fn manifest_matches(target: &Path, manifest: &DatasetManifest) -> bool {
    manifest_of(target).is_ok_and(|found| found == *manifest)
}

fn manifest_of(root: &Path) -> io::Result<DatasetManifest> {
    let mut sum = Digest::of(b"");
    for_each_file(root, &mut |path, file| {
        let size = file.len().to_le_bytes();
        let (seconds, nanoseconds) = (file.mtime().to_le_bytes(), file.mtime_nsec().to_le_bytes());
        let parts = [path.as_bytes(), &size, &seconds, &nanoseconds];
        sum = Digest::of_parts([&sum.as_bytes()[..]].into_iter().chain(parts));
        Ok(())
    })?;
    Ok(DatasetManifest(sum))
}

/// Calls `visit` with the relative path (`/` between its parts) and metadata of every file below
/// `root`, each folder's entries in order of name.
pub(super) fn for_each_file(
    root: &Path,
    visit: &mut impl FnMut(&str, &fs::Metadata) -> io::Result<()>,
) -> io::Result<()> {
    descend(root, "", visit)
}

fn descend(
    folder: &Path,
    prefix: &str,
    visit: &mut impl FnMut(&str, &fs::Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = entries.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let full = folder.join(&name);
        let path = format!("{prefix}{}", name.to_string_lossy());
        let found = fs::symlink_metadata(&full)?;
        if found.is_dir() {
            descend(&full, &format!("{path}/"), visit)?;
        } else {
            visit(&path, &found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_publishing_and_sees_every_change() {
        let place = tempfile::tempdir().unwrap();
        let check = |change: &dyn Fn(&Path), unchanged: bool| {
            let out = place.path().join("out");
            drop(fs::remove_dir_all(&out));
            let folder = DatasetFolder::stage_beside(&out).unwrap();
            folder.write("a/b.txt", b"b").unwrap();
            folder.write("c.txt", b"c").unwrap();
            let manifest = folder.manifest().unwrap();
            folder.publish(&out).unwrap();
            change(&out);
            assert_eq!(manifest_matches(&out, &manifest), unchanged);
        };
        check(&|_| {}, true);
        check(&|out| fs::remove_file(out.join("c.txt")).unwrap(), false);
        check(&|out| fs::remove_dir_all(out).unwrap(), false);
        check(
            &|out| super::super::write_atomically(&out.join("c.txt"), b"d").unwrap(),
            false,
        );
        check(
            &|out| super::super::write_atomically(&out.join("more"), b"").unwrap(),
            false,
        );
    }
}
