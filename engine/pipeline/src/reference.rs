//! The reference page of pipeline files.

use std::fmt::Write;

use docgenie_document::Slot;
use serde_json::Value;

use crate::{
    catalogue::{Catalogue, Scope, StageSpec},
    options,
    shape::{self, Shape, alternatives, listed, types},
};

const GRAMMAR: &str = r#"# Pipeline files

A pipeline is a TOML file: a name, parameters that its user may set, and stages that run in the
order of the file. This page is generated from the engine: `docgenie-engine stages` prints the same.

```toml
name = "invoices"
description = "Synthetic invoices with boxes"

[params]
count = { type = "integer", default = 3, min = 1, description = "How many documents" }
scan = { type = "boolean", default = true }

[[stage]]
uses = "author"
with = { doc_type = "invoice", count = "{{ params.count }}" }

[[stage]]
uses = "render"

[[stage]]
uses = "raster"
with = { dpi = 150 }

[[stage]]
uses = "scan"
when = "params.scan"
```

## Grammar

| key | type | meaning |
|---|---|---|
| `name` | string | The pipeline's name. Required. |
| `description` | string | What it is for. |
| `params` | table | Parameters by name; names have letters, digits and `_`. |
| `stage` | array of tables | The stages, each opened by `[[stage]]`. At least one. |

Any other key is an error, and so is any key below that a table does not list.

### Parameters

| key | type | meaning |
|---|---|---|
| `type` | `string`, `integer`, `number`, `boolean` or `strings` | The type of its value; `strings` is an array of strings. Required. |
| `default` | that type | Its value unless set. A parameter without one must be set. |
| `min`, `max` | number | The range of an integer or number, both ends included. |
| `one_of` | array | All values there are. |
| `description` | string | What it is for. |

A user sets parameters by `--set name=value`; the text is read by the declared type, and an array is
written with commas: `--set languages=eng,deu`.

### Stages

| key | type | meaning |
|---|---|---|
| `uses` | string | The stage: a name from this page, or `plugin:ID` or `plugin:ID/OFFER`. Required. |
| `id` | string | Its name in this pipeline. Without it, that of the stage, numbered if taken: `raster`, `raster-2`. |
| `with` | table | Its options. |
| `when` | string or boolean | A condition; the stage is left out where it is false. |
| `after` | array of strings | Ids of stages it has to wait for, beside those whose slots it shares. |

### Expressions

`when` is an expression over `params`: `params.scan`, `params.n > 3 and not params.draft`. Its value
must be true or false. In `with`, a string may hold expressions in double braces. One that stands
alone keeps its type, so `count = "{{ params.count }}"` is an integer; inside other text it becomes
text: `"{{ params.name }}.pdf"`. The language is that of Jinja.

### Order

A document has typed slots, which stages read and write. A stage may only read what an earlier one
writes. Stages that share no slots may run at the same time. Document stages work on one document at
a time; dataset stages see all documents in order and come after all document stages, wherever they
stand in the file. Exactly one stage starts documents.

## Stages
"#;

/// The reference page as Markdown: the grammar, then every stage of the catalogue with its options
/// and slots.
#[must_use]
pub fn reference(catalogue: &Catalogue) -> String {
    let mut page = GRAMMAR.to_owned();
    page.push_str("\n| stage | what it does |\n|---|---|\n");
    for StageSpec { name, summary, .. } in catalogue.iter() {
        let anchor: String = name
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == '-')
            .collect();
        let _ = writeln!(page, "| [`{name}`](#{anchor}) | {summary} |");
    }
    for spec in catalogue.iter() {
        page.push_str(&stage_reference(spec));
    }
    page
}

