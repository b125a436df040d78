//! Compiled components, kept between runs.
//!
//! A compiled component is native code: whoever can write it can do what the engine can. So it is
//! taken from one folder only, which belongs to this user alone, and never from a bundle.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use docgenie_document::Digest;
use docgenie_runtime::files::write_atomically;
use tracing::warn;
use wasmtime::{Engine, component::Component};

/// How long compiling may take. The largest component there is, with a whole Python, takes ten seconds;
/// one that is made for it takes hours, however few bytes it has.
const PATIENCE: Duration = Duration::from_mins(2);
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
        let component = compiled(engine, bytes, PATIENCE)?;
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

/// Compiles on a thread of its own. Where that takes too long the thread is left behind, and ends with
/// the process at the latest: a compiler cannot be interrupted.
fn compiled(engine: &Engine, bytes: &[u8], patience: Duration) -> wasmtime::Result<Component> {
    let (done, answer) = mpsc::channel();
    let (engine, bytes) = (engine.clone(), bytes.to_owned());
    let compile = move || drop(done.send(Component::new(&engine, bytes)));
    let named = thread::Builder::new().name("plugins-compiler".to_owned());
    named.spawn(compile)?;
    answer.recv_timeout(patience).unwrap_or_else(|why| {
        Err(wasmtime::Error::msg(match why {
            RecvTimeoutError::Timeout => {
                format!("compiling it takes more than {} s", patience.as_secs_f64())
            }
            RecvTimeoutError::Disconnected => "the compiler breaks off".to_owned(),
        }))
    })
}

/// Whether this user alone can write it.
fn private(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|it| !it.is_symlink() && it.uid() == own && it.permissions().mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that change nowhere, past as many loops as there may be: what the compiler keeps of them
    /// grows with the product.
    fn slow(locals: u32, loops: usize) -> Vec<u8> {
        fn number(mut left: u32) -> Vec<u8> {
            let mut bytes = Vec::new();
            while left > 127 {
                bytes.push(left as u8 | 128);
                left >>= 7;
            }
            bytes.push(left as u8);
            bytes
        }
        fn section(id: u8, content: &[u8]) -> Vec<u8> {
            [&[id], &number(content.len() as u32)[..], content].concat()
        }
        let mut body = [&[1], &number(locals)[..], &[0x7f]].concat();
        let each = |body: &mut Vec<u8>, before: &[u8], after: &[u8]| {
            for local in 1..=locals {
                body.extend([before, &number(local), after].concat());
            }
        };
        // `local.get 0`, `local.set`; `loop`, `local.get 0`, `br_if 0`, `end`; `local.get`, `i32.add`.
        each(&mut body, &[0x20, 0, 0x21], &[]);
        body.extend([0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b].repeat(loops));
        body.extend([0x41, 0]);
        each(&mut body, &[0x20], &[0x6a]);
        body.push(0x0b);
        let code = [&[1], &number(body.len() as u32)[..], &body].concat();
        let module = [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
            section(3, &[1, 0]),
            section(10, &code),
        ]
        .concat();
        [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
    }

    #[test]
    fn a_component_that_is_made_to_compile_for_ever_is_given_up() {
        let engine = Engine::default();
        compiled(&engine, &slow(10, 10), PATIENCE).unwrap();
        let patience = Duration::from_millis(100);
        let Err(error) = compiled(&engine, &slow(1000, 4000), patience) else {
            panic!("it has compiled");
        };
        assert_eq!(error.to_string(), "compiling it takes more than 0.1 s");
    }
}
