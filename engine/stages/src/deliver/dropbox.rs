//! Dropbox, by its upload sessions.
//!
//! OpenDAL's service for Dropbox holds a whole file in memory and makes no links, so that Dropbox is
//! spoken with here.

use std::fmt::Write;

use async_trait::async_trait;
use docgenie_guard::fetch::Answer;
use docgenie_runtime::stage::{Receipt, StageEnv, StageFailure};
use reqwest::{StatusCode, header::HeaderName};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{
    DeliverConfig, Target, Upload,
    account::{Account, Kind, base, below, post, post_json, set},
    folder_of,
};

static DROPBOX: Kind = Kind {
    name: "Dropbox",
    token: "DROPBOX_TOKEN",
    refresh_token: "DROPBOX_REFRESH_TOKEN",
    client_id: "DROPBOX_APP_KEY",
    client_secret: "DROPBOX_APP_SECRET",
    address: "DOCGENIE_DROPBOX_API_URL",
};
const API: &str = "https://api.dropboxapi.com";
const CONTENT: &str = "https://content.dropboxapi.com";

pub(super) struct Dropbox {
    account: Account,
    api: Url,
    content: Url,
    folder: String,
    share: bool,
}

#[derive(Deserialize)]
struct Session {
    session_id: String,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

impl Dropbox {
    pub(super) fn new(config: &DeliverConfig, env: &StageEnv) -> Result<Self, StageFailure> {
        let api = base(&DROPBOX, API, env)?;
        Ok(Self {
            account: Account::new(&DROPBOX, env, below(&api, "/oauth2/token"))?,
            api,
            content: base(&DROPBOX, CONTENT, env)?,
            folder: folder_of(config, env),
            share: config.share,
        })
    }

    /// Sends bytes with what is said about them.
    async fn send(&self, path: &str, said: &Value, bytes: Vec<u8>) -> Result<Answer, StageFailure> {
        let url = below(&self.content, &format!("/2/files/upload_session/{path}"));
        let mut request = post(&url, "application/octet-stream", bytes);
        let header = HeaderName::from_static("dropbox-api-arg");
        set(&mut request, header, &ascii(said));
        self.account.send(request).await
    }

    async fn send_bytes(&self, file: &Upload, path: &str) -> Result<(), StageFailure> {
        let chunk = file.chunk(0).await?;
        let mut sent = chunk.len() as u64;
        let answer = self.send("start", &json!({}), chunk).await?;
        let Session { session_id } = self.account.json(&answer)?;
        let cursor = |offset: u64| json!({ "session_id": session_id, "offset": offset });
        while sent < file.size {
            let chunk = file.chunk(sent).await?;
            let said = json!({ "cursor": cursor(sent) });
            let after = sent + chunk.len() as u64;
            let answer = self.send("append_v2", &said, chunk).await?;
            // A chunk may have arrived though its answer has not.
            let arrived = offset_of(&answer) == Some(after);
            if !answer.status.is_success() && !arrived {
                return Err(self.account.refused(&answer));
            }
            sent = after;
        }
        let commit = json!({ "path": path, "mode": "overwrite", "mute": true });
        let said = json!({ "cursor": cursor(sent), "commit": commit });
        let answer = self.send("finish", &said, Vec::new()).await?;
        self.account.json::<Value>(&answer).map(drop)
    }

    /// A link for everybody: the one that there is, or a new one.
    async fn link(&self, path: &str) -> Result<String, StageFailure> {
        let url = below(&self.api, "/2/sharing/create_shared_link_with_settings");
        let request = post_json(&url, &json!({ "path": path }));
        let answer = self.account.send(request).await?;
        if answer.status == StatusCode::CONFLICT {
            let list = below(&self.api, "/2/sharing/list_shared_links");
            let request = post_json(&list, &json!({ "path": path, "direct_only": true }));
            let listed: Value = self.account.json(&self.account.send(request).await?)?;
            let standing = listed["links"][0]["url"].as_str();
            return standing
                .map(str::to_owned)
                .ok_or_else(|| self.account.refused(&answer));
        }
        Ok(self.account.json::<Link>(&answer)?.url)
    }
}

#[async_trait]
impl Target for Dropbox {
    async fn put(&self, file: &Upload) -> Result<Receipt, StageFailure> {
        let path = format!("/{}/{}", self.folder.trim_matches('/'), file.name);
        self.send_bytes(file, &path).await?;
        let url = match self.share {
            true => Some(self.link(&path).await?),
            false => None,
        };
        Ok(Receipt {
            place: format!("Dropbox: {path}"),
            url,
        })
    }
}

/// How much has arrived, where that is what an answer refuses a chunk for.
fn offset_of(answer: &Answer) -> Option<u64> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body["error"]["correct_offset"].as_u64()
}

/// JSON that can stand in a header.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && c != '\x7f' {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_fits_a_header() {
        let check = |text: &str, expected: &str| assert_eq!(ascii(&json!(text)), expected);
        check("/a b/c.zip", "\"/a b/c.zip\"");
        check("ü\u{7f}", "\"\\u00fc\\u007f\"");
        check("𝕏", "\"\\ud835\\udd4f\"");
    }
}
