//! What is lent to a plugin in JavaScript goes back before its call ends.
//!
//! A function that is lent a document must drop its handle before it returns, or wasmtime ends the
//! call. The runtime that componentize-qjs puts into a component drops it only once the host has
//! read the result, where nothing may be called any more. What a plugin owns, such as a page, the
//! runtime leaves to JavaScript and its `Symbol.dispose`. So documents are received as if they were
//! owned, and `document.js` of the SDK drops them together with their pages.

use std::ops::Range;

use wasmparser::{BinaryReaderError, Parser, Payload};

/// The functions of the runtime that make a value of JavaScript of a handle. For what is imported
/// they differ in nothing but who drops it.
const LENT: &str = "wit_dylib_push_borrow";
const OWNED: &str = "wit_dylib_push_own";

/// The component, in whose runtime [`LENT`] is now the function [`OWNED`].
pub(super) fn received_as_owned(mut component: Vec<u8>) -> Result<Vec<u8>, String> {
    let found = indices(&component).map_err(|error| format!("its component is none: {error}"))?;
    match found {
        // Nothing else moves where both numbers take the same room.
        [Some(lent), Some(owned)] if lent.len() == owned.len() => {
            component.copy_within(owned, lent.start);
            Ok(component)
        }
        _ => Err(format!(
            "its runtime does not export `{LENT}` and `{OWNED}` as expected"
        )),
    }
}

/// Where the component has the numbers of the functions that are exported as [`LENT`] and [`OWNED`].
fn indices(component: &[u8]) -> Result<[Option<Range<usize>>; 2], BinaryReaderError> {
    let mut found = [None, None];
    for payload in Parser::new(0).parse_all(component) {
        let Payload::ExportSection(exports) = payload? else {
            continue;
        };
        let section = exports.range().end;
        let exports = exports.into_iter_with_offsets();
        let exports: Vec<_> = exports.collect::<Result<_, _>>()?;
        for (at, (offset, export)) in exports.iter().enumerate() {
            let Some(which) = [LENT, OWNED].iter().position(|name| *name == export.name) else {
                continue;
            };
            // An export is the length of its name, the name, its kind and the number.
            let start = offset + 1 + export.name.len() + 1;
            let end = exports.get(at + 1).map_or(section, |(next, _)| *next);
            found[which] = Some(start..end);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with nothing but exports of functions, whose numbers are given as they are encoded.
    fn module(exports: &[(&str, &[u8])]) -> Vec<u8> {
        let mut section = vec![u8::try_from(exports.len()).unwrap()];
        for (name, number) in exports {
            section.push(u8::try_from(name.len()).unwrap());
            section.extend(name.as_bytes());
            section.push(0);
            section.extend(*number);
        }
        let mut module = b"\0asm\x01\0\0\0\x07".to_vec();
        module.push(u8::try_from(section.len()).unwrap());
        module.extend(section);
        module
    }

    #[test]
    fn what_is_lent_is_received_by_the_function_for_what_is_owned() {
        for [lent, owned] in [[&[0xab, 3], &[0xb6, 3]], [&[0xff, 1], &[0x80, 2]]] {
            let before = module(&[("a", &[1]), (LENT, lent), (OWNED, owned), ("z", &[2])]);
            let after = module(&[("a", &[1]), (LENT, owned), (OWNED, owned), ("z", &[2])]);
            assert_eq!(received_as_owned(before), Ok(after));
        }
        let before = module(&[(OWNED, &[5]), (LENT, &[9])]);
        let after = module(&[(OWNED, &[5]), (LENT, &[5])]);
        assert_eq!(received_as_owned(before), Ok(after));
    }

    #[test]
    fn another_runtime_is_refused() {
        let refused = |component: Vec<u8>, why: &str| {
            let said = received_as_owned(component).unwrap_err();
            assert!(said.contains(why), "{said}");
        };
        refused(module(&[(OWNED, &[5])]), "does not export");
        refused(module(&[(LENT, &[5])]), "does not export");
        refused(
            module(&[(LENT, &[5]), (OWNED, &[0xab, 3])]),
            "does not export",
        );
        refused(b"neither".to_vec(), "its component is none");
    }
}
