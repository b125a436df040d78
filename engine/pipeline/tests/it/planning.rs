//! Good files: what is planned from them.

use docgenie_document::Slot;
use docgenie_pipeline::{Pipeline, Plan};
use serde_json::{Value, json};

use crate::catalogue::{catalogue, planned};

const FILE: &str = r#"
name = "invoices"
description = "With scans"

[params]
count = { type = "integer", default = 3, min = 1 }
scan = { type = "boolean", default = true }
languages = { type = "strings", default = ["eng"] }
kind = { type = "string", default = "invoice" }
wear = { type = "number", default = 0, max = 1 }

[[stage]]
uses = "author"
with = { doc_type = "{{ params.kind }}", language = "{{ params.kind }}-ish", count = "{{ params.count }}" }

[[stage]]
uses = "package"

[[stage]]
uses = "render"

[[stage]]
uses = "raster"

[[stage]]
uses = "scan"
when = "params.scan and params.count > 0"
with = { wear = "{{ params.wear }}" }

[[stage]]
id = "read"
uses = "ocr"
with = { languages = "{{ params.languages }}" }

[[stage]]
uses = "raster"
after = ["read"]
with = { dpi = 300 }
"#;

fn plan(set: &[(&str, &str)]) -> Plan {
    let set: Vec<_> = set
        .iter()
        .map(|(name, text)| ((*name).into(), (*text).into()))
        .collect();
    let (plan, diagnostics) = planned("p.toml", FILE, &set);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    plan.unwrap()
}

fn options(plan: &Plan, id: &str) -> Value {
    let stage = plan.stages.iter().find(|stage| stage.id == id);
    Value::Object((*stage.unwrap().options).clone())
}

#[test]
fn every_option_is_written_out() {
    let plan = plan(&[]);
    let check = |id: &str, expected: Value| assert_eq!(options(&plan, id), expected, "{id}");
    check(
        "author",
        json!({
            "provider": "template", "doc_type": "invoice", "language": "invoice-ish", "count": 3,
            "templates": null, "ground_truth": [],
        }),
    );
    check("raster", json!({ "dpi": 150, "pages": [] }));
    check("raster-2", json!({ "dpi": 300, "pages": [] }));
    check(
        "read",
        json!({ "languages": ["eng"], "confidence": "auto" }),
    );
    check(
        "scan",
        json!({
            "wear": 0.0, "light": { "kind": "even" }, "stains": {}, "offset": null,
            "lamp": null, "colour": false,
        }),
    );
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let planned = |with: &str| {
        let file = format!(
            "name = 'a'\n[[stage]]\nuses = 'author'\nwith = {{ doc_type = 'a' }}\n\
             [[stage]]\nuses = 'render'\n[[stage]]\nuses = 'raster'\n\
             [[stage]]\nuses = 'scan'\nwith = {{ {with} }}"
        );
        let plan = planned("p.toml", &file, &[]).0.unwrap();
        options(&plan, "scan").to_string()
    };
    assert_eq!(
        planned("colour = true, wear = 1, stains = { b = 1, a = 2 }"),
        planned("stains = { a = 2.0, b = 1.0 }, wear = 1.0, colour = true"),
    );
}

#[test]
fn stages_are_in_order_of_scope_then_file() {
    let plan = plan(&[]);
    let ids: Vec<_> = plan.stages.iter().map(|stage| stage.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "author", "render", "raster", "scan", "read", "raster-2", "package"
        ]
    );
    let after: Vec<_> = plan
        .stages
        .iter()
        .map(|stage| stage.after.as_slice())
        .collect();
    // The second raster overwrites what `scan` wrote and `read` reads; `package` reads the PDF,
    // and the page images as the second raster left them.
    assert_eq!(
        after,
        [&[][..], &[0], &[1], &[2], &[3], &[1, 3, 4], &[1, 3, 5]]
    );
    assert_eq!(plan.stages[0].location, "p.toml:12:1");
    assert_eq!(plan.params["wear"], json!(0.0));
}

#[test]
fn optional_slots_are_those_that_are_written() {
    let optional = |plan: &Plan| plan.stages.last().unwrap().slots.reads_if_present.clone();
    // Only `scan` writes words.
    assert_eq!(optional(&plan(&[])), [Slot::PageImages, Slot::Words]);
    assert_eq!(optional(&plan(&[("scan", "false")])), [Slot::PageImages]);
}

#[test]
fn plugins_are_found_wherever_they_are_named() {
    let plan = plan(&[
        ("kind", "plugin:seal/round"),
        ("languages", "eng,plugin:kie"),
        ("scan", "false"),
    ]);
    let named: Vec<_> = plan.plugins.iter().map(|it| it.plugin.as_str()).collect();
    assert_eq!(named, ["seal", "seal", "kie"]);
    let places: Vec<_> = plan
        .plugins
        .iter()
        .map(|it| &FILE[it.span.clone()])
        .collect();
    assert_eq!(
        places,
        [
            "\"{{ params.kind }}\"",
            "\"{{ params.kind }}-ish\"",
            "\"{{ params.languages }}\""
        ]
    );
    assert!(self::plan(&[]).plugins.is_empty());
}

#[test]
fn arguments_set_parameters() {
    let plan = plan(&[
        ("count", "7"),
        ("count", "8"),
        ("scan", "false"),
        ("languages", "deu,fra"),
        ("kind", "{{ params.count }}"),
    ]);
    assert_eq!(options(&plan, "author")["count"], 8);
    assert_eq!(options(&plan, "author")["doc_type"], "{{ params.count }}");
    assert_eq!(options(&plan, "read")["languages"], json!(["deu", "fra"]));
    assert!(plan.stages.iter().all(|stage| stage.id != "scan"));
}

