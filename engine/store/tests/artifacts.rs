//! The folder of artifacts: whole or not at all, verified, prunable.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests damage files and fail by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use docgenie_document::{Digest, Slot};
use docgenie_runtime::artifact::{ArtifactError, ArtifactStore, Memo};
use docgenie_store::artifacts::{Count, FolderArtifacts, Usage};
use tempfile::TempDir;

fn store() -> (TempDir, FolderArtifacts) {
    let home = TempDir::new().unwrap();
    let store = FolderArtifacts::open(home.path()).unwrap();
    (home, store)
}

fn path(home: &TempDir, kind: &str, digest: Digest) -> PathBuf {
    let name = digest.to_string();
    home.path().join(kind).join(&name[..2]).join(&name[2..])
}

fn key(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

async fn remember(store: &FolderArtifacts, name: &str, artifacts: &[&[u8]]) -> Memo {
    let mut outputs = Vec::new();
    for bytes in artifacts {
        outputs.push((Slot::Html, store.put(bytes.to_vec()).await.unwrap()));
    }
    let memo = Memo {
        outputs,
        remarks: vec!["a remark".to_owned()],
    };
    store.remember(key(name), &memo).await.unwrap();
    memo
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.map(|entry| entry.path()).map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    below.flatten().collect()
}

#[tokio::test]
async fn what_is_put_is_got() {
    let (_home, store) = store();
    for bytes in [&b""[..], b"page", &[0; 100_000]] {
        let digest = store.put(bytes.to_vec()).await.unwrap();
        assert_eq!(digest, Digest::of(bytes));
        assert_eq!(store.get(digest).await.unwrap(), bytes);
    }
    store.flush().await.unwrap();
    let missing = store.get(key("nothing")).await;
    assert!(matches!(missing, Err(ArtifactError::Missing(_))));
}

#[tokio::test]
async fn a_damaged_artifact_is_reported_once_and_made_again() {
    for damage in [&b"pags"[..], b"", b"page and more"] {
        let (home, store) = store();
        let memo = remember(&store, "render", &[b"page"]).await;
        let digest = memo.outputs[0].1;
        fs::write(path(&home, "blobs", digest), damage).unwrap();

        let got = store.get(digest).await;
        assert!(matches!(got, Err(ArtifactError::Damaged(it)) if it == digest));
        assert_eq!(store.recall(key("render")).await.unwrap(), None);

        remember(&store, "render", &[b"page"]).await;
        assert_eq!(store.get(digest).await.unwrap(), b"page");
        assert_eq!(store.recall(key("render")).await.unwrap(), Some(memo));
    }
}

#[tokio::test]
async fn a_damaged_artifact_is_replaced_by_putting_it_again() {
    for damage in [&b""[..], b"pags"] {
        let (home, store) = store();
        let digest = store.put(b"page".to_vec()).await.unwrap();
        fs::write(path(&home, "blobs", digest), damage).unwrap();
        store.put(b"page".to_vec()).await.unwrap();
        assert_eq!(store.get(digest).await.unwrap(), b"page");
    }
}

#[tokio::test]
async fn a_memo_is_recalled_only_whole() {
    let (home, store) = store();
    assert_eq!(store.recall(key("author")).await.unwrap(), None);
    let memo = remember(&store, "author", &[b"one", b"two"]).await;
    assert_eq!(
        store.recall(key("author")).await.unwrap(),
        Some(memo.clone())
    );

    fs::remove_file(path(&home, "blobs", memo.outputs[1].1)).unwrap();
    assert_eq!(store.recall(key("author")).await.unwrap(), None);
    store.put(b"two".to_vec()).await.unwrap();
    assert_eq!(store.recall(key("author")).await.unwrap(), Some(memo));

    fs::write(path(&home, "memos", key("author")), b"{\"outputs\":[").unwrap();
    assert_eq!(store.recall(key("author")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_part_of_an_artifact_is_ever_visible() {
    let (home, store) = store();
    let store = Arc::new(store);
    let over = Arc::new(AtomicBool::new(false));
    let watcher = tokio::task::spawn_blocking({
        let (root, over) = (home.path().join("blobs"), over.clone());
        move || {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                let whole = files(&root).into_iter();
                for file in whole.filter(|file| file.extension().is_none()) {
                    let bytes = fs::read(&file).unwrap();
                    let name = Digest::of(&bytes).to_string();
                    assert!(file.ends_with(&name[2..]), "{} is torn", file.display());
                    seen += 1;
                }
            }
            seen
        }
    });
    let puts = (0..64).map(|n: u8| {
        let store = store.clone();
        // Four tasks put the same bytes at once.
        tokio::spawn(async move { store.put(vec![n / 4; 400_000]).await.unwrap() })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    while files(&home.path().join("blobs")).len() != 16 {
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    watcher.await.unwrap();
    assert_eq!(store.usage().unwrap().artifacts.bytes, 16 * 400_000);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_names_the_path() {
    let (home, store) = store();
    fs::remove_dir(home.path().join("blobs")).unwrap();
    fs::write(home.path().join("blobs"), b"in the way").unwrap();
    let error = store.put(b"page".to_vec()).await.unwrap_err();
    let digest = Digest::of(b"page");
    let expected = path(&home, "blobs", digest).display().to_string();
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(error.code().as_str(), "DG0201");
    assert!(error.hint().is_some());
}

/// Three results, the oldest first; then what is left of them after a prune.
async fn check_prune(max_bytes: u64, expected: &[&str]) {
    let (home, store) = store();
    let hour = Duration::from_secs(3_600);
    let names = ["old", "newer", "newest"];
    for (age, name) in [3, 2, 1].into_iter().zip(names) {
        remember(&store, name, &[name.as_bytes(), b"shared"]).await;
        let memo = fs::File::options()
            .append(true)
            .open(path(&home, "memos", key(name)))
            .unwrap();
        let written = memo.metadata().unwrap().modified().unwrap();
        memo.set_modified(written - hour * age).unwrap();
    }
    let unknown = store.put(b"no memo points here".to_vec()).await.unwrap();
    let litter = path(&home, "blobs", unknown).with_extension("1-1.partial");
    fs::write(&litter, b"half").unwrap();

    let before = store.usage().unwrap();
    let removed = store.prune(max_bytes).unwrap();
    let mut left = Vec::new();
    for name in names {
        if store.recall(key(name)).await.unwrap().is_some() {
            assert!(store.get(Digest::of(name.as_bytes())).await.is_ok());
            left.push(name);
        }
    }
    assert_eq!(left, expected, "{max_bytes}");
    let after = store.usage().unwrap();
    let artifacts = expected.iter().map(|name| name.len() as u64).sum::<u64>();
    let shared = if expected.is_empty() { 0 } else { 6 };
    assert_eq!(after.artifacts.bytes, artifacts + shared);
    assert_eq!(after.memos.files, expected.len() as u64);
    let sum = |a: Count, b: Count| (a.files + b.files, a.bytes + b.bytes);
    let all = |it: Usage| (sum(it.artifacts, it.memos), it.artifacts.files);
    let removed_and_left = (
        all(removed).0.0 + all(after).0.0,
        all(removed).0.1 + all(after).0.1,
    );
    assert_eq!(removed_and_left, all(before).0);
    assert!(!litter.exists());
}

#[tokio::test]
async fn a_prune_keeps_the_newest_whole_results() {
    check_prune(u64::MAX, &["old", "newer", "newest"]).await;
    check_prune(20, &["old", "newer", "newest"]).await;
    check_prune(17, &["newer", "newest"]).await;
    check_prune(12, &["newest"]).await;
    // "old" would fit where "newest" does not.
    check_prune(10, &[]).await;
    check_prune(0, &[]).await;
}

#[tokio::test]
async fn a_prune_forgets_results_that_lost_an_artifact() {
    let (home, store) = store();
    let memo = remember(&store, "author", &[b"one", b"two"]).await;
    fs::remove_file(path(&home, "blobs", memo.outputs[0].1)).unwrap();
    store.prune(u64::MAX).unwrap();
    assert_eq!(store.usage().unwrap(), Usage::default());
}
