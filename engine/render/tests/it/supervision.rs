//! What happens when the browser does not do as it should.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use docgenie_render::{RenderError, RenderSettings, Renderer};
use tokio::time::{sleep, timeout};

use crate::{
    css,
    family::{family, kill, wait_for_end},
    renderer, settings, text,
};

/// The argument that only the browser itself has.
const BROWSER: &str = "--user-data-dir=";
const TAB: &str = "--type=renderer";

/// Some 300,000 pages: busy for much longer than any test waits.
const ENDLESS: &str = "<style>@page { size: 1in }</style><div style='height: 30000000px'>";

/// Waits until a browser with a tab runs that is not among those seen before.
async fn wait_for_browser(home: &Path, seen: &BTreeSet<u32>) -> BTreeSet<u32> {
    let fresh = async {
        loop {
            let family = family(home);
            if family.len() > 6 && family.is_disjoint(seen) {
                return family;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), fresh).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_browser_fails_its_pages_at_once_and_they_are_printed_once_more() {
    let home = tempfile::tempdir().unwrap();
    let renderer = Arc::new(renderer(home.path()));
    let printing = tokio::spawn({
        let renderer = renderer.clone();
        async move { renderer.print(css(ENDLESS)).await }
    });
    let first = wait_for_browser(home.path(), &BTreeSet::new()).await;
    assert!(kill(home.path(), BROWSER) > 0);
    let second = wait_for_browser(home.path(), &first).await;
    sleep(Duration::from_millis(300)).await;
    assert!(!printing.is_finished(), "{:?}", printing.await);
    let killed_at = Instant::now();
    assert!(kill(home.path(), BROWSER) > 0);
    let failed = printing.await.unwrap();
    let waited = killed_at.elapsed();
    assert!(matches!(failed, Err(RenderError::Died)), "{failed:?}");
    assert!(
        waited < Duration::from_secs(1),
        "the failure took {waited:?}"
    );
    assert!(text(&renderer.print(css("<p>next</p>")).await.unwrap()).contains("next"));
    let all = first.into_iter().chain(second).collect();
    assert_eq!(wait_for_end(&all, Duration::from_secs(2)), BTreeSet::new());
    renderer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_and_tabs_killed_at_any_moment_lose_no_page() {
    let home = tempfile::tempdir().unwrap();
    let renderer = Arc::new(renderer(home.path()));
    renderer.print(css("<p>warm</p>")).await.unwrap();
    let printed = Arc::new(AtomicUsize::new(0));
    let printing = (0..2).map(|worker| {
        let (renderer, printed) = (renderer.clone(), printed.clone());
        tokio::spawn(async move {
            for number in 0..60 {
                let page = format!("<p>{worker} {number}</p>");
                let pdf = renderer.print(css(&page)).await.unwrap();
                assert!(text(&pdf).contains(&format!("{worker} {number}")));
                printed.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let printing: Vec<_> = printing.collect();
    for (victim, after) in [(BROWSER, 10), (TAB, 40), (BROWSER, 70)] {
        while printed.load(Ordering::SeqCst) < after {
            sleep(Duration::from_millis(5)).await;
        }
        assert!(kill(home.path(), victim) > 0);
    }
    for worker in printing {
        worker.await.unwrap();
    }
    renderer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_layout_is_stopped_with_its_processes() {
    let home = tempfile::tempdir().unwrap();
    let limit = Duration::from_millis(1500);
    let settings = RenderSettings {
        limit,
        ..settings(home.path())
    };
    let renderer = Renderer::start(settings).unwrap();
    let failed = renderer.print(css(ENDLESS)).await;
    assert!(
        matches!(failed, Err(RenderError::TimedOut { .. })),
        "{failed:?}"
    );
    renderer.close().await;
    assert_eq!(family(home.path()), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_replaced_after_its_share_of_pages() {
    let home = tempfile::tempdir().unwrap();
    let settings = RenderSettings {
        pages_per_browser: 3,
        ..settings(home.path())
    };
    let renderer = Renderer::start(settings).unwrap();
    let mut families = Vec::new();
    for _ in 0..7 {
        renderer.print(css("<p>page</p>")).await.unwrap();
        families.push(family(home.path()));
    }
    assert!(!families[0].is_disjoint(&families[2]));
    assert!(families[2].is_disjoint(&families[6]));
    renderer.close().await;
    let all = families.into_iter().flatten().collect();
    assert_eq!(wait_for_end(&all, Duration::from_secs(2)), BTreeSet::new());
    let profiles = std::fs::read_dir(home.path().join("browser")).unwrap();
    assert_eq!(profiles.count(), 0, "profiles are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_renderer_is_enough() {
    let home = tempfile::tempdir().unwrap();
    let renderer = renderer(home.path());
    renderer.print(css("<p>page</p>")).await.unwrap();
    let all = family(home.path());
    assert!(all.len() > 3);
    drop(renderer);
    assert_eq!(wait_for_end(&all, Duration::from_secs(2)), BTreeSet::new());
}