#[test]
fn json_sets_parameters_too() {
    let (pipeline, _) = Pipeline::parse("p.toml", FILE, &catalogue());
    let pipeline = pipeline.unwrap();
    let check = |params: Value, expected: &[&str]| {
        let (plan, diagnostics) = pipeline.plan_json(params.as_object().unwrap());
        let codes: Vec<_> = diagnostics
            .iter()
            .map(|found| found.code.as_str())
            .collect();
        assert_eq!(codes, expected, "{params}");
        assert_eq!(plan.is_some(), expected.is_empty());
    };
    check(
        json!({ "count": 5, "scan": false, "wear": 1, "languages": [] }),
        &["DG0014"],
    );
    check(
        json!({ "count": 5, "scan": false, "wear": 1, "languages": ["deu"] }),
        &[],
    );
    check(json!({ "count": "5" }), &["DG0022"]);
    check(json!({ "wear": 2, "cuont": 1 }), &["DG0021", "DG0023"]);
}

#[test]
fn a_plan_holds_nothing_of_the_plan_before() {
    let (pipeline, _) = Pipeline::parse("p.toml", FILE, &catalogue());
    let pipeline = pipeline.unwrap();
    for set in [
        &[][..],
        &[("count", "7")],
        &[],
        &[("scan", "false"), ("kind", "memo")],
        &[("wear", "2")],
        &[("wear", "1"), ("languages", "deu")],
        &[("wear", "1"), ("languages", "deu")],
        &[("nonsense", "1")],
        &[],
    ] {
        let owned = set
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into()));
        let owned: Vec<_> = owned.collect();
        let (again, found) = pipeline.plan(&owned);
        let (anew, expected) = planned("p.toml", FILE, &owned);
        assert_eq!(format!("{again:?}"), format!("{anew:?}"), "{set:?}");
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{set:?}");
    }
}

#[test]
fn a_plan_is_drawn() {
    let (plan, _) = planned(
        "p.toml",
        "name = 'a'\n[[stage]]\nid = 'write'\nuses = 'author'\nwith = { doc_type = 'a' }\n\
         [[stage]]\nuses = 'render'\n[[stage]]\nuses = 'boxes'\n\
         [[stage]]\nuses = 'raster'\nafter = ['boxes']\n[[stage]]\nuses = 'package'",
        &[],
    );
    let plan = plan.unwrap();
    assert_eq!(
        docgenie_pipeline::graph::mermaid(&plan),
        "\
flowchart TD
    s0[\"write (author)\"]
    s1[\"render\"]
    s2[\"boxes\"]
    s3[\"raster\"]
    s4[(\"package\")]
    s0 -->|html| s1
    s0 -->|ground-truth| s2
    s1 -->|pdf| s2
    s1 -->|pdf| s3
    s1 -->|pdf| s4
    s2 -.-> s3
    s2 -->|words| s4
    s3 -->|page-images| s4
"
    );
    let dot = docgenie_pipeline::graph::dot(&plan);
    assert!(dot.contains("s0 -> s1 [label=\"html\"];"), "{dot}");
    assert!(dot.contains("s2 -> s3 [style=dashed];"), "{dot}");
    assert!(
        dot.contains("s4 [label=\"package\", shape=cylinder];"),
        "{dot}"
    );
}

#[test]
fn long_files_are_planned_at_once() {
    let stages = "[[stage]]\nuses = 'raster'\n".repeat(3000);
    let file = format!(
        "name = 'a'\n[[stage]]\nuses = 'author'\nwith = {{ doc_type = 'a' }}\n\
         [[stage]]\nuses = 'render'\n{stages}"
    );
    let begun = std::time::Instant::now();
    let plan = planned("p.toml", &file, &[]).0.unwrap();
    assert_eq!(plan.stages.last().unwrap().id, "raster-3000");
    // It takes a tenth of a second; in the cube of the number of stages it took ten.
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn stages_that_are_asked_for_come_behind_those_of_the_file() {
    let file = |more: &str| {
        format!(
            "name = 'a'\n[[stage]]\nuses = 'author'\n\
             with = {{ doc_type = 'a', ground_truth = ['plugin:kie'] }}\n\
             [[stage]]\nuses = 'render'\n[[stage]]\nuses = 'boxes'\n{more}\
             [[stage]]\nuses = 'raster'\n[[stage]]\nuses = 'package'"
        )
    };
    let check = |text: String, expected: &[&str]| {
        let (plan, diagnostics) = planned("p.toml", &text, &[]);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let plan = plan.unwrap();
        let ids: Vec<_> = plan.stages.iter().map(|stage| stage.id.as_str()).collect();
        assert_eq!(ids, expected);
    };
    check(
        file(""),
        &[
            "author",
            "render",
            "boxes",
            "raster",
            "plugin:kie",
            "package",
        ],
    );
    // Where the file has the stage itself, it stays where it is.
    let own = "[[stage]]\nid = 'kie'\nuses = 'plugin:kie'\n";
    check(
        file(own),
        &["author", "render", "boxes", "kie", "raster", "package"],
    );
}

#[test]
fn one_option_decides_which_others_there_are() {
    let (plan, diagnostics) = planned(
        "p.toml",
        "name = 'a'\n[[stage]]\nuses = 'author'\nwith = { doc_type = 'a' }\n\
         [[stage]]\nuses = 'render'\n[[stage]]\nuses = 'boxes'\n\
         [[stage]]\nuses = 'place'\nwith = { element = 'plugin:stamp' }",
        &[],
    );
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let expected = json!({ "element": "plugin:stamp", "colour": "red" });
    assert_eq!(options(&plan.unwrap(), "place"), expected);
}
