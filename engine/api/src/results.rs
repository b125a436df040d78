//! What runs have made: files of a dataset, one by one or as a ZIP.

use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use docgenie_runtime::{
    executor, files,
    job::{RunRecord, RunState},
};
use futures::stream;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::AsyncReadExt;
use zip::ZipArchive;

use crate::{
    error::{ApiError, ApiResult},
    routes::Call,
    runs,
    service::Service,
};

/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;

/// A file of a dataset.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Artifact {
    /// Its path in the dataset.
    path: String,
    bytes: u64,
}

/// Where the dataset of a run is.
enum Kept<'a> {
    Folder(&'a Path),
    Zip(&'a Path),
}

fn kept(run: &RunRecord) -> ApiResult<Kept<'_>> {
    if run.state != RunState::Completed {
        let state = run.state.word();
        let detail = format!("{} has no results: it is {state}", run.id);
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    }
    let folder = run.spec.out.as_deref().filter(|path| path.is_dir());
    let zip = run.spec.zip.as_deref().filter(|path| path.is_file());
    let kept = folder.map(Kept::Folder).or(zip.map(Kept::Zip));
    kept.ok_or_else(|| ApiError::not_found(format!("the results of {} are gone", run.id)))
}

pub(crate) async fn list(call: Call) -> ApiResult {
    let run = runs::of(&call).await?;
    kept(&run)?;
    let listed = blocking(move || match kept(&run).ok() {
        Some(Kept::Folder(folder)) => files_below(folder),
        Some(Kept::Zip(zip)) => files_in(zip),
        None => Ok(Vec::new()),
    })
    .await?;
    Ok(Json(listed).into_response())
}

fn files_below(folder: &Path) -> io::Result<Vec<Artifact>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let path = path.strip_prefix(folder).unwrap_or(&path);
                found.push(Artifact {
                    path: path.to_string_lossy().into_owned(),
                    bytes: entry.metadata()?.len(),
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn files_in(zip: &Path) -> io::Result<Vec<Artifact>> {
    let mut archive = ZipArchive::new(io::BufReader::new(std::fs::File::open(zip)?))?;
    let top = format!("{}/", files::ARCHIVE_FOLDER);
    (0..archive.len())
        .map(|index| {
            let entry = archive.by_index_raw(index)?;
            let path = entry.name()?;
            let path = path.strip_prefix(&top).unwrap_or(&path);
            Ok(Artifact {
                path: path.to_owned(),
                bytes: entry.size(),
            })
        })
        .collect()
}

pub(crate) async fn file(call: Call) -> ApiResult {
    let run = runs::of(&call).await?;
    let wanted = call.path("path").to_owned();
    let missing = || ApiError::not_found(format!("the results hold no file `{wanted}`"));
    let plain = Path::new(&wanted)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || wanted.is_empty() {
        return Err(missing());
    }
    let media = media_of(&wanted);
    match kept(&run)? {
        Kept::Folder(folder) => {
            let path = folder.join(&wanted);
            // A link that somebody has put there leads nowhere.
            let real = tokio::fs::canonicalize(&path)
                .await
                .map_err(|_| missing())?;
            let folder = tokio::fs::canonicalize(folder)
                .await
                .map_err(|_| missing())?;
            if !real.starts_with(folder) || !real.is_file() {
                return Err(missing());
            }
            sent(&real, media, None).await
        }
        Kept::Zip(zip) => {
            let (zip, name) = (
                zip.to_owned(),
                format!("{}/{wanted}", files::ARCHIVE_FOLDER),
            );
            let bytes = blocking(move || {
                let file = io::BufReader::new(std::fs::File::open(zip)?);
                let mut archive = ZipArchive::new(file)?;
                let mut bytes = Vec::new();
                archive.by_name(&name)?.read_to_end(&mut bytes)?;
                Ok(bytes)
            });
            let bytes = bytes.await.map_err(|_| missing())?;
            Ok(with_headers(Body::from(bytes), media, None, None))
        }
    }
}

pub(crate) async fn zip(call: Call) -> ApiResult {
    let run = runs::of(&call).await?;
    zip_of(&call.service, &run).await
}

/// The dataset of a run as a ZIP.
pub(crate) async fn zip_of(service: &Service, run: &RunRecord) -> ApiResult {
    let name = format!("{}.zip", files::ARCHIVE_FOLDER);
    let zip = match kept(run)? {
        Kept::Zip(zip) => zip.to_owned(),
        Kept::Folder(folder) => {
            let (folder, packed) = (
                folder.to_owned(),
                service.results().join(format!("{}.zip", run.id)),
            );
            blocking(move || {
                if !packed.is_file() {
                    files::zip_folder(&folder, &packed)?;
                }
                Ok(packed)
            })
            .await?
        }
    };
    sent(&zip, "application/zip", Some(&name)).await
}

/// The bytes of the ZIP that a run has published.
pub(crate) fn zip_size(run: &RunRecord) -> Option<u64> {
    let zip = run.spec.zip.as_ref()?;
    std::fs::metadata(zip).ok().map(|metadata| metadata.len())
}

/// Removes what a run has made; what is not there any more is no fault.
pub(crate) async fn remove(service: &Service, run: &RunRecord) -> ApiResult<()> {
    let home = service.results();
    let packed = home.join(format!("{}.zip", run.id));
    // A run's results and uploads lie in one folder of their own.
    let targets = [&run.spec.out, &run.spec.zip].into_iter().flatten();
    let folders = targets.filter_map(|target| target.parent());
    let own: Vec<PathBuf> = folders
        .filter(|path| path.starts_with(&home) && *path != home)
        .map(Path::to_owned)
        .chain([packed])
        .collect();
    let (engine_home, out) = (service.config.home.clone(), run.spec.out.clone());
    let removed = blocking(move || {
        if let Some(out) = out {
            executor::forget_published(&engine_home, &out)?;
        }
        for path in own {
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    });
    removed.await.inspect_err(|error| {
        tracing::warn!(run = %run.id, ?error, "what a run has made could not be removed");
    })
}

/// A file as a response that is read as it is sent.
async fn sent(path: &Path, media: &'static str, name: Option<&str>) -> ApiResult {
    let gone = |error: io::Error| {
        tracing::warn!(%error, path = %path.display(), "a result cannot be read");
        ApiError::not_found("the results are gone")
    };
    let file = tokio::fs::File::open(path).await.map_err(gone)?;
    let length = file.metadata().await.map_err(gone)?.len();
    let chunks = stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        let more = (read > 0).then(|| (Bytes::from(chunk), file));
        Ok::<_, io::Error>(more)
    });
    let body = Body::from_stream(chunks);
    Ok(with_headers(body, media, Some(length), name))
}

/// What was made is shown to nobody as a page of this service: HTML and SVG in it are strangers'.
fn with_headers(
    body: Body,
    media: &'static str,
    length: Option<u64>,
    name: Option<&str>,
) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let disposition = name.map_or_else(
        || "attachment".to_owned(),
        |name| format!("attachment; filename=\"{name}\""),
    );
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    response
}

fn media_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "json" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "md" | "txt" => "text/plain; charset=utf-8",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> ApiResult<T> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "results cannot be read or written");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the results cannot be read or written",
        )
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
