//! One tab, used for page after page.

use base64::{Engine, prelude::BASE64_STANDARD};
use chromiumoxide::{
    Page,
    cdp::{
        browser_protocol::{
            emulation::{
                SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
                SetScriptExecutionDisabledParams,
            },
            fetch::{self, ContinueRequestParams, EventRequestPaused, FailRequestParams},
            log, network,
            network::ErrorReason,
            page::{FrameId, NavigateParams, PrintToPdfParams, SetDocumentContentParams},
            performance,
        },
        js_protocol::runtime::{self, EvaluateParams},
    },
    error::CdpError,
    listeners::EventStream,
};
use futures::StreamExt;

use crate::{HtmlPage, PageSize, RenderError};

/// A tab in which no script runs and from which no request leaves.
#[derive(Debug)]
pub(crate) struct Tab {
    page: Page,
    frame: FrameId,
}

/// A4 in CSS pixels, of which there are 96 to the inch.
const WINDOW: (i64, i64) = (794, 1123);

/// A window that shows next to nothing: printing does not depend on it, and what it does not show
/// is not drawn, which saves a sixth of the work.
const SLIT: (i64, i64) = (794, 8);

/// A4 in inches.
const PAPER: (f64, f64) = (210.0 / 25.4, 297.0 / 25.4);

/// The largest side of a PDF page, in points.
const LARGEST_SIDE: f64 = 14_400.0;

const POINTS_PER_PIXEL: f64 = 0.75;

/// Width and height of what is laid out, in CSS pixels: the body with its margins, and whatever
/// overflows the window. The body stands at the side where lines begin.
const CONTENT_SIZE: &str = "(() => {
    const root = document.documentElement, body = document.body, style = getComputedStyle(body);
    const box = body.getBoundingClientRect(), outer = root.getBoundingClientRect();
    const far = style.direction == 'rtl'
        ? root.clientWidth - box.left + parseFloat(style.marginLeft)
        : box.right + parseFloat(style.marginRight);
    const bottom = Math.max(outer.bottom, box.bottom + parseFloat(style.marginBottom));
    const wider = root.scrollWidth > root.clientWidth, taller = root.scrollHeight > root.clientHeight;
    return [Math.max(far, wider ? root.scrollWidth : 0), Math.max(bottom, taller ? root.scrollHeight : 0)];
})()";

const BLANK: &str = "about:blank";

impl Tab {
    /// A new tab, made safe.
    pub(crate) async fn open(browser: &chromiumoxide::Browser) -> Result<Self, RenderError> {
        let page = browser.new_page(BLANK).await.map_err(refused)?;
        let frame = page.mainframe().await.map_err(refused)?;
        let frame = frame.ok_or(RenderError::Died)?;
        let requests = page.event_listener().await.map_err(refused)?;
        tokio::spawn(refuse_requests(page.clone(), requests));
        macro_rules! execute {
            ($($command:expr,)*) => {$( page.execute($command).await.map_err(refused)?; )*};
        }
        execute!(
            SetScriptExecutionDisabledParams::new(true),
            fetch::EnableParams::default(),
            SetEmulatedMediaParams::builder().media("print").build(),
            window(SLIT),
            // The library asks for these events; nobody reads them.
            network::DisableParams::default(),
            runtime::DisableParams::default(),
            performance::DisableParams::default(),
            log::DisableParams::default(),
        );
        Ok(Self { page, frame })
    }

    /// The page as PDF.
    pub(crate) async fn print(&self, page: HtmlPage<'_>) -> Result<Vec<u8>, RenderError> {
        let html = match page.size {
            PageSize::Css => page.guarded("")?,
            PageSize::Content => page.guarded(&self.content_rule(page).await?)?,
        };
        self.show(html).await?;
        let (width, height) = PAPER;
        let print = PrintToPdfParams {
            print_background: Some(true),
            prefer_css_page_size: Some(true),
            generate_tagged_pdf: Some(false),
            paper_width: Some(width),
            paper_height: Some(height),
            margin_top: Some(0.0),
            margin_bottom: Some(0.0),
            margin_left: Some(0.0),
            margin_right: Some(0.0),
            ..PrintToPdfParams::default()
        };
        let printed = self.page.execute(print).await.map_err(refused)?;
        if page.leaves_traces() {
            self.reset().await?;
        }
        let decoded = BASE64_STANDARD.decode(&printed.data);
        let mut pdf = decoded.map_err(|error| RenderError::Refused {
            reason: error.to_string(),
        })?;
        for [width, height] in page_sizes(&pdf) {
            check_size(width, height)?;
        }
        forget_dates(&mut pdf);
        Ok(pdf)
    }

