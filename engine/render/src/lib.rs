//! HTML to PDF in a supervised Chromium.
//!
//! A [`Renderer`] keeps one headless browser and a few tabs that are used again and again: a new
//! tab or a new browser for every page would cost 4 to 50 times the work. The browser is launched
//! when the first page comes, replaced after a number of pages, and relaunched when it dies; the
//! page it held is printed once more. The same page gives the same bytes.
//!
//! An A4 invoice of 250 words costs 20 to 30 ms of processor time, the browser's included and 2 ms
//! of it ours; the first page comes 0.4 s after the start. A page that declares something in a
//! `meta` element costs twice that, because the tab is cleared after it.
//!
//! A page is not trusted. It reaches neither the network nor the files of the machine, and its
//! scripts do not run: host names resolve to nothing and proxies are off, scripts are disabled in
//! every tab, every request is failed before it leaves, and a content security policy stands in
//! front of the document. A page that never ends layout is stopped by a time limit, and the browser
//! with it.
//!
//! Stages and jobs are deliberately unknown here.

mod browser;
mod error;
mod executable;
mod page;
mod profile;
mod renderer;
mod tab;

pub use error::RenderError;
pub use executable::Executable;
pub use page::{HtmlPage, PageSize};
pub use renderer::{RenderSettings, Renderer, probe};
