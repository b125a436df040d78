//! The fonts embedded in PDFs and the licences they are under.

use std::collections::BTreeSet;

use lopdf::{Document, Object};

/// A family by the beginning of its PostScript names, and its licence as SPDX names it. Longer
/// beginnings stand before shorter ones.
const FAMILIES: &[(&str, &str, &str)] = &[
    ("Amiri", "Amiri", "OFL-1.1"),
    ("Caladea", "Caladea", "Apache-2.0"),
    ("Carlito", "Carlito", "OFL-1.1"),
    ("ComicNeue", "Comic Neue", "OFL-1.1"),
    ("CourierPrime", "Courier Prime", "OFL-1.1"),
    ("DancingScript", "Dancing Script", "OFL-1.1"),
    ("DejaVu", "DejaVu", "Bitstream-Vera"),
    ("EBGaramond", "EB Garamond", "OFL-1.1"),
    ("Inter", "Inter", "OFL-1.1"),
    ("JetBrainsMono", "JetBrains Mono", "OFL-1.1"),
    ("Lato", "Lato", "OFL-1.1"),
    ("LiberationMono", "Liberation Mono", "OFL-1.1"),
    ("LiberationSans", "Liberation Sans", "OFL-1.1"),
    ("LiberationSerif", "Liberation Serif", "OFL-1.1"),
    ("NotoColorEmoji", "Noto Color Emoji", "OFL-1.1"),
    ("NotoKufiArabic", "Noto Kufi Arabic", "OFL-1.1"),
    ("NotoMono", "Noto Mono", "OFL-1.1"),
    ("NotoNaskhArabic", "Noto Naskh Arabic", "OFL-1.1"),
    ("NotoSansArabic", "Noto Sans Arabic", "OFL-1.1"),
    ("NotoSansCJK", "Noto Sans CJK", "OFL-1.1"),
    ("NotoSansDevanagari", "Noto Sans Devanagari", "OFL-1.1"),
    ("NotoSansMonoCJK", "Noto Sans Mono CJK", "OFL-1.1"),
    ("NotoSans", "Noto Sans", "OFL-1.1"),
    ("NotoSerifCJK", "Noto Serif CJK", "OFL-1.1"),
    ("NotoSerifDevanagari", "Noto Serif Devanagari", "OFL-1.1"),
    ("NotoSerif", "Noto Serif", "OFL-1.1"),
    ("OpenSans", "Open Sans", "Apache-2.0"),
    ("Quicksand", "Quicksand", "OFL-1.1"),
    ("Roboto", "Roboto", "Apache-2.0"),
    ("Scheherazade", "Scheherazade New", "OFL-1.1"),
    ("TeXGyre", "TeX Gyre", "GUST-Font-License"),
];

/// The families of a PDF's fonts, in order of name; PostScript names of those that are not known. A
/// PDF that cannot be read has none.
pub(super) fn families(pdf: &[u8]) -> BTreeSet<String> {
    let Ok(document) = Document::load_mem(pdf) else {
        return BTreeSet::new();
    };
    let dictionaries = document.objects.values().filter_map(|it| it.as_dict().ok());
    // Fonts that are not embedded have a base font only, fonts drawn by procedures a descriptor only.
    let names = dictionaries.flat_map(|it| [it.get(b"BaseFont"), it.get(b"FontName")]);
    let names = names.filter_map(|name| name.and_then(Object::as_name).ok());
    names
        .map(|name| family(&String::from_utf8_lossy(name)))
        .collect()
}

/// The licence of a family that [`families`] has named.
pub(super) fn licence(family: &str) -> Option<&'static str> {
    let known = FAMILIES.iter().find(|(_, name, _)| *name == family);
    known.map(|(_, _, licence)| *licence)
}

fn family(name: &str) -> String {
    // Subsets are named `ABCDEF+Name`.
    let name = match name.split_once('+') {
        Some((tag, name)) if tag.len() == 6 => name,
        _ => name,
    };
    let known = FAMILIES
        .iter()
        .find(|(start, _, _)| name.starts_with(start));
    known.map_or_else(|| name.to_owned(), |(_, family, _)| (*family).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_postscript_names() {
        let check = |name, expected| assert_eq!(family(name), expected);
        check("AAAAAA+NotoSansCJKsc-Regular", "Noto Sans CJK");
        check("NotoSans-Bold", "Noto Sans");
        check("DAAAAA+EBGaramond08-Italic", "EB Garamond");
        check("TeXGyreTermes-Regular", "TeX Gyre");
        check("CAAAAA+Papyrus", "Papyrus");
        assert_eq!(licence("Noto Sans CJK"), Some("OFL-1.1"));
        assert_eq!(licence("Papyrus"), None);
    }

    #[test]
    fn names_are_found_in_base_fonts_and_descriptors() {
        let mut document = Document::with_version("1.4");
        let add = |document: &mut Document, key: &str, name: &str| {
            document.add_object(lopdf::dictionary! { key => Object::Name(name.into()) });
        };
        add(&mut document, "BaseFont", "AAAAAA+Lato-Bold");
        add(&mut document, "FontName", "BAAAAA+Inter-Bold");
        let catalogue = document.add_object(lopdf::dictionary! { "Type" => "Catalog" });
        document.trailer.set("Root", catalogue);
        let mut pdf = Vec::new();
        document.save_to(&mut pdf).unwrap();
        assert_eq!(
            families(&pdf).into_iter().collect::<Vec<_>>(),
            ["Inter", "Lato"]
        );
        assert!(families(b"not a pdf").is_empty());
    }
}