    /// Closes it. An error means that it is gone already.
    pub(crate) async fn close(self) {
        drop(self.page.close().await);
    }

    /// Makes a new document, of which the last one knows nothing.
    async fn reset(&self) -> Result<(), RenderError> {
        let blank = NavigateParams::new(BLANK);
        self.page.execute(blank).await.map(drop).map_err(refused)
    }

    async fn show(&self, html: String) -> Result<(), RenderError> {
        let content = SetDocumentContentParams::new(self.frame.clone(), html);
        self.page.execute(content).await.map(drop).map_err(refused)
    }

    /// The style that makes one page of all the content.
    async fn content_rule(&self, page: HtmlPage<'_>) -> Result<String, RenderError> {
        self.page.execute(window(WINDOW)).await.map_err(refused)?;
        self.show(page.guarded("")?).await?;
        let mut measure = EvaluateParams::new(CONTENT_SIZE);
        measure.return_by_value = Some(true);
        let measured = self.page.execute(measure).await.map_err(refused)?;
        let value = measured.result.result.value.unwrap_or_default();
        let side = |index: usize| value.get(index)?.as_f64();
        let (Some(width), Some(height)) = (side(0), side(1)) else {
            let reason = "its content has no size".to_owned();
            return Err(RenderError::Refused { reason });
        };
        // A fraction of a pixel too little would make a second page.
        let (width, height) = (width.ceil().max(1.0), height.ceil().max(1.0));
        check_size(width * POINTS_PER_PIXEL, height * POINTS_PER_PIXEL)?;
        Ok(format!(
            "<style>@page {{ size: {width}px {height}px !important; margin: 0 !important }}</style>"
        ))
    }
}

fn window((width, height): (i64, i64)) -> SetDeviceMetricsOverrideParams {
    SetDeviceMetricsOverrideParams::new(width, height, 1.0, false)
}

/// Answers every request of a tab: only what the document carries itself is let through. A refused
/// navigation leaves the document in place.
async fn refuse_requests(page: Page, mut requests: EventStream<EventRequestPaused>) {
    while let Some(request) = requests.next().await {
        let id = request.request_id.clone();
        let answered = if request.request.url.starts_with("data:") {
            page.execute(ContinueRequestParams::new(id)).await.map(drop)
        } else {
            let refusal = FailRequestParams::new(id, ErrorReason::Aborted);
            page.execute(refusal).await.map(drop)
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "a request was gone before it was answered");
        }
    }
}

/// What the browser says about a command, or that it is gone.
fn refused(error: CdpError) -> RenderError {
    match error {
        CdpError::Chrome(answer) => RenderError::Refused {
            reason: answer.message,
        },
        error => {
            tracing::debug!(%error, "lost the browser");
            RenderError::Died
        }
    }
}

fn check_size(width: f64, height: f64) -> Result<(), RenderError> {
    if width.max(height) <= LARGEST_SIDE {
        return Ok(());
    }
    Err(RenderError::TooLarge {
        width,
        height,
        limit: LARGEST_SIDE,
    })
}

/// The widths and heights of a PDF's pages in points, as the browser writes them:
/// `/MediaBox [0 0 width height]`.
fn page_sizes(pdf: &[u8]) -> impl Iterator<Item = [f64; 2]> {
    let key = b"/MediaBox [0 0 ";
    let found = pdf.windows(key.len()).enumerate();
    let found = found.filter(move |(_, window)| window == key);
    found.filter_map(|(at, window)| {
        let sides = pdf[at + window.len()..]
            .split(|byte| *byte == b']')
            .next()?;
        let sides = std::str::from_utf8(sides).ok()?;
        let (width, height) = sides.split_once(' ')?;
        Some([width.parse().ok()?, height.parse().ok()?])
    })
}

/// Overwrites the two dates in a PDF's information dictionary, which is the first object in it.
fn forget_dates(pdf: &mut [u8]) {
    for key in [&b"/CreationDate (D:"[..], b"/ModDate (D:"] {
        let found = pdf.windows(key.len()).position(|window| window == key);
        let digits = found.map(|at| at + key.len());
        if let Some(date) = digits.and_then(|at| pdf.get_mut(at..at + DATE.len())) {
            date.copy_from_slice(DATE);
        }
    }
}

const DATE: &[u8] = b"20000101000000";
