//! The template set: languages, styles and document types, read and compiled once.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use docgenie_document::{Digest, Seed};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, syntax::SyntaxConfig};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    draw::{self, Draw},
    files::{File, Files, FilesError},
    functions,
    language::{Language, Texts},
    likeness,
    seeds::SeedPage,
    style::Styles,
};

/// Instructions a template may execute; a long statement takes a tenth of it.
const FUEL: u64 = 5_000_000;

/// A template set, ready to author.
pub(super) struct TemplateSet {
    files: Files,
    /// The digest of all files.
    pub digest: Digest,
    environment: Environment<'static>,
    /// Languages in order of code.
    pub languages: Vec<Arc<Language>>,
    /// Document types by identifier.
    pub types: BTreeMap<String, DocumentType>,
    /// Fonts, colours, papers.
    pub styles: Styles,
}

/// A document type.
#[derive(Debug)]
pub(super) struct DocumentType {
    /// What `type.toml` says.
    pub facts: TypeFacts,
    /// Names of its layout families.
    pub layouts: Vec<String>,
    /// Its texts by language code.
    pub texts: BTreeMap<String, Arc<Texts>>,
}

/// A document type's `type.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeFacts {
    /// What people call it, in any language.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Groups it belongs to, such as `business`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Papers to draw from; `standard` is the country's own.
    #[serde(default = "standard")]
    pub papers: Vec<String>,
}

fn standard() -> Vec<String> {
    vec!["standard".to_owned()]
}

/// A template set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetError {
    /// A folder or file cannot be read.
    #[error("cannot read the templates")]
    Files(#[source] FilesError),
    /// A data file is not what it should be.
    #[error("`{path}` is not a valid {what}")]
    Data {
        path: String,
        what: &'static str,
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A template does not compile.
    #[error("{}: the template does not compile", place(.path, .source))]
    Template {
        path: String,
        #[source]
        source: Error,
    },
    /// A file that every set has is not there.
    #[error("the template set has no `{0}`")]
    Missing(String),
}

/// What one document is made of.
pub(super) struct Recipe<'a> {
    /// Document type.
    pub doc_type: String,
    /// Language.
    pub language: Arc<Language>,
    /// Paper by name, or the country's own choice.
    pub paper: Option<String>,
    /// Layout family, or any.
    pub layout: Option<String>,
    /// A page to take after in paper, where none is named, and colours.
    pub after: Option<&'a SeedPage>,
    /// Everything else.
    pub seed: Seed,
}

/// A document that could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("{}: the template failed", .place)]
pub(super) struct AuthorError {
    place: String,
    #[source]
    source: Error,
}

fn place(path: &str, error: &Error) -> String {
    error
        .line()
        .map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"))
}

impl TemplateSet {
    /// The embedded set, with the files of a user's folder over it. By itself it is compiled once.
    ///
    /// # Errors
    /// When a file cannot be read, is not valid, or does not compile.
    pub(super) fn load(over: Option<&PathBuf>) -> Result<Arc<Self>, SetError> {
        static EMBEDDED: OnceLock<Arc<TemplateSet>> = OnceLock::new();
        let files = Files::embedded();
        if let Some(folder) = over {
            let files = files.overlaid(folder).map_err(SetError::Files)?;
            return Self::of(files).map(Arc::new);
        }
        if let Some(set) = EMBEDDED.get() {
            return Ok(set.clone());
        }
        let set = Arc::new(Self::of(files)?);
        Ok(EMBEDDED.get_or_init(|| set).clone())
    }

    fn of(files: Files) -> Result<Self, SetError> {
        let environment = compile(&files)?;
        let languages = files.below("languages").map(|(_, file)| {
            let language = Language::parse(&file.text);
            language
                .map(Arc::new)
                .map_err(|source| invalid(file, "language", source))
        });
        let languages = languages.collect::<Result<_, _>>()?;
        let types = types(&files)?;
        let styles = Styles {
            fonts: data(&files, "styles/fonts.toml", "list of fonts")?,
            palettes: data::<Palettes>(&files, "styles/palettes.toml", "list of colours")?.palette,
            papers: data(&files, "styles/papers.toml", "list of papers")?,
        };
        Ok(Self {
            digest: files.digest(),
            files,
            environment,
            languages,
            types,
            styles,
        })
    }

    /// The language people call so.
    pub(super) fn language(&self, name: &str) -> Option<&Arc<Language>> {
        self.languages
            .iter()
            .find(|language| language.is_called(name))
    }

