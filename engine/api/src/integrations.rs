//! Storages that users have connected: their tokens, sealed, in a file each.
//!
//! A connection is its owner's (whoever's key made it) and its user's; nobody else's requests use it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use axum::{Json, body::Body, http::StatusCode, response::IntoResponse};
use docgenie_document::Digest;
use docgenie_runtime::{clock, files};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    body::{self, Schema},
    error::{ApiError, ApiResult},
    routes::Call,
    runs::time,
};

static TOKENS: LazyLock<Schema> = LazyLock::new(Schema::of::<Tokens>);

/// A storage that a user can connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    GoogleDrive,
    Dropbox,
}

impl Storage {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Self::GoogleDrive, Self::Dropbox];
        all.into_iter().find(|it| it.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GoogleDrive => "google_drive",
            Self::Dropbox => "dropbox",
        }
    }

    /// What its access token and its refresh token are called among the secrets of a run.
    pub(crate) const fn secrets(self) -> [&'static str; 2] {
        match self {
            Self::GoogleDrive => ["google_drive_token", "google_drive_refresh_token"],
            Self::Dropbox => ["dropbox_token", "dropbox_refresh_token"],
        }
    }
}

/// What signs in to a storage; one token at the least.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = [{ "required": ["access_token"] }, { "required": ["refresh_token"] }]))]
pub(crate) struct Tokens {
    #[serde(default)]
    #[schemars(length(min = 1, max = 4000))]
    access_token: Option<String>,
    #[serde(default)]
    #[schemars(length(min = 1, max = 4000))]
    refresh_token: Option<String>,
    /// When the access token runs out, as the storage has told.
    #[serde(default)]
    #[schemars(length(max = 100))]
    token_expiry: Option<String>,
}

/// A storage that is connected. Its tokens are never told.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Integration {
    user_id: String,
    integration_type: &'static str,
    is_connected: bool,
    has_refresh_token: bool,
    token_expiry: Option<String>,
    created_at: String,
    updated_at: String,
}

/// What is kept of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    has_refresh_token: bool,
    token_expiry: Option<String>,
    created_at: u64,
    updated_at: u64,
    sealed: String,
}

/// The connections of a home.
pub(crate) struct Integrations {
    folder: PathBuf,
}

impl Integrations {
    pub(crate) fn of(home: &Path) -> Self {
        Self {
            folder: home.join("integrations"),
        }
    }

    fn path(&self, owner: &str, user: &str, storage: Storage) -> PathBuf {
        let whose = Digest::of_parts([owner.as_bytes(), user.as_bytes()]);
        let folder = self.folder.join(whose.to_string());
        folder.join(format!("{}.json", storage.name()))
    }

    fn read(&self, owner: &str, user: &str, storage: Storage) -> io::Result<Option<Kept>> {
        match fs::read(self.path(owner, user, storage)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => Ok(Some(serde_json::from_slice(&bytes?)?)),
        }
    }

    /// What signs in to a storage that this user has connected, sealed.
    pub(crate) fn sealed(
        &self,
        owner: &str,
        user: &str,
        storage: Storage,
    ) -> ApiResult<Option<String>> {
        let kept = self.read(owner, user, storage);
        Ok(kept
            .map_err(|error| broken(&error))?
            .map(|kept| kept.sealed))
    }

    fn write(&self, owner: &str, user: &str, storage: Storage, kept: &Kept) -> io::Result<()> {
        let path = self.path(owner, user, storage);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        files::write_atomically(&path, &serde_json::to_vec(kept)?)
    }

    fn remove(&self, owner: &str, user: &str, storage: Storage) -> io::Result<bool> {
        match fs::remove_file(self.path(owner, user, storage)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }
}

/// `PUT /users/{user_id}/integrations/{integration_type}`
pub(crate) async fn connect(call: Call, body: Body) -> ApiResult {
    let storage = storage_of(&call)?;
    let bytes = body::json_bytes(&call.headers, body).await?;
    let tokens: Tokens = TOKENS.read(&bytes)?;
    let (service, user) = (&call.service, call.path("user_id"));
    let owner = &call.caller.owner;
    let has_refresh_token = tokens.refresh_token.is_some();
    let values = [tokens.access_token, tokens.refresh_token];
    let named = storage.secrets().into_iter().zip(values);
    let secrets: Map<String, Value> = named
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect();
    let sealed = service.vault.seal(&secrets);
    let sealed = sealed
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let known = service.integrations.read(owner, user, storage);
    let known = known.map_err(|error| broken(&error))?;
    let now = clock::now_ms();
    let kept = Kept {
        has_refresh_token,
        token_expiry: tokens.token_expiry,
        created_at: known.map_or(now, |known| known.created_at),
        updated_at: now,
        sealed,
    };
    let written = service.integrations.write(owner, user, storage, &kept);
    written.map_err(|error| broken(&error))?;
    Ok(Json(kept.shown(user, storage)).into_response())
}

/// `GET /users/{user_id}/integrations/{integration_type}`
pub(crate) async fn show(call: Call) -> ApiResult {
    let storage = storage_of(&call)?;
    let (owner, user) = (&call.caller.owner, call.path("user_id"));
    let kept = call.service.integrations.read(owner, user, storage);
    let kept = kept.map_err(|error| broken(&error))?;
    let kept = kept.ok_or_else(|| unconnected(user, storage))?;
    Ok(Json(kept.shown(user, storage)).into_response())
}

/// `DELETE /users/{user_id}/integrations/{integration_type}`
pub(crate) async fn disconnect(call: Call) -> ApiResult {
    let storage = storage_of(&call)?;
    let (owner, user) = (&call.caller.owner, call.path("user_id"));
    let removed = call.service.integrations.remove(owner, user, storage);
    if removed.map_err(|error| broken(&error))? {
        Ok(Json(json!({ "removed": storage.name() })).into_response())
    } else {
        Err(unconnected(user, storage))
    }
}

impl Kept {
    fn shown(self, user: &str, storage: Storage) -> Integration {
        Integration {
            user_id: user.to_owned(),
            integration_type: storage.name(),
            is_connected: true,
            has_refresh_token: self.has_refresh_token,
            token_expiry: self.token_expiry,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        }
    }
}

fn storage_of(call: &Call) -> ApiResult<Storage> {
    let name = call.path("integration_type");
    Storage::named(name).ok_or_else(|| {
        ApiError::not_found(format!("there is no integration `{name}`"))
            .hint("there are `google_drive` and `dropbox`")
    })
}

fn unconnected(user: &str, storage: Storage) -> ApiError {
    let name = storage.name();
    ApiError::not_found(format!("user {user} has not connected `{name}`"))
}

fn broken(error: &io::Error) -> ApiError {
    tracing::error!(%error, "the integrations cannot be read or written");
    let detail = "the integrations cannot be used now";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(10)
}
