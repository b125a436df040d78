//! The renderer: one browser at a time, however many it takes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{Mutex, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Executable, HtmlPage, PageSize, RenderError, browser::Browser, executable, profile};

/// How a [`Renderer`] works.
#[derive(Clone, Debug)]
pub struct RenderSettings {
    /// `$DOCGENIE_HOME`; the browser's profile lives in its folder `browser`.
    pub home: PathBuf,
    /// How many pages are printed at once. More than about 3 gain nothing.
    pub tabs: usize,
    /// After how many pages the browser is replaced.
    pub pages_per_browser: u32,
    /// How long one page may take.
    pub limit: Duration,
}

/// Prints pages. Cheap to make: the browser is launched when the first page comes.
#[derive(Debug)]
pub struct Renderer {
    settings: RenderSettings,
    executable: Executable,
    fonts: String,
    slots: Semaphore,
    current: Mutex<Option<Arc<Browser>>>,
    lives: TaskTracker,
    closing: CancellationToken,
}

impl Renderer {
    /// Finds the browser and the fonts, and removes what dead processes have left in the home.
    ///
    /// # Errors
    /// When this machine has no browser, or no fontconfig to list its fonts.
    pub fn start(settings: RenderSettings) -> Result<Self, RenderError> {
        let executable = Executable::find()?;
        let fonts = executable::font_set()?;
        profile::sweep(&settings.home);
        Ok(Self {
            slots: Semaphore::new(settings.tabs.max(1)),
            settings,
            executable,
            fonts,
            current: Mutex::default(),
            lives: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// What the printed bytes depend on beside the page: the browser's version and the fonts.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}, fonts {}", self.executable.version, self.fonts)
    }

    /// The page as PDF. Equal pages give equal bytes.
    ///
    /// A page whose browser dies is printed once more in a new one; so is a page that reaches the
    /// time limit, at which the browser is killed.
    ///
    /// # Errors
    /// When the page cannot be printed, or the second attempt fails as well.
    pub async fn print(&self, page: HtmlPage<'_>) -> Result<Vec<u8>, RenderError> {
        // The semaphore is never closed, so that a slot is always had.
        let _slot = self.slots.acquire().await.ok();
        match self.attempt(page).await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "printing the page once more");
                self.attempt(page).await
            }
            result => result,
        }
    }

    /// Stops the browser and removes its profile. Pages still being printed fail.
    pub async fn close(&self) {
        self.closing.cancel();
        self.lives.close();
        self.lives.wait().await;
    }

    async fn attempt(&self, page: HtmlPage<'_>) -> Result<Vec<u8>, RenderError> {
        let browser = self.browser().await?;
        let limit = self.settings.limit;
        match tokio::time::timeout(limit, browser.print(page)).await {
            Ok(result) => result,
            Err(_) => {
                browser.stop();
                Err(RenderError::TimedOut { limit })
            }
        }
    }

    /// The browser for the next page. One that has printed its share is let go here; it ends when
    /// the last page it holds is done.
    async fn browser(&self) -> Result<Arc<Browser>, RenderError> {
        let mut current = self.current.lock().await;
        if let Some(browser) = current.as_ref()
            && browser.takes_page(self.settings.pages_per_browser)
        {
            return Ok(browser.clone());
        }
        *current = None;
        let stop = self.closing.child_token();
        let home = &self.settings.home;
        let browser = Browser::launch(&self.executable, home, stop, &self.lives).await?;
        let browser = Arc::new(browser);
        *current = Some(browser.clone());
        Ok(browser)
    }
}

/// Tries whether this machine can render, by printing a page; returns the browser it has.
///
/// # Errors
/// What is missing, with its cure in [`RenderError::hint`].
pub async fn probe(home: &Path) -> Result<Executable, RenderError> {
    let renderer = Renderer::start(RenderSettings {
        home: home.to_owned(),
        tabs: 1,
        pages_per_browser: 1,
        limit: Duration::from_secs(20),
    })?;
    let page = HtmlPage {
        html: "<p>probe</p>",
        size: PageSize::Css,
    };
    let printed = renderer.print(page).await;
    renderer.close().await;
    printed.map(|_| renderer.executable)
}