    /// The HTML of a document, with its ground-truth script.
    ///
    /// # Errors
    /// When a template raises, uses what is not defined, or does not end.
    pub(super) fn author(&self, recipe: &Recipe<'_>) -> Result<String, AuthorError> {
        let unknown = |what: String| AuthorError {
            place: what,
            source: Error::new(
                minijinja::ErrorKind::TemplateNotFound,
                "not part of the template set",
            ),
        };
        let doc_type = &recipe.doc_type;
        let kind = self
            .types
            .get(doc_type)
            .ok_or_else(|| unknown(doc_type.clone()))?;
        let mut dice = super::dice::Dice::new(recipe.seed.derive("plan"));
        let texts = kind
            .texts
            .get(&recipe.language.code)
            .cloned()
            .unwrap_or_default();
        let draw = Arc::new(Draw::new(
            recipe.seed.derive("content"),
            Arc::clone(&recipe.language),
            texts,
        ));
        let layout = recipe.layout.as_ref().or_else(|| dice.pick(&kind.layouts));
        let layout = layout.ok_or_else(|| unknown(format!("{doc_type}/layouts")))?;
        let standard = draw.country().paper.as_str();
        let paper = match (&recipe.paper, recipe.after) {
            (Some(paper), _) => Some(paper.as_str()),
            (None, Some(page)) => self.nearest_paper(page, kind, standard),
            (None, None) => dice.pick(&kind.facts.papers).map(String::as_str),
        };
        let paper = paper
            .filter(|paper| *paper != "standard")
            .unwrap_or(standard);
        let script = &recipe.language.script;
        let style = self
            .styles
            .sample(recipe.seed.derive("style"), script, paper, recipe.after);
        let style = style.ok_or_else(|| unknown(format!("fonts of {script} or paper {paper}")))?;

        let mut context: BTreeMap<String, Value> = BTreeMap::new();
        context.extend(
            draw::functions(&draw)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        context.extend(draw::facts(&draw).map(|(name, value)| (name.to_owned(), value)));
        context.insert("style".to_owned(), style);
        context.insert("doc_type".to_owned(), doc_type.clone().into());
        context.insert("layout".to_owned(), layout.clone().into());
        let content = self.exports(&format!("types/{doc_type}/content.jinja"), &context)?;
        context.extend(content);
        let html = self.render(&format!("types/{doc_type}/layouts/{layout}.html"), &context)?;
        Ok(functions::with_ground_truth(
            html,
            doc_type,
            &draw,
            context.get("questions"),
        ))
    }

    /// The paper nearest to a page of those a type is drawn on. A type on the country's own paper may be
    /// on any sheet.
    fn nearest_paper<'a>(
        &'a self,
        page: &SeedPage,
        kind: &'a DocumentType,
        standard: &'a str,
    ) -> Option<&'a str> {
        let all = &self.styles.papers;
        let mut names = Vec::new();
        for name in &kind.facts.papers {
            if name == "standard" {
                names.push(standard);
                let sheets = all.iter().filter(|(_, paper)| paper.is_sheet());
                names.extend(sheets.map(|(name, _)| name.as_str()));
            } else {
                names.push(name);
            }
        }
        let papers = names
            .iter()
            .filter_map(|name| Some((*name, all.get(*name)?)));
        likeness::paper(page, &papers.collect::<Vec<_>>())
    }

    fn exports(
        &self,
        name: &str,
        context: &BTreeMap<String, Value>,
    ) -> Result<Vec<(String, Value)>, AuthorError> {
        let template = self
            .environment
            .get_template(name)
            .map_err(|error| self.failed(name, error))?;
        let rendered = template
            .render_captured(scope(context))
            .map_err(|error| self.failed(name, error))?;
        let state = rendered.state();
        let export = |name: &str| Some((name.to_owned(), state.lookup(name)?));
        Ok(state.exports().into_iter().filter_map(export).collect())
    }

    fn render(&self, name: &str, context: &BTreeMap<String, Value>) -> Result<String, AuthorError> {
        let template = self
            .environment
            .get_template(name)
            .map_err(|error| self.failed(name, error))?;
        template
            .render(scope(context))
            .map_err(|error| self.failed(name, error))
    }

    fn failed(&self, name: &str, source: Error) -> AuthorError {
        let name = source.name().unwrap_or(name).to_owned();
        let origin = self
            .files
            .get(&name)
            .map_or(name, |file| file.origin.clone());
        AuthorError {
            place: place(&origin, &source),
            source,
        }
    }
}

fn scope(context: &BTreeMap<String, Value>) -> Value {
    Value::from_pairs(
        context
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Palettes {
    palette: Vec<super::style::Palette>,
}

fn compile(files: &Files) -> Result<Environment<'static>, SetError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    // Only delimiters that clash make a syntax fail, and these are the usual ones.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    environment.set_syntax(syntax.unwrap_or_default());
    functions::register(&mut environment);
    for (path, file) in files.iter().filter(|(path, _)| !path.ends_with(".toml")) {
        environment
            .add_template_owned(path.to_owned(), file.text.to_string())
            .map_err(|source| SetError::Template {
                path: file.origin.clone(),
                source,
            })?;
    }
    Ok(environment)
}

fn types(files: &Files) -> Result<BTreeMap<String, DocumentType>, SetError> {
    let mut types = BTreeMap::new();
    for (path, file) in files.below("types") {
        let Some(id) = path.strip_suffix("/type.toml") else {
            continue;
        };
        let facts = parse(file, "document type")?;
        let layouts = files
            .below(&format!("types/{id}/layouts"))
            .filter_map(|(path, _)| path.strip_suffix(".html").map(str::to_owned))
            .collect();
        let folder = format!("types/{id}/texts");
        let texts = files.below(&folder).filter_map(|(path, file)| {
            let code = path.strip_suffix(".toml")?.to_owned();
            Some(parse(file, "list of texts").map(|texts| (code, Arc::new(texts))))
        });
        let texts = texts.collect::<Result<_, _>>()?;
        types.insert(
            id.to_owned(),
            DocumentType {
                facts,
                layouts,
                texts,
            },
        );
    }
    Ok(types)
}

fn data<T: DeserializeOwned>(files: &Files, path: &str, what: &'static str) -> Result<T, SetError> {
    let file = files
        .get(path)
        .ok_or_else(|| SetError::Missing(path.to_owned()))?;
    parse(file, what)
}

fn parse<T: DeserializeOwned>(file: &File, what: &'static str) -> Result<T, SetError> {
    toml::from_str(&file.text).map_err(|source| invalid(file, what, source))
}

fn invalid(file: &File, what: &'static str, source: toml::de::Error) -> SetError {
    SetError::Data {
        path: file.origin.clone(),
        what,
        source: Box::new(source),
    }
}
