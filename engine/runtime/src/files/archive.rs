//! A dataset as one ZIP whose bytes depend on its files alone.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, BufWriter, Cursor, Write},
    path::Path,
};

use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{
    DatasetFolder, create,
    manifest::for_each_file,
    publish::{PublishError, is_ours},
    staging::Staging,
};

/// The one folder at the top of a ZIP.
pub const ARCHIVE_FOLDER: &str = "docgenie_documents";

/// Above this size an entry needs the format's 64-bit fields.
const ZIP64_FROM: u64 = u32::MAX as u64;

/// Whether a ZIP may be written here: nothing, or a ZIP of this engine, which would be replaced.
///
/// # Errors
/// When something else stands here.
pub fn check_zip_target(target: &Path) -> Result<(), PublishError> {
    let file = match fs::File::open(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(PublishError::io("read", target))?,
    };
    let ours = ZipArchive::new(BufReader::new(file)).is_ok_and(|mut archive| {
        let metadata = archive.by_name(&format!("{ARCHIVE_FOLDER}/metadata.json"));
        metadata.is_ok_and(is_ours)
    });
    if ours {
        Ok(())
    } else {
        Err(PublishError::Foreign(target.to_owned()))
    }
}

/// Writes a dataset as a ZIP with [`ARCHIVE_FOLDER`] at its top. Equal datasets give equal bytes:
/// entries in order of path, one fixed time, one set of permissions. The ZIP appears whole and
/// survives a power cut once this returns.
///
/// # Errors
/// When [`check_zip_target`] refuses or the file system does. The target is then untouched.
pub fn write_zip(dataset: &DatasetFolder, target: &Path) -> Result<(), PublishError> {
    check_zip_target(target)?;
    let staging = Staging::beside(target)?;
    let partial = staging.path().join("archive");
    pack(dataset.root(), &partial).map_err(PublishError::io("write", &partial))?;
    staging
        .flush()
        .and_then(|()| fs::rename(&partial, target))
        .map_err(PublishError::io("replace", target))?;
    staging.flush().map_err(PublishError::io("flush", target))
}

/// Writes a dataset that was published as a folder as a ZIP, in the same form.
///
/// # Errors
/// When the folder cannot be read or the ZIP not be written.
pub fn zip_folder(root: &Path, target: &Path) -> io::Result<()> {
    let partial = target.with_extension("partial");
    pack(root, &partial)?;
    fs::rename(&partial, target)
}

fn pack(root: &Path, archive: &Path) -> io::Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(create(archive)?));
    for_each_file(root, &mut |path, found| {
        let options = options(path).large_file(found.len() >= ZIP64_FROM);
        zip.start_file(format!("{ARCHIVE_FOLDER}/{path}"), options)?;
        io::copy(&mut fs::File::open(root.join(path))?, &mut zip)?;
        Ok(())
    })?;
    let finished = zip.finish()?.into_inner();
    finished.map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

/// A ZIP of these files by their paths, which are at most 4 GiB each. Equal files give equal bytes.
///
/// # Errors
/// When there are too many, or a path is too long.
pub fn zip_of(files: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(path, options(path))?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// One time and one set of permissions for all.
fn options(path: &str) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(method(path))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
}

/// What is compressed already is stored as it is.
fn method(path: &str) -> CompressionMethod {
    match Path::new(path).extension().and_then(|e| e.to_str()) {
        Some("png" | "pdf" | "jpg" | "jpeg" | "zip") => CompressionMethod::Stored,
        _ => CompressionMethod::Deflated,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn dataset(place: &Path, order: &[&str]) -> DatasetFolder {
        let folder = DatasetFolder::stage_beside(&place.join("out")).unwrap();
        for path in order {
            folder.write(path, path.as_bytes()).unwrap();
        }
        folder
    }

    #[test]
    fn equal_datasets_give_equal_bytes() {
        let place = tempfile::tempdir().unwrap();
        let bytes = |order: &[&str], name: &str| {
            let target = place.path().join(name);
            write_zip(&dataset(place.path(), order), &target).unwrap();
            fs::read(target).unwrap()
        };
        let first = bytes(&["b.json", "img/ü.png", "a.txt"], "first.zip");
        let second = bytes(&["a.txt", "img/ü.png", "b.json"], "second.zip");
        assert!(first == second);

        let mut archive = ZipArchive::new(Cursor::new(first)).unwrap();
        let names: Vec<_> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        let expected = ["a.txt", "b.json", "img/ü.png"];
        assert_eq!(
            names,
            expected.map(|name| format!("{ARCHIVE_FOLDER}/{name}"))
        );
        let mut text = String::new();
        let mut entry = archive.by_index(0).unwrap();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(
            (text.as_str(), entry.unix_mode()),
            ("a.txt", Some(0o100_644))
        );
    }

    #[test]
    fn replaces_only_its_own() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("photos.zip");
        super::super::write_atomically(&target, b"PK photos").unwrap();
        let folder = dataset(place.path(), &["a"]);
        assert!(matches!(
            write_zip(&folder, &target),
            Err(PublishError::Foreign(_))
        ));
        assert_eq!(fs::read(&target).unwrap(), b"PK photos");

        let own = place.path().join("own.zip");
        let mark = br#"{"generator":"docgenie-engine","structure_version":"2.0"}"#;
        folder.write("metadata.json", mark).unwrap();
        write_zip(&folder, &own).unwrap();
        write_zip(&folder, &own).unwrap();
    }
}
