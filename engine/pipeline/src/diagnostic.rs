//! What is wrong with a pipeline file, and the one place that prints it.

use std::{fmt, sync::Arc};

use annotate_snippets::{AnnotationKind, Element, Group, Origin, Renderer, Snippet};
use docgenie_document::Code;
use serde::{Serialize, Serializer};

use crate::source::{Source, Span};

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The pipeline cannot run.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// A piece of the file's text and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The piece.
    pub span: Span,
    /// What is said; may be empty.
    pub text: String,
}

/// One fault: what, where and how to cure it.
///
/// It prints by [`render`](Self::render) and serialises to an object with `code`, `level`,
/// `message`, `path`, then `line`, `column`, `end_line`, `end_column` and `label` or `argument`, and
/// `related` (further places of the file), `notes` and `hint`.
#[derive(Clone)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// Error or warning.
    pub level: Level,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The argument at fault, such as `--set count=0`, where it is not the file itself.
    pub argument: Option<String>,
    /// The places in the file. The first is where the fault is, unless an argument is at fault.
    pub labels: Vec<Label>,
    /// Facts that help to understand.
    pub notes: Vec<String>,
    /// The cure.
    pub hint: Option<String>,
    source: Arc<Source>,
}

impl Diagnostic {
    /// An error at this place, moved to whole characters of the text so that it can be underlined.
    pub(crate) fn new(
        source: &Arc<Source>,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        let text = source.text();
        let start = text.floor_char_boundary(span.start);
        let span = start..text.ceil_char_boundary(span.end).max(start);
        Self {
            code,
            level: Level::Error,
            message: message.into(),
            argument: None,
            labels: vec![Label {
                span,
                text: String::new(),
            }],
            notes: Vec::new(),
            hint: None,
            source: Arc::clone(source),
        }
    }

    /// As people read it, underlining the source, with or without colour. Ends with a newline.
    #[must_use]
    pub fn render(&self, coloured: bool) -> String {
        let level = match self.level {
            Level::Error => annotate_snippets::Level::ERROR,
            Level::Warning => annotate_snippets::Level::WARNING,
        };
        let note = |text| Element::from(annotate_snippets::Level::NOTE.message(text));
        let hint = |text| {
            annotate_snippets::Level::HELP
                .with_name("hint")
                .message(text)
                .into()
        };
        let argument = self.argument.as_deref().map(Origin::path);
        let report = [
            Group::with_title(level.primary_title(&self.message).id(self.code.as_str()))
                .elements(argument)
                .elements(self.snippet())
                .elements(self.notes.iter().map(note))
                .elements(self.hint.as_deref().map(hint) as Option<Element<'_>>),
        ];
        let renderer = if coloured {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&report) + "\n"
    }

    /// `path:line:column` of the fault, unless an argument is at fault.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let place = self.place()?;
        Some(self.source.location(place.span.start))
    }

    fn place(&self) -> Option<&Label> {
        self.labels.first().filter(|_| self.argument.is_none())
    }

    fn snippet(&self) -> Option<Element<'_>> {
        let annotations = self.labels.iter().enumerate().map(|(index, label)| {
            let main = index == 0 && self.argument.is_none();
            let kind = if main {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
            kind.span(label.span.clone()).label(text)
        });
        (!self.labels.is_empty()).then(|| {
            Snippet::source(self.source.text())
                .path(self.source.path())
                .annotations(annotations)
                .into()
        })
    }

    /// With something said about the place of the fault.
    pub(crate) fn label(&mut self, text: impl Into<String>) -> &mut Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// With a further place of the file.
    pub(crate) fn related(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        self.labels.push(Label { span, text });
        self
    }

    /// With a fact.
    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(note.into());
        self
    }

    /// With the cure, where one is known.
    pub(crate) fn hint(&mut self, hint: impl Into<Option<String>>) -> &mut Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// A diagnostic as JSON has it.
#[derive(Serialize)]
struct Wire<'a> {
    code: &'static str,
    level: Level,
    message: &'a str,
    path: &'a str,
    #[serde(flatten)]
    place: Option<WirePlace<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<&'a str>,
    related: Vec<WirePlace<'a>>,
    notes: &'a [String],
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct WirePlace<'a> {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    label: &'a str,
}

impl<'a> WirePlace<'a> {
    fn new(label: &'a Label, source: &Source) -> Self {
        let start = source.position(label.span.start);
        let end = source.position(label.span.end);
        Self {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            label: &label.text,
        }
    }
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire_place = |label| WirePlace::new(label, &self.source);
        let place = self.place();
        let related = self.labels.iter().skip(usize::from(place.is_some()));
        let wire = Wire {
            code: self.code.as_str(),
            level: self.level,
            message: &self.message,
            path: self.source.path(),
            place: place.map(wire_place),
            argument: self.argument.as_deref(),
            related: related.map(wire_place).collect(),
            notes: &self.notes,
            hint: self.hint.as_deref(),
        };
        wire.serialize(serializer)
    }
}

/// The diagnostics of one file as they are found.
pub(crate) struct Report {
    source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
        }
    }

    /// A fault at this place.
    pub(crate) fn error(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.push(Diagnostic::new(&self.source, code, span, message))
    }

    /// A warning about this place.
    pub(crate) fn warning(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = self.error(code, span, message);
        diagnostic.level = Level::Warning;
        diagnostic
    }

    /// A fault of an argument rather than of the file.
    pub(crate) fn argument_error(
        &mut self,
        code: Code,
        argument: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let mut diagnostic = Diagnostic::new(&self.source, code, 0..0, message);
        diagnostic.labels.clear();
        diagnostic.argument = Some(argument.to_owned());
        self.push(diagnostic)
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.diagnostics
            .iter()
            .filter(|found| found.level == Level::Error)
            .count()
    }

    /// All that was found, in order.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        in_order(self.diagnostics)
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        self.diagnostics.push_mut(diagnostic)
    }
}

/// Arguments first, then in order of place.
#[must_use]
pub fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|found| found.place().map(|label| label.span.start));
    diagnostics
}
