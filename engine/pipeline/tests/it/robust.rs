//! No text, however broken, makes the parser panic or point outside of the text.

use std::{fs, path::Path};

use docgenie_pipeline::{Level, decode};
use proptest::{prelude::*, sample::Index};

use crate::catalogue::planned;

fn check(text: &str) {
    let (plan, diagnostics) = planned("p.toml", text, &[]);
    let has_errors = diagnostics.iter().any(|found| found.level == Level::Error);
    assert_eq!(plan.is_none(), has_errors, "{text:?}");
    let seen = text.strip_prefix('\u{feff}').unwrap_or(text);
    for diagnostic in diagnostics {
        for label in &diagnostic.labels {
            assert!(
                seen.get(label.span.clone()).is_some(),
                "{label:?} in {text:?}"
            );
        }
        assert!(!diagnostic.render(false).is_empty());
        assert!(serde_json::to_value(&diagnostic).is_ok());
    }
}

/// The golden bad files, as material to break further.
fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ui");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| decode("p.toml", fs::read(path).unwrap()).ok())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text(text in "\\PC*") {
        check(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        match decode("p.toml", bytes) {
            Ok(text) => check(&text),
            Err(diagnostic) => prop_assert!(diagnostic.location().is_some()),
        }
    }

    #[test]
    fn toml_like_text(lines in proptest::collection::vec(
        "(name|uses|with|when|id|after|type|stage|params|ü)? ?(=|\\[\\[stage\\]\\]|\\[params\\.a\\])? ?\
         (\"\\{\\{ params\\.a \\}\\}\"|'x'|\\{ a = 1 \\}|\\[1, 'b'\\]|3|1e999|inf|2024-01-01|true|\")?\r?",
        0..12,
    )) {
        check(&lines.join("\n"));
    }

    #[test]
    fn files_with_a_piece_replaced(
        file in any::<Index>(), start in any::<Index>(), length in 0_usize..12, new in "\\PC{0,4}",
    ) {
        let files = files();
        let characters: Vec<char> = file.get(&files).chars().collect();
        let start = start.index(characters.len() + 1);
        let end = characters.len().min(start + length);
        let broken = characters[..start].iter().collect::<String>()
            + &new
            + &characters[end..].iter().collect::<String>();
        check(&broken);
    }
}
