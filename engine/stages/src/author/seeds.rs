//! Seed images: what documents are to take after.
//!
//! Whoever names them is not trusted, and what is behind their names even less. Everything goes through
//! the guard, and what leaves this module are pixels encoded anew: nothing that was hidden in a file
//! goes on to a provider or a template.

mod apart;
mod colours;

use std::{
    fs::{self, File},
    io::{Cursor, Read},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use docgenie_document::Digest;
use docgenie_guard::{
    fetch::{FetchError, Fetcher, Policy},
    picture::{self, Kind, Picture},
};
use docgenie_runtime::stage::{StageEnv, StageFailure, blocking};
use image::{ExtendedColorType, ImageEncoder, RgbImage, codecs::jpeg::JpegEncoder};
use tokio::sync::OnceCell;

pub use self::apart::draw as draw_first_page;
use super::{BAD_SEED, UNREACHABLE_SEED};
use crate::raster::{self, PDF_LIBRARY};

/// Pixels of a page's longer side: what models look at.
const LONGEST: u32 = 1568;
/// Bytes of a seed's file.
const MAX_BYTES: usize = 32 << 20;
/// Bytes of a page as PNG, beyond which it is a JPEG: photographs are.
const MAX_PNG: usize = 1 << 20;
/// A PDF that asks for more than this is left to itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// For all runs, as making one reads all certificates of the machine; the second may reach private
/// addresses.
static FETCHERS: [OnceCell<Fetcher>; 2] = [const { OnceCell::const_new() }; 2];

/// A page of a seed, ready to be looked at.
#[derive(Clone, Debug)]
pub(super) struct SeedPage {
    /// `image/png` or `image/jpeg`.
    pub(super) media_type: &'static str,
    /// The encoded picture, at most 1568 pixels on its longer side.
    pub(super) bytes: Vec<u8>,
    /// Its pixels across and down.
    pub(super) size: (u32, u32),
    /// The page's points across and down, where it is known (a PDF, a picture with a resolution).
    pub(super) points: Option<(f64, f64)>,
    /// Its dominant colours but paper and ink, the most frequent first.
    pub(super) colours: Vec<[u8; 3]>,
    /// Of the file it came from and its page.
    pub(super) digest: Digest,
}

/// The seeds of a stage, which are had when they are first asked for and then kept.
pub(super) struct Seeds {
    places: Vec<Place>,
    private_addresses: bool,
    program: Option<PathBuf>,
    pages: OnceCell<Arc<[SeedPage]>>,
}

/// Where a seed is.
enum Place {
    /// A path as it was given, and from the root.
    File(String, PathBuf),
    Address(String),
}

impl Seeds {
    /// The seeds of the option `seed_images`: addresses, or paths beside the pipeline file.
    pub(super) fn new(named: &[String], env: &StageEnv) -> Self {
        let place = |text: &String| {
            if text.contains("://") {
                Place::Address(text.clone())
            } else {
                Place::File(text.clone(), env.pipeline_dir.join(text))
            }
        };
        Self {
            places: named.iter().map(place).collect(),
            private_addresses: env.private_addresses,
            program: env.program.clone(),
            pages: OnceCell::new(),
        }
    }

    /// The first page of each seed, in the order they are named.
    ///
    /// # Errors
    /// [`UNREACHABLE_SEED`] and [`BAD_SEED`], which end the run.
    pub(super) async fn pages(&self) -> Result<Arc<[SeedPage]>, StageFailure> {
        let pages = self.pages.get_or_try_init(|| self.load()).await?;
        Ok(Arc::clone(pages))
    }

    /// What the documents depend on: empty where there is no seed.
    ///
    /// # Errors
    /// As [`Self::pages`].
    pub(super) async fn identity(&self) -> Result<String, StageFailure> {
        if self.places.is_empty() {
            return Ok(String::new());
        }
        let pages = self.pages().await?;
        let digests = pages.iter().map(|page| page.digest.as_bytes().as_slice());
        let digest = Digest::of_parts(digests);
        Ok(format!("seeds {digest}, {PDF_LIBRARY}"))
    }

    async fn load(&self) -> Result<Arc<[SeedPage]>, StageFailure> {
        let mut pages = Vec::new();
        for (place, number) in self.places.iter().zip(1..) {
            let bytes = match place {
                Place::File(named, path) => {
                    let (named, path) = (named.clone(), path.clone());
                    blocking(move || read(&named, &path)).await?
                }
                Place::Address(address) => {
                    let fetched = async { self.fetcher().await?.fetch(address).await };
                    fetched
                        .await
                        .map_err(|error| unfetched(number, &error))?
                        .bytes
                }
            };
            let program = self.program.clone();
            let page = blocking(move || {
                seed_page(bytes, program.as_deref()).map_err(|cause| {
                    let message = format!("seed image {number} cannot be looked at");
                    let mut failure = StageFailure::new(BAD_SEED, message);
                    failure.problem.causes.push(cause);
                    failure.hint("give a PNG, JPEG, GIF or WebP of at most 80 megapixels, or a PDF without a password")
                        .ends_run()
                })
            });
            pages.push(page.await?);
        }
        Ok(pages.into())
    }

    async fn fetcher(&self) -> Result<&'static Fetcher, FetchError> {
        let policy = Policy {
            allow_private: self.private_addresses,
            max_bytes: MAX_BYTES,
            ..Policy::default()
        };
        let known = &FETCHERS[usize::from(self.private_addresses)];
        known.get_or_try_init(async || Fetcher::new(policy)).await
    }
}

