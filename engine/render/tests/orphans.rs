//! No process of the browser survives an engine that is killed, not even in endless layout.
//!
//! The test starts itself a second time: that process prints, and is killed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::{
    collections::BTreeSet,
    env,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use docgenie_render::{HtmlPage, PageSize, RenderSettings, Renderer};
use rustix::process::{Pid, Signal, kill_process};

#[path = "it/family.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod family;

const HOME: &str = "DOCGENIE_ORPHANS_HOME";

fn main() {
    if let Some(home) = env::var_os(HOME) {
        return print_endlessly(Path::new(&home));
    }
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        check(signal);
    }
}

fn check(signal: Signal) {
    let home = tempfile::tempdir().unwrap();
    #[allow(clippy::disallowed_methods, reason = "the engine of this test")]
    let mut engine = Command::new(env::current_exe().unwrap())
        .env(HOME, home.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The warden, the browser with its wrapper, its helpers, and tabs.
    while family::family(home.path()).len() <= 6 {
        assert_eq!(
            engine.try_wait().unwrap(),
            None,
            "the engine ended by itself"
        );
        sleep(Duration::from_millis(20));
    }
    // Deep in layout, where no process of the browser looks around.
    sleep(Duration::from_millis(700));
    let family = family::family(home.path());
    kill_process(Pid::from_child(&engine), signal).unwrap();
    engine.wait().unwrap();
    let left = family::wait_for_end(&family, Duration::from_secs(2));
    assert_eq!(left, BTreeSet::new(), "left behind after {signal:?}");
}

fn print_endlessly(home: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = RenderSettings {
        home: home.to_owned(),
        tabs: 1,
        pages_per_browser: 1,
        limit: Duration::from_secs(600),
    };
    let page = HtmlPage {
        html: "<style>@page { size: 1in }</style><div style='height: 30000000px'>",
        size: PageSize::Css,
    };
    runtime.block_on(async {
        let renderer = Renderer::start(settings).unwrap();
        drop(renderer.print(page).await);
    });
}