/// What the reference page says of one stage, as Markdown.
#[must_use]
pub fn stage_reference(spec: &StageSpec) -> String {
    let mut text = format!(
        "\n### `{}`\n\n{}.",
        spec.name,
        spec.summary.trim_end_matches('.')
    );
    let scope = match spec.scope {
        Scope::Document if spec.starts_documents => "Document stage; starts documents.",
        Scope::Document => "Document stage.",
        Scope::Dataset => "Dataset stage.",
        Scope::Delivery => "Works on the published dataset.",
    };
    let _ = writeln!(text, " {scope}");
    let (defaults, _) = options::check(&spec.name, &spec.options, None, 0..0);
    let slots = (spec.slots)(&defaults);
    let named = |slots: &[Slot]| {
        let names: Vec<_> = slots.iter().map(|slot| format!("`{slot}`")).collect();
        names.join(", ")
    };
    text.push('\n');
    for (title, slots) in [
        ("Reads", &slots.reads),
        ("Reads if present", &slots.reads_if_present),
        ("Writes", &slots.writes),
    ] {
        if !slots.is_empty() {
            let _ = writeln!(text, "- {title}: {}", named(slots));
        }
    }
    let mut rows = Vec::new();
    collect(&spec.options, &spec.options, "", &mut rows);
    if rows.is_empty() {
        text.push_str("\nNo options.\n");
    } else {
        text.push_str("\n| option | type | default | meaning |\n|---|---|---|---|\n");
        for Row {
            path,
            kinds,
            default,
            meaning,
        } in rows
        {
            let kinds = kinds.join(" or ");
            let _ = writeln!(text, "| `{path}` | {kinds} | {default} | {meaning} |");
        }
    }
    let _ = writeln!(text, "\n{}", spec.documentation.trim());
    text
}

/// A line of the table of options.
struct Row {
    path: String,
    kinds: Vec<String>,
    default: String,
    meaning: String,
}

/// Collects the options of a table, and of the tables in it, below `prefix`.
fn collect(root: &Value, schema: &Value, prefix: &str, rows: &mut Vec<Row>) {
    for table in alternatives(root, schema) {
        let Some(Value::Object(properties)) = table.get("properties") else {
            continue;
        };
        for (name, schema) in properties {
            let path = format!("{prefix}{name}");
            let kinds = kinds(root, schema);
            if let Some(row) = rows.iter_mut().find(|row| row.path == path) {
                let new = kinds.into_iter().filter(|kind| !row.kinds.contains(kind));
                row.kinds.extend(new.collect::<Vec<_>>());
                continue;
            }
            rows.push(Row {
                kinds,
                default: default(root, schema, shape::requires(&table, name)),
                meaning: meaning(root, schema),
                path: path.clone(),
            });
            collect(root, schema, &format!("{path}."), rows);
        }
    }
}

/// What values of a schema are, for the table's column.
fn kinds(root: &Value, schema: &Value) -> Vec<String> {
    let mut kinds = Vec::new();
    for schema in alternatives(root, schema) {
        let found = match listed(&schema) {
            Some(values) => values
                .into_iter()
                .map(|value| format!("`{value}`"))
                .collect(),
            None => typed(root, &schema),
        };
        let new = found.into_iter().filter(|kind| !kinds.contains(kind));
        kinds.extend(new.collect::<Vec<_>>());
    }
    kinds
}

fn typed(root: &Value, schema: &Shape) -> Vec<String> {
    let range = range(schema);
    let kind = |name: &str| match name {
        "null" => None,
        "object" => Some("table".to_owned()),
        "array" => {
            let items = schema
                .get("items")
                .map(|items| kinds(root, items).join(" or "));
            let items = items.filter(|items| !items.is_empty());
            Some(items.map_or_else(|| "array".to_owned(), |items| format!("array of {items}")))
        }
        "integer" | "number" => Some(format!("{name}{range}")),
        other => Some(other.to_owned()),
    };
    types(schema).into_iter().filter_map(kind).collect()
}

fn range(schema: &Shape) -> String {
    let bound = |key: &str| schema.get(key).and_then(Value::as_number);
    match (bound("minimum"), bound("maximum")) {
        (Some(min), Some(max)) => format!(" {min} to {max}"),
        (Some(min), None) => format!(" from {min}"),
        (None, Some(max)) => format!(" up to {max}"),
        (None, None) => String::new(),
    }
}

fn default(root: &Value, schema: &Value, is_required: bool) -> String {
    match shape::default(root, schema) {
        Some(Value::Null) => String::new(),
        Some(value) => format!("`{value}`"),
        None if is_required => "required".to_owned(),
        None => String::new(),
    }
}

fn meaning(root: &Value, schema: &Value) -> String {
    let own = schema
        .get("description")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let text = own.or_else(|| match &alternatives(root, schema)[..] {
        [only] => only
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned),
        _ => None,
    });
    let lines = text.unwrap_or_default();
    lines
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
