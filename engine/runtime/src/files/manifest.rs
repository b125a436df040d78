//! What was published, to be compared with what stands there later.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt, path::Path};

use serde::{Deserialize, Serialize};

use super::{DatasetFolder, publish::PublishError};

/// What a dataset's files look like from outside: size and time of change (seconds and nanoseconds)
/// by relative path. Equal manifests mean that nobody has touched the dataset. It is kept outside
/// the dataset, which holds nothing that depends on time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatasetManifest(BTreeMap<String, (u64, i64, i64)>);

impl DatasetFolder {
    /// The manifest of what has been written, which publishing does not change.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn manifest(&self) -> Result<DatasetManifest, PublishError> {
        DatasetManifest::of(self.root())
    }
}

impl DatasetManifest {
    pub(super) fn of(root: &Path) -> Result<Self, PublishError> {
        let mut found = BTreeMap::new();
        let visited = for_each_file(root, &mut |path, file| {
            let stamp = (file.len(), file.mtime(), file.mtime_nsec());
            found.insert(path.to_owned(), stamp);
            Ok(())
        });
        visited.map_err(PublishError::io("read", root))?;
        Ok(Self(found))
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the dataset at the target is there exactly as when the manifest was made.
    #[must_use]
    pub fn matches(&self, target: &Path) -> bool {
        Self::of(target).is_ok_and(|found| found == *self)
    }

    /// Whether any file is in both, unchanged: then both are of the same dataset.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let mut files = self.0.iter();
        files.any(|(path, stamp)| other.0.get(path) == Some(stamp))
    }

    /// A file that this one has and the other has not.
    pub(super) fn beyond(&self, other: &Self) -> Option<&str> {
        let mut paths = self.0.keys();
        paths
            .find(|path| !other.0.contains_key(*path))
            .map(String::as_str)
    }
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
            folder.publish(&out, None).unwrap();
            change(&out);
            assert_eq!(manifest.matches(&out), unchanged);
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
