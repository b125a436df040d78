//! One browser from launch to death.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chromiumoxide::{
    Handler, cdp::browser_protocol::target::EventTargetCrashed, handler::HandlerConfig,
    listeners::EventStream,
};
use docgenie_guard::child::{Launch, Supervised};
use futures::StreamExt;
use rustix::process::geteuid;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{Executable, HtmlPage, RenderError, profile::Profile, tab::Tab};

/// A running browser. It ends when dropped or stopped, and whenever anything about it is not as it
/// should be: a new one is cheaper than a doubtful one.
#[derive(Debug)]
pub(crate) struct Browser {
    protocol: chromiumoxide::Browser,
    idle: Mutex<Vec<Tab>>,
    pages: AtomicU32,
    stop: CancellationToken,
    gone: CancellationToken,
}

/// How long a browser may take to come up, on a busy machine.
const LAUNCH_LIMIT: Duration = Duration::from_secs(30);

/// How long after a tab's last words its crash may become known.
const CRASH_DELAY: Duration = Duration::from_millis(500);

impl Browser {
    /// Launches a browser for a first page. Its life is a task among `lives`, which `stop` ends.
    pub(crate) async fn launch(
        executable: &Executable,
        home: &Path,
        stop: CancellationToken,
        lives: &TaskTracker,
    ) -> Result<Self, RenderError> {
        let profile = Profile::create(home)?;
        let launch = command_line(executable, profile.path());
        let child = Supervised::spawn(&launch).map_err(|source| RenderError::Spawn {
            program: executable.path.clone(),
            source,
        })?;
        let connected = tokio::time::timeout(LAUNCH_LIMIT, connect(&child)).await;
        let Some((protocol, connection)) = connected.ok().flatten() else {
            let said = match child.stderr().trim() {
                "" => "nothing".to_owned(),
                said => said.to_owned(),
            };
            let program = executable.path.clone();
            return Err(RenderError::NotReady { program, said });
        };
        let gone = CancellationToken::new();
        let running = Running {
            connection,
            child,
            stop: stop.clone(),
            gone: gone.clone().drop_guard(),
            _profile: profile,
        };
        lives.spawn(running.until_end());
        Ok(Self {
            protocol,
            idle: Mutex::default(),
            pages: AtomicU32::new(1),
            stop,
            gone,
        })
    }

    /// Whether it lives and has taken fewer than `most` pages; counts one more if so.
    pub(crate) fn takes_page(&self, most: u32) -> bool {
        let alive = !self.stop.is_cancelled() && !self.gone.is_cancelled();
        alive && self.pages.fetch_add(1, Ordering::Relaxed) < most
    }

    /// Ends it; what it prints fails at once.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// The page as PDF; fails at once when the browser dies.
    pub(crate) async fn print(&self, page: HtmlPage<'_>) -> Result<Vec<u8>, RenderError> {
        let printed = tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(RenderError::Died),
            result = self.print_in_tab(page) => result,
        };
        match printed {
            Err(RenderError::Died) => {
                self.stop();
                Err(RenderError::Died)
            }
            Err(RenderError::Refused { reason }) => Err(self.judge(reason).await),
            printed => printed,
        }
    }

    /// Whether a refusal is the browser's answer, or the first sign of a crash.
    async fn judge(&self, reason: String) -> RenderError {
        match tokio::time::timeout(CRASH_DELAY, self.gone.cancelled()).await {
            Ok(()) => RenderError::Died,
            Err(_) => RenderError::Refused { reason },
        }
    }

    async fn print_in_tab(&self, page: HtmlPage<'_>) -> Result<Vec<u8>, RenderError> {
        let idle = self.tabs().pop();
        let tab = match idle {
            Some(tab) => tab,
            None => Tab::open(&self.protocol).await?,
        };
        let printed = tab.print(page).await;
        match printed {
            Ok(_) => self.tabs().push(tab),
            Err(_) => tab.close().await,
        }
        printed
    }

    fn tabs(&self) -> std::sync::MutexGuard<'_, Vec<Tab>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a browser's life hangs on, and what goes with it.
struct Running {
    connection: Connection,
    child: Supervised,
    stop: CancellationToken,
    gone: DropGuard,
    _profile: Profile,
}

impl Running {
    async fn until_end(mut self) {
        tokio::select! {
            () = self.connection.until_lost() => {}
            () = self.child.exited() => {}
            () = self.stop.cancelled() => {}
        }
        drop(self.gone);
        self.child.kill();
        self.child.exited().await;
    }
}

/// The conversation with a browser, which goes on only while it is polled.
struct Connection {
    handler: Handler,
    crashes: EventStream<EventTargetCrashed>,
}

impl Connection {
    /// Drives the conversation until it breaks or a tab crashes. The library goes on after an
    /// error, and does not end when the browser closes the connection: the child's exit tells that.
    async fn until_lost(&mut self) {
        tokio::select! {
            () = async { while let Some(Ok(())) = self.handler.next().await {} } => {}
            _ = self.crashes.next() => {}
        }
    }
}

/// Connects to a browser that is coming up; `None` where it does not.
async fn connect(child: &Supervised) -> Option<(chromiumoxide::Browser, Connection)> {
    let address = child.stderr_line("DevTools listening on ").await?;
    let config = HandlerConfig {
        // Time limits are the renderer's business.
        request_timeout: Duration::from_secs(24 * 60 * 60),
        ..HandlerConfig::default()
    };
    let connected = chromiumoxide::Browser::connect_with_config(address, config).await;
    let (browser, handler) = connected.ok()?;
    let crashes = browser.event_listener().await.ok()?;
    Some((browser, Connection { handler, crashes }))
}

fn command_line(executable: &Executable, profile: &Path) -> Launch {
    let mut data_dir = std::ffi::OsString::from("--user-data-dir=");
    data_dir.push(profile);
    let launch = Launch::new(&executable.path)
        .args(FLAGS)
        .args([data_dir])
        .env("TMPDIR", profile)
        .env("TZ", "UTC");
    // The sandbox does not work for the superuser, and only for the superuser it is given up.
    if geteuid().is_root() {
        launch.args(["--no-sandbox"])
    } else {
        launch
    }
}

const FLAGS: [&str; 19] = [
    "--headless",
    "--remote-debugging-port=0",
    // No name resolves and no address is reached, whatever a page does.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-proxy-server",
    "--disable-quic",
    // Nothing happens but printing.
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--mute-audio",
    "--disable-gpu",
    // Containers give `/dev/shm` too little room.
    "--disable-dev-shm-usage",
    // The same page looks the same on every machine.
    "--font-render-hinting=none",
    "--lang=en-US",
];
