//! What is generated from a catalogue: the JSON Schema and the reference page.

use docgenie_pipeline::{reference, schema};
use serde_json::{Value, json};

use crate::catalogue::catalogue;

#[test]
fn the_schema_refers_only_to_what_it_defines() {
    fn check(node: &Value, root: &Value) {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(root.pointer(pointer).is_some(), "{reference}");
        }
        match node {
            Value::Array(items) => items.iter().for_each(|item| check(item, root)),
            Value::Object(members) => members.values().for_each(|member| check(member, root)),
            _ => {}
        }
    }
    let schema = schema(&catalogue());
    check(&schema, &schema);
}

#[test]
fn the_schema_knows_stages_and_options() {
    let schema = schema(&catalogue());
    let check = |pointer: &str, expected: Value| {
        assert_eq!(schema.pointer(pointer), Some(&expected), "{pointer}");
    };
    check(
        "/$defs/stage/properties/uses/anyOf/0/enum/1",
        json!("author"),
    );
    check("/$defs/stage/allOf/1/then/required", json!(["with"]));
    check("/$defs/options-author/additionalProperties", json!(false));
    check(
        "/$defs/options-author/properties/doc_type/type",
        json!("string"),
    );
    check(
        "/$defs/options-raster/properties/dpi",
        json!({
            "description": "Pixels per inch.",
            "default": 150,
            "anyOf": [
                { "type": "integer", "format": "uint16", "minimum": 36, "maximum": 600 },
                { "$ref": "#/$defs/template" },
            ],
        }),
    );
}

#[test]
fn the_reference_page_lists_options_and_slots() {
    let page = reference(&catalogue());
    let check = |line: &str| assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    check("### `raster`");
    check("- Reads: `pdf`");
    check("- Reads if present: `words`");
    check("| `dpi` | integer 36 to 600 | `150` | Pixels per inch. |");
    check("| `pages` | array of integer from 0 | `[]` | Pages to draw, by number. |");
    check("| `doc_type` | string | required | What kind of document to write. |");
    check(
        "| `provider` | `\"template\"` or `\"model\"` | `\"template\"` | Who writes the documents. |",
    );
    check("| `templates` | string |  | Folder with templates of your own. |");
    check("| `light.kind` | `\"even\"` or `\"gradient\"` | required |  |");
    check("| `light.angle` | number | required | Degrees, clockwise. |");
    check("No options.");
}
