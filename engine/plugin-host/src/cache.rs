//! Compiled components, kept between runs.
//!
//! A compiled component is native code: whoever can write it can do what the engine can. So it is
//! taken from one folder only, which belongs to this user alone, and never from a bundle.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use docgenie_document::Digest;
use docgenie_runtime::files::write_atomically;
use tracing::warn;
use wasmtime::{Engine, component::Component};

/// Bytes of a digest as text, at the end of each file.
const TRAILER: usize = 64;

/// The folder of compiled components.
#[derive(Debug)]
pub(crate) struct CompileCache {
    folder: PathBuf,
}

impl CompileCache {
    /// The one below the folder for what is kept between runs.
    pub(crate) fn below(home: &Path) -> Self {
        Self {
            folder: home.join("plugins-compiled"),
        }
    }

    /// The component of these bytes: as it was compiled before, or compiled now and kept.
    ///
    /// A cache that cannot be read or written costs time only.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: Digest,
    ) -> wasmtime::Result<Component> {
        let file = self.file(engine, digest);
        if let Some(component) = self.kept(engine, &file) {
            return Ok(component);
        }
        let component = Component::new(engine, bytes)?;
        let mut native = component.serialize()?;
        native.extend(Digest::of(&native).to_string().into_bytes());
        if let Err(error) = self.keep(&file, &native) {
            warn!(file = %file.display(), %error, "a compiled plugin cannot be kept");
        }
        Ok(component)
    }

    /// Removes what was compiled of a component, by whatever version of the engine.
    pub(crate) fn forget(&self, digest: Digest) {
        let start = format!("{digest}-");
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries {
            if entry.file_name().to_string_lossy().starts_with(&start)
                && let Err(error) = fs::remove_file(entry.path())
            {
                warn!(file = %entry.path().display(), %error, "a compiled plugin is left behind");
            }
        }
    }

    fn file(&self, engine: &Engine, digest: Digest) -> PathBuf {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.folder
            .join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }

    #[allow(
        unsafe_code,
        reason = "compiled code has to be loaded somehow; see below"
    )]
    fn kept(&self, engine: &Engine, file: &Path) -> Option<Component> {
        if !private(&self.folder) || !private(file) {
            return None;
        }
        let bytes = fs::read(file).ok()?;
        let (native, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER)?)?;
        if Digest::of(native).to_string().as_bytes() != trailer {
            return None;
        }
        // SAFETY: these are bytes that `keep` has written whole: nobody else can write in the
        // folder, and the digest at their end says that nothing has happened to them since.
        // wasmtime itself refuses those of another version or configuration.
        unsafe { Component::deserialize(engine, native) }.ok()
    }

    fn keep(&self, file: &Path, native: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        write_atomically(file, native)?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))
    }
}

/// Whether this user alone can write it.
fn private(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|it| !it.is_symlink() && it.uid() == own && it.permissions().mode() & 0o022 == 0)
}
