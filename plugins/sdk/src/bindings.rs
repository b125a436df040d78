//! Generated from `wit/plugin.wit`, a copy of the repository's `wit/v0.1` that goes wherever the crate goes.
//! The three worlds share the types and imports of the first.

#![allow(
    missing_docs,
    unsafe_code,
    unused_qualifications,
    unreachable_pub,
    clippy::all
)]
#![doc(hidden)]

wit_bindgen::generate!({
    path: "wit",
    world: "dataset-exporter",
    additional_derives: [PartialEq],
    generate_unused_types: true,
    pub_export_macro: true,
    export_macro_name: "export_exporter",
});

pub mod visual_element {
    wit_bindgen::generate!({
        path: "wit",
        world: "visual-element",
        additional_derives: [PartialEq],
        with: {
            "docgenie:plugin/types@0.1.0": super::docgenie::plugin::types,
            "docgenie:plugin/log@0.1.0": super::docgenie::plugin::log,
            "docgenie:plugin/random@0.1.0": super::docgenie::plugin::random,
            "docgenie:plugin/assets@0.1.0": super::docgenie::plugin::assets,
        },
        pub_export_macro: true,
        export_macro_name: "export_element",
    });
}

pub mod ground_truth_format {
    wit_bindgen::generate!({
        path: "wit",
        world: "ground-truth-format",
        with: {
            "docgenie:plugin/types@0.1.0": super::docgenie::plugin::types,
            "docgenie:plugin/log@0.1.0": super::docgenie::plugin::log,
            "docgenie:plugin/random@0.1.0": super::docgenie::plugin::random,
            "docgenie:plugin/assets@0.1.0": super::docgenie::plugin::assets,
            "docgenie:plugin/documents@0.1.0": super::docgenie::plugin::documents,
        },
        pub_export_macro: true,
        export_macro_name: "export_ground_truth",
    });
}
