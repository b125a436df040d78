//! Stands in for the host outside WebAssembly: documents are plain data, files and messages stay in
//! memory, one set a thread. It has the face of the generated bindings; what the interface says of
//! each item is said in `wit/v0.1/plugin.wit`.

pub(crate) mod documents {
    use std::collections::BTreeMap;

    use crate::{Extent, Region, Size, Word};

    /// A document, read lazily.
    #[derive(Clone, Debug, Default)]
    pub struct Document {
        /// What [`Document::id`] gives.
        pub id: String,
        /// What [`Document::index`] gives.
        pub index: u32,
        /// What [`Document::language`] gives.
        pub language: String,
        /// What [`Document::kind`] gives.
        pub kind: String,
        /// What [`Document::meta`] gives.
        pub meta: String,
        /// Its pages.
        pub pages: Vec<Page>,
        /// Its ground truth by format.
        pub truth: BTreeMap<String, String>,
    }

    impl Document {
        /// `document_1` and so on; safe as a file name and steady for a seed.
        #[must_use]
        pub fn id(&self) -> String {
            self.id.clone()
        }

        /// Counted from 0. Documents that failed leave gaps.
        #[must_use]
        pub fn index(&self) -> u32 {
            self.index
        }

        /// BCP 47 tag such as `de`; empty where it is not known.
        #[must_use]
        pub fn language(&self) -> String {
            self.language.clone()
        }

        /// Such as `invoice`; empty where it is not known.
        #[must_use]
        pub fn kind(&self) -> String {
            self.kind.clone()
        }

        /// Further facts as one JSON object.
        #[must_use]
        pub fn meta(&self) -> String {
            self.meta.clone()
        }

        /// How many pages it has.
        #[must_use]
        pub fn page_count(&self) -> u32 {
            self.pages.len() as u32
        }

        /// A page, counted from 0.
        #[must_use]
        pub fn page(&self, index: u32) -> Option<Page> {
            self.pages.get(index as usize).cloned()
        }

        /// Final ground truth in a format.
        #[must_use]
        pub fn ground_truth(&self, format: &str) -> Option<String> {
            self.truth.get(format).cloned()
        }
    }

    /// A page of a document.
    #[derive(Clone, Debug)]
    pub struct Page {
        /// What [`Page::extent`] gives.
        pub extent: Extent,
        /// What [`Page::pixels`] gives.
        pub pixels: Option<Size>,
        /// What [`Page::words`] gives.
        pub words: Vec<Word>,
        /// What [`Page::regions`] gives.
        pub regions: Vec<Region>,
        /// What [`Page::image`] gives, whatever the format.
        pub image: Vec<u8>,
    }

    impl Page {
        /// Its size in points.
        #[must_use]
        pub fn extent(&self) -> Extent {
            self.extent
        }

        /// Pixels of its image; absent where the pipeline makes none.
        #[must_use]
        pub fn pixels(&self) -> Option<Size> {
            self.pixels
        }

        /// Its words in reading order.
        #[must_use]
        pub fn words(&self) -> Vec<Word> {
            self.words.clone()
        }

        /// Its labelled parts.
        #[must_use]
        pub fn regions(&self) -> Vec<Region> {
            self.regions.clone()
        }

        /// Words joined by blanks, lines by line feeds, blocks by empty lines.
        #[must_use]
        pub fn text(&self) -> String {
            let mut text = String::new();
            let mut before: Option<&Word> = None;
            for word in &self.words {
                text.push_str(match before {
                    None => "",
                    Some(it) if it.block != word.block => "\n\n",
                    Some(it) if it.line != word.line => "\n",
                    Some(_) => " ",
                });
                text.push_str(&word.text);
                before = Some(word);
            }
            text
        }

        /// Its image, encoded.
        ///
        /// # Errors
        /// Where it has none.
        pub fn image(&self, _format: &str) -> Result<Vec<u8>, String> {
            match self.pixels {
                Some(_) => Ok(self.image.clone()),
                None => Err("the page has no image".to_owned()),
            }
        }
    }
}

pub(crate) mod sink {
    use std::{cell::RefCell, collections::BTreeMap};

    use super::documents::Page;
    pub(crate) use crate::bindings::docgenie::plugin::sink::Refusal;

    thread_local! {
        pub(crate) static FILES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(crate) struct File {
        path: String,
    }

    impl File {
        pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Refusal> {
            FILES.with_borrow_mut(|files| {
                files
                    .entry(self.path.clone())
                    .or_default()
                    .extend_from_slice(bytes);
            });
            Ok(())
        }
    }

    pub(crate) fn create(path: &str) -> Result<File, Refusal> {
        let parts = || path.split('/');
        if parts().any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(Refusal::BadPath(path.to_owned()));
        }
        FILES.with_borrow_mut(|files| match files.insert(path.to_owned(), Vec::new()) {
            None => Ok(File {
                path: path.to_owned(),
            }),
            Some(_) => Err(Refusal::Exists(path.to_owned())),
        })
    }

    pub(crate) fn put(path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        create(path)?.write(bytes)
    }

    pub(crate) fn put_image(path: &str, page: &Page, format: &str) -> Result<(), Refusal> {
        put(path, &page.image(format).map_err(Refusal::Io)?)
    }
}

pub(crate) mod assets {
    /// Tests run in the plugin's folder.
    pub(crate) fn read(name: &str) -> Result<Vec<u8>, String> {
        std::fs::read(name).map_err(|error| error.to_string())
    }
}

pub(crate) mod log {
    pub(crate) use crate::bindings::docgenie::plugin::log::Level;

    thread_local! {
        pub(crate) static MESSAGES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    pub(crate) fn write(_level: Level, message: &str) {
        MESSAGES.with_borrow_mut(|messages| messages.push(message.to_owned()));
    }
}

pub(crate) mod random {
    use std::cell::Cell;

    thread_local! {
        pub(crate) static STATE: Cell<u32> = const { Cell::new(0) };
    }

    /// A Weyl sequence through a 32-bit mixer.
    pub(crate) fn next_u32() -> u32 {
        let state = STATE.get().wrapping_add(0x9e37_79b9);
        STATE.set(state);
        let mixed = (state ^ (state >> 16)).wrapping_mul(0x21f0_aaad);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x735a_2d97);
        mixed ^ (mixed >> 15)
    }

    pub(crate) fn unit() -> f64 {
        f64::from(next_u32()) / 4_294_967_296.0
    }
}
