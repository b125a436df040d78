//! Tables read by the grammar of pipeline files.

use docgenie_document::Code;

use crate::{
    diagnostic::Report,
    node::{Entry, Kind, Node, Table},
    source::Span,
    wording::{did_you_mean, meant},
};

/// A key that the grammar of pipeline files does not have.
pub(crate) const UNKNOWN_KEY: Code = Code::new("DG0003");
/// A key that must be there and is not.
pub(crate) const MISSING_KEY: Code = Code::new("DG0004");
/// A key of the grammar with a value of the wrong type.
pub(crate) const WRONG_TYPE: Code = Code::new("DG0005");

/// A key of the grammar.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What its value is, with its article.
    pub(crate) expected: &'static str,
    /// How it may be written.
    pub(crate) example: &'static str,
}

/// Pipelines and parameters both have one.
pub(crate) const DESCRIPTION: Key = Key {
    name: "description",
    expected: "a string",
    example: "description = \"Invoices with scans\"",
};
/// The entries of a table that the grammar knows. Unknown keys are reported; one that is only
/// misspelt is then read as what it means, so that no second fault follows from it.
pub(crate) struct Fields<'a> {
    owner: &'static str,
    entries: Vec<(&'static str, &'a Entry)>,
}

impl<'a> Fields<'a> {
    /// Reads `table`, which belongs to `owner` ("the pipeline", "a stage"). `advice` may know
    /// better than the spelling what an unknown key is about.
    pub(crate) fn read(
        table: &'a Table,
        owner: &'static str,
        keys: &[Key],
        advice: impl Fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> Self {
        let names = || keys.iter().map(|key| key.name);
        let mut entries = Vec::new();
        for entry in &table.0 {
            let key = entry.key.as_str();
            if let Some(name) = names().find(|name| *name == key) {
                entries.push((name, entry));
                continue;
            }
            let advice = advice(key);
            if advice.is_none()
                && let Some(intended) = meant(key, names())
                && table.get(intended).is_none()
            {
                entries.push((intended, entry));
            }
            let span = entry.key_span.clone();
            let others = format!("the keys of {owner}");
            report
                .error(UNKNOWN_KEY, span, format!("{owner} has no key `{key}`"))
                .hint(advice.or_else(|| did_you_mean(key, names(), &others)));
        }
        Self { owner, entries }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&'a Entry> {
        let found = self.entries.iter().find(|(name, _)| *name == key.name);
        found.map(|(_, entry)| *entry)
    }

    /// The string of this key.
    pub(crate) fn string(&self, key: Key, report: &mut Report) -> Option<(&'a str, Span)> {
        let node = &self.get(key)?.value;
        let Some(text) = node.as_str() else {
            self.wrong_type(key, node, report);
            return None;
        };
        Some((text, node.span.clone()))
    }

    /// The string of a key that must be there; `place` is where it is missed.
    pub(crate) fn required_string(
        &self,
        key: Key,
        place: Span,
        report: &mut Report,
    ) -> Option<(&'a str, Span)> {
        if self.get(key).is_none() {
            report
                .error(
                    MISSING_KEY,
                    place,
                    format!("{} has no `{}`", self.owner, key.name),
                )
                .hint(format!("add one, such as `{}`", key.example));
        }
        self.string(key, report)
    }

    /// The table of this key.
    pub(crate) fn table(&self, key: Key, report: &mut Report) -> Option<&'a Table> {
        let node = &self.get(key)?.value;
        let Kind::Table(table) = &node.kind else {
            self.wrong_type(key, node, report);
            return None;
        };
        Some(table)
    }

    /// The items of the array of this key, which may be empty.
    pub(crate) fn array(&self, key: Key, report: &mut Report) -> Option<&'a [Node]> {
        let node = &self.get(key)?.value;
        let Kind::Array(items) = &node.kind else {
            self.wrong_type(key, node, report);
            return None;
        };
        Some(items)
    }

    /// Reports a value, or an item of it, of another type than the grammar expects.
    pub(crate) fn wrong_type(&self, key: Key, node: &Node, report: &mut Report) {
        let Key {
            name,
            expected,
            example,
        } = key;
        let message = format!("`{name}` of {} must be {expected}", self.owner);
        report
            .error(WRONG_TYPE, node.span.clone(), message)
            .label(format!("this is {}", node.type_name()))
            .hint(format!("write it as in `{example}`"));
    }
}
