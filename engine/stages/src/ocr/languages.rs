//! Languages by name, and the folder of their data.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    env, fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use docgenie_document::Digest;

use super::OcrError;

/// Data names of Tesseract with ISO 639-1 code and English name. Further languages go by the name
/// of their data alone.
const NAMES: &[(&str, &str, &str)] = &[
    ("ara", "ar", "arabic"),
    ("bul", "bg", "bulgarian"),
    ("ces", "cs", "czech"),
    ("chi_sim", "zh", "chinese"),
    ("chi_tra", "zh-hant", "traditional chinese"),
    ("dan", "da", "danish"),
    ("deu", "de", "german"),
    ("ell", "el", "greek"),
    ("eng", "en", "english"),
    ("est", "et", "estonian"),
    ("fin", "fi", "finnish"),
    ("fra", "fr", "french"),
    ("heb", "he", "hebrew"),
    ("hin", "hi", "hindi"),
    ("hrv", "hr", "croatian"),
    ("hun", "hu", "hungarian"),
    ("ind", "id", "indonesian"),
    ("ita", "it", "italian"),
    ("jpn", "ja", "japanese"),
    ("kor", "ko", "korean"),
    ("lav", "lv", "latvian"),
    ("lit", "lt", "lithuanian"),
    ("nld", "nl", "dutch"),
    ("nor", "no", "norwegian"),
    ("pol", "pl", "polish"),
    ("por", "pt", "portuguese"),
    ("ron", "ro", "romanian"),
    ("rus", "ru", "russian"),
    ("slk", "sk", "slovak"),
    ("slv", "sl", "slovenian"),
    ("spa", "es", "spanish"),
    ("swe", "sv", "swedish"),
    ("tha", "th", "thai"),
    ("tur", "tr", "turkish"),
    ("ukr", "uk", "ukrainian"),
    ("vie", "vi", "vietnamese"),
];

/// A language by the name of its data, such as `deu` or `chi_sim`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(Cow<'static, str>);

impl Language {
    /// English.
    pub const ENGLISH: Self = Self(Cow::Borrowed("eng"));

    /// The language of this English name, ISO code (with or without a region: `de`, `de-AT`), or
    /// name of data.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn named(name: &str) -> Result<Self, OcrError> {
        let folded = name.trim().to_lowercase();
        let find = |wanted: &str| {
            let found = NAMES
                .iter()
                .find(|(data, iso, english)| [*data, *iso, *english].contains(&wanted));
            found.map(|(data, ..)| Self(Cow::Borrowed(data)))
        };
        let primary = folded.split(['-', '_']).next().unwrap_or_default();
        let tag = find(&folded).or_else(|| (primary.len() == 2).then(|| find(primary)).flatten());
        // Data of other names: three letters, perhaps with a variant, as in `deu_latf`.
        let is_data =
            primary.len() == 3 && folded.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let data = is_data.then(|| Self(Cow::Owned(folded.clone())));
        tag.or(data)
            .ok_or_else(|| OcrError::UnknownLanguage(name.to_owned()))
    }

    /// The Debian package that holds its data.
    #[must_use]
    pub fn package(&self) -> String {
        format!("tesseract-ocr-{}", self.0.replace('_', "-"))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder of Tesseract's data and the languages in it.
#[derive(Clone, Debug)]
pub struct Tessdata {
    folder: PathBuf,
    installed: Vec<Language>,
    /// Digests of the data that was asked for: reading it takes milliseconds.
    digests: Arc<Mutex<BTreeMap<Language, Digest>>>,
}

const FOLDERS: &[&str] = &[
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
];
const EXTENSION: &str = "traineddata";
/// Data for orientation and for equations, which are no languages.
const NO_LANGUAGES: &[&str] = &["osd", "equ"];

impl Tessdata {
    /// The data of `TESSDATA_PREFIX` where it is set, else of the usual places.
    ///
    /// # Errors
    /// When none of them holds data.
    pub fn find() -> Result<Self, OcrError> {
        let folders = match env::var_os("TESSDATA_PREFIX") {
            Some(prefix) => vec![PathBuf::from(&prefix).join("tessdata"), prefix.into()],
            None => FOLDERS.iter().map(PathBuf::from).collect(),
        };
        Self::in_one_of(folders)
    }

    pub(super) fn in_one_of(folders: Vec<PathBuf>) -> Result<Self, OcrError> {
        let found = folders.iter().find_map(|folder| {
            let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
            let data = files.map(|file| file.path()).filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == EXTENSION)
            });
            let names = data.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
            let mut installed: Vec<_> = names
                .filter(|name| !NO_LANGUAGES.contains(&name.as_str()))
                .map(|name| Language(Cow::Owned(name)))
                .collect();
            installed.sort();
            let folder = folder.clone();
            (!installed.is_empty()).then(|| Self {
                folder,
                installed,
                digests: Arc::default(),
            })
        });
        found.ok_or(OcrError::NoData { searched: folders })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// The languages in it, in order of name.
    #[must_use]
    pub fn installed(&self) -> &[Language] {
        &self.installed
    }

    /// Fails where the data of a language is not installed.
    pub(super) fn require(&self, language: &Language) -> Result<(), OcrError> {
        match self.installed.contains(language) {
            true => Ok(()),
            false => Err(OcrError::MissingLanguage(language.clone())),
        }
    }

    /// Which data these languages have, such as ` deu:1f0c5e5a9b3d eng:…`.
    pub(super) fn versions<'a>(
        &self,
        languages: impl IntoIterator<Item = &'a Language>,
    ) -> Result<String, OcrError> {
        let versions = languages.into_iter().map(|language| {
            let digest = self.digest(language)?;
            Ok(format!(" {language}:{}", &digest.to_string()[..12]))
        });
        versions.collect()
    }

    fn digest(&self, language: &Language) -> Result<Digest, OcrError> {
        self.require(language)?;
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = digests.get(language) {
            return Ok(*digest);
        }
        let path = self.folder.join(format!("{language}.{EXTENSION}"));
        let data = fs::read(path).map_err(|source| OcrError::UnreadableData {
            language: language.clone(),
            source,
        })?;
        let digest = Digest::of(&data);
        digests.insert(language.clone(), digest);
        Ok(digest)
    }
}