/// Says no more than the guard's own text. The address is left out: it may hold a key, and a message that
/// is the same for all addresses that cannot be reached tells nobody what there is behind this machine.
fn unfetched(number: usize, error: &FetchError) -> StageFailure {
    let message = format!("seed image {number} cannot be fetched");
    let mut failure = StageFailure::new(UNREACHABLE_SEED, message);
    failure.problem.causes.push(error.to_string());
    failure
        .hint(
            "give an `http` or `https` address of the open net, or a path beside the pipeline file",
        )
        .ends_run()
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, StageFailure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the seed image `{name}` cannot be read");
        let failure = StageFailure::new(UNREACHABLE_SEED, message).because(&error);
        failure
            .hint("give the path of a file that exists and that you may read")
            .ends_run()
    };
    // A pipe would be waited for without end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        let message = format!("the seed image `{name}` has more than {MAX_BYTES} bytes");
        return Err(StageFailure::new(BAD_SEED, message)
            .hint("make it smaller")
            .ends_run());
    }
    Ok(bytes)
}

/// The page that is in a file, or what is wrong with the file.
fn seed_page(file: Vec<u8>, program: Option<&Path>) -> Result<SeedPage, String> {
    let digest = Digest::of_parts([file.as_slice(), b"page 1"]);
    let Picture { pixels, points } = match picture::sniff(&file) {
        Some(Kind::Pdf) => first_page(file, program)?,
        Some(_) => picture::read(&file, LONGEST).map_err(|error| error.to_string())?,
        None => return Err("it is neither a picture of a known kind nor a PDF".to_owned()),
    };
    let (media_type, bytes) = encoded(&pixels).map_err(|error| error.to_string())?;
    Ok(SeedPage {
        media_type,
        bytes,
        size: pixels.dimensions(),
        points,
        colours: colours::dominant(&pixels),
        digest,
    })
}

fn encoded(pixels: &RgbImage) -> image::ImageResult<(&'static str, Vec<u8>)> {
    let mut png = Cursor::new(Vec::new());
    pixels.write_to(&mut png, image::ImageFormat::Png)?;
    let png = png.into_inner();
    if png.len() <= MAX_PNG {
        return Ok(("image/png", png));
    }
    let mut jpeg = Vec::new();
    let (width, height) = pixels.dimensions();
    JpegEncoder::new_with_quality(&mut jpeg, 88).write_image(
        pixels.as_raw(),
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    Ok(("image/jpeg", jpeg))
}

/// The first page of a PDF, if it is drawn in time.
fn first_page(pdf: Vec<u8>, program: Option<&Path>) -> Result<Picture, String> {
    docgenie_guard::pdf::check(&pdf).map_err(|error| error.to_string())?;
    if let Some(program) = program {
        return apart::first_page(&pdf, program);
    }
    let (done, drawn) = mpsc::channel();
    let work = move || {
        let drawn = panic::catch_unwind(AssertUnwindSafe(|| raster::first_page(pdf, LONGEST)));
        // Whoever has lost patience does not listen any more.
        drop(done.send(drawn));
    };
    let thread = thread::Builder::new().name("seed".to_owned()).spawn(work);
    thread.map_err(|error| error.to_string())?;
    let drawn = drawn.recv_timeout(PATIENCE);
    let drawn = drawn.map_err(|_| format!("it is not drawn after {} s", PATIENCE.as_secs()))?;
    let drawn = drawn.map_err(|_| "it is broken, and the library that draws it panicked")?;
    let (bitmap, size) = drawn.map_err(|failure| failure.problem.message)?;
    let pixels = (bitmap.width, bitmap.height);
    picture(pixels, (size.width, size.height), bitmap.data)
}

fn picture(
    (width, height): (u32, u32),
    points: (f64, f64),
    rgb: Vec<u8>,
) -> Result<Picture, String> {
    let pixels = RgbImage::from_raw(width, height, rgb);
    Ok(Picture {
        pixels: pixels.ok_or("its page has no pixels")?,
        points: Some(points),
    })
}

#[cfg(test)]
mod tests;
