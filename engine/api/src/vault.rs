//! Secrets at rest: sealed with a key that does not lie beside them in the job store.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::Rng;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The variable that holds the key.
pub const SECRET_KEY: &str = "DOCGENIE_SECRET_KEY";
const KEY_FILE: &str = "secret.key";
const NONCE: usize = 24;
/// What is sealed belongs to this and nothing else.
const PURPOSE: &[u8] = b"docgenie secrets 1";

/// Seals and opens secrets, with XChaCha20-Poly1305.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

/// Secrets that cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file with the key is not to be read or made.
    #[error("the key for secrets in `{0}` cannot be read or made")]
    Key(String, #[source] io::Error),
    /// They were sealed with another key, or altered.
    #[error("the secrets cannot be opened: they were sealed with another key")]
    Foreign,
    /// They could not be sealed.
    #[error("the secrets cannot be sealed")]
    Unsealable,
}

impl Vault {
    /// The vault of a home: its key is the given one of any length, else that of a file which is made
    /// at the first time and is its owner's alone.
    ///
    /// # Errors
    /// When the file can be neither read nor made.
    pub fn of(home: &Path, given: Option<&str>) -> Result<Self, VaultError> {
        let secret = match given.filter(|given| !given.is_empty()) {
            Some(given) => given.as_bytes().to_vec(),
            None => kept(&home.join(KEY_FILE))?,
        };
        let key = Sha256::new()
            .chain_update(PURPOSE)
            .chain_update(&secret)
            .finalize();
        Ok(Self {
            cipher: XChaCha20Poly1305::new(&key),
        })
    }

    /// A text that only this vault opens.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn seal(&self, secrets: &Map<String, Value>) -> Result<String, VaultError> {
        let mut sealed = [0; NONCE].to_vec();
        rand::rng().fill_bytes(&mut sealed);
        let text = Value::Object(secrets.clone()).to_string();
        let payload = Payload {
            msg: text.as_bytes(),
            aad: PURPOSE,
        };
        let nonce = XNonce::try_from(&sealed[..]).map_err(|_| VaultError::Unsealable)?;
        let closed = self.cipher.encrypt(&nonce, payload);
        sealed.extend(closed.map_err(|_| VaultError::Unsealable)?);
        Ok(BASE64.encode(sealed))
    }

    /// What was sealed.
    ///
    /// # Errors
    /// When it was sealed with another key or altered since.
    pub fn open(&self, sealed: &str) -> Result<Map<String, Value>, VaultError> {
        let sealed = BASE64.decode(sealed).map_err(|_| VaultError::Foreign)?;
        let (nonce, msg) = sealed.split_at_checked(NONCE).ok_or(VaultError::Foreign)?;
        let payload = Payload { msg, aad: PURPOSE };
        let nonce = XNonce::try_from(nonce).map_err(|_| VaultError::Foreign)?;
        let text = self.cipher.decrypt(&nonce, payload);
        let text = text.map_err(|_| VaultError::Foreign)?;
        serde_json::from_slice(&text).map_err(|_| VaultError::Foreign)
    }
}

/// The bytes of a key file, which is made where there is none.
fn kept(path: &Path) -> Result<Vec<u8>, VaultError> {
    let failed = |error| VaultError::Key(path.display().to_string(), error);
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(mut file) => {
            io::Write::write_all(&mut file, &key)
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(key.to_vec())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_alone() {
        let home = tempfile::tempdir().unwrap();
        let secrets = Map::from_iter([("api_key".to_owned(), json!("sk-1"))]);
        let vault = Vault::of(home.path(), None).unwrap();
        let mode = fs::metadata(home.path().join(KEY_FILE))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let sealed = vault.seal(&secrets).unwrap();
        assert!(!sealed.contains("sk-1"));
        assert_ne!(sealed, vault.seal(&secrets).unwrap());
        let again = Vault::of(home.path(), None).unwrap();
        assert_eq!(again.open(&sealed).unwrap(), secrets);
        let other = Vault::of(home.path(), Some("another")).unwrap();
        assert!(matches!(other.open(&sealed), Err(VaultError::Foreign)));
        for altered in ["", "AAAA", &sealed[4..], &sealed.replace('A', "B")] {
            assert!(
                altered == sealed || again.open(altered).is_err(),
                "{altered}"
            );
        }
    }
}
