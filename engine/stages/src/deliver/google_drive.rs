//! Google Drive, by its resumable uploads.
//!
//! OpenDAL's service for Drive holds a whole file in memory and tells neither its id nor a link, so that
//! Drive is spoken with here.

use async_trait::async_trait;
use docgenie_guard::fetch::Answer;
use docgenie_runtime::stage::{Receipt, StageEnv, StageFailure};
use reqwest::{
    Method, Request,
    header::{CONTENT_RANGE, HeaderName, LOCATION, RANGE},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    DeliverConfig, NO_ANSWER, Patience, REFUSED, Target, Upload,
    account::{Account, Kind, base, below, post_json, set},
    folder_of,
};

static DRIVE: Kind = Kind {
    name: "Google Drive",
    token: "GOOGLE_DRIVE_TOKEN",
    refresh_token: "GOOGLE_DRIVE_REFRESH_TOKEN",
    client_id: "GOOGLE_CLIENT_ID",
    client_secret: "GOOGLE_CLIENT_SECRET",
    address: "DOCGENIE_GOOGLE_API_URL",
};
const API: &str = "https://www.googleapis.com";
const TOKENS: &str = "https://oauth2.googleapis.com";
const FOLDER_KIND: &str = "application/vnd.google-apps.folder";
/// More of a file is to come.
const RESUME_INCOMPLETE: u16 = 308;

pub(super) struct GoogleDrive {
    account: Account,
    api: Url,
    folder: String,
    share: bool,
}

#[derive(Deserialize)]
struct File {
    id: String,
    #[serde(default, rename = "webViewLink")]
    link: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    files: Vec<File>,
}

impl GoogleDrive {
    pub(super) fn new(config: &DeliverConfig, env: &StageEnv) -> Result<Self, StageFailure> {
        let renewed_at = below(&base(&DRIVE, TOKENS, env)?, "/token");
        Ok(Self {
            account: Account::new(&DRIVE, env, renewed_at)?,
            api: base(&DRIVE, API, env)?,
            folder: folder_of(config, env),
            share: config.share,
        })
    }

    /// A file or folder by a query, where there is one.
    async fn find(&self, query: &str) -> Result<Option<File>, StageFailure> {
        let mut url = below(&self.api, "/drive/v3/files");
        url.query_pairs_mut()
            .append_pair("q", query)
            .append_pair("spaces", "drive")
            .append_pair("pageSize", "1")
            .append_pair("fields", "files(id)");
        let answer = self.account.send(Request::new(Method::GET, url)).await?;
        let found: Found = self.account.json(&answer)?;
        Ok(found.files.into_iter().next())
    }

    /// The folder, which is made where there is none.
    async fn folder(&self) -> Result<String, StageFailure> {
        let name = quoted(&self.folder);
        let query = format!("name = {name} and mimeType = '{FOLDER_KIND}' and trashed = false");
        if let Some(folder) = self.find(&query).await? {
            return Ok(folder.id);
        }
        let mut url = below(&self.api, "/drive/v3/files");
        url.query_pairs_mut().append_pair("fields", "id");
        let body = json!({ "name": self.folder, "mimeType": FOLDER_KIND });
        let answer = self.account.send(post_json(&url, &body)).await?;
        Ok(self.account.json::<File>(&answer)?.id)
    }

    /// The address that takes the bytes of a file.
    async fn session(&self, file: &Upload) -> Result<Url, StageFailure> {
        let folder = self.folder().await?;
        let (name, parent) = (quoted(&file.name), quoted(&folder));
        let query = format!("name = {name} and {parent} in parents and trashed = false");
        let standing = self.find(&query).await?;
        let path = "/upload/drive/v3/files";
        let mut url = match &standing {
            Some(File { id, .. }) => below(&self.api, &format!("{path}/{id}")),
            None => below(&self.api, path),
        };
        url.query_pairs_mut()
            .append_pair("uploadType", "resumable")
            .append_pair("fields", "id,webViewLink");
        let body = match &standing {
            Some(_) => json!({}),
            None => json!({ "name": file.name, "parents": [folder] }),
        };
        let mut request = post_json(&url, &body);
        if standing.is_some() {
            *request.method_mut() = Method::PATCH;
        }
        let header = HeaderName::from_static;
        set(
            &mut request,
            header("x-upload-content-type"),
            "application/zip",
        );
        let size = file.size.to_string();
        set(&mut request, header("x-upload-content-length"), &size);
        let answer = self.account.send(request).await?;
        if !answer.status.is_success() {
            return Err(self.account.refused(&answer));
        }
        let location = answer.headers.get(LOCATION);
        let location = location.and_then(|value| Url::parse(value.to_str().ok()?).ok());
        // The token goes there, so that it must be the same service.
        let own = location.filter(|url| url.origin() == self.api.origin());
        own.ok_or_else(|| StageFailure::new(REFUSED, "Google Drive names no place for the bytes"))
    }

    async fn send_bytes(&self, file: &Upload, session: &Url) -> Result<File, StageFailure> {
        let mut patience = Patience::default();
        let (mut sent, mut uncertain) = (0, false);
        loop {
            let mut request = Request::new(Method::PUT, session.clone());
            let range = if uncertain {
                // Without bytes it tells how many have arrived.
                *request.body_mut() = Some(Vec::new().into());
                format!("bytes */{}", file.size)
            } else {
                let chunk = file.chunk(sent).await?;
                let last = (sent + chunk.len() as u64).saturating_sub(1);
                *request.body_mut() = Some(chunk.into());
                format!("bytes {sent}-{last}/{}", file.size)
            };
            set(&mut request, CONTENT_RANGE, &range);
            let failure = match self.account.try_once(&request).await {
                Ok(answer) if answer.status.as_u16() == RESUME_INCOMPLETE => {
                    let before = std::mem::replace(&mut sent, arrived(&answer));
                    if sent > before || std::mem::take(&mut uncertain) {
                        continue;
                    }
                    StageFailure::new(NO_ANSWER, "Google Drive takes no bytes").retryable()
                }
                Ok(answer) => return self.account.json(&answer),
                Err(failure) => failure,
            };
            if !patience.bears(&failure).await {
                return Err(failure);
            }
            uncertain = true;
        }
    }

    /// Lets everybody read who has the link.
    async fn open_to_all(&self, id: &str) -> Result<(), StageFailure> {
        let url = below(&self.api, &format!("/drive/v3/files/{id}/permissions"));
        let body = json!({ "role": "reader", "type": "anyone" });
        let answer = self.account.send(post_json(&url, &body)).await?;
        self.account.json::<Value>(&answer).map(drop)
    }
}

#[async_trait]
impl Target for GoogleDrive {
    async fn put(&self, file: &Upload) -> Result<Receipt, StageFailure> {
        let session = self.session(file).await?;
        let File { id, link } = self.send_bytes(file, &session).await?;
        if self.share {
            self.open_to_all(&id).await?;
        }
        Ok(Receipt {
            place: format!("Google Drive: {}/{}", self.folder, file.name),
            url: link.or_else(|| Some(format!("https://drive.google.com/file/d/{id}/view"))),
        })
    }
}

/// How many bytes have arrived; the header names the last.
fn arrived(answer: &Answer) -> u64 {
    let range = answer.headers.get(RANGE);
    let last = range.and_then(|value| value.to_str().ok()?.rsplit('-').next()?.parse().ok());
    last.map_or(0, |last: u64| last + 1)
}

/// A text in a query.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
