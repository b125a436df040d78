//! Which scripts a PDF does not carry letter by letter in logical order.

/// Blocks of scripts that are written right to left, or whose glyphs are reordered or joined so
/// that the text behind them cannot be had from single glyphs.
const COMPLEX: &[(char, char)] = &[
    ('\u{590}', '\u{8ff}'),   // Hebrew, Arabic, Syriac, Thaana, N'Ko
    ('\u{900}', '\u{dff}'),   // the scripts of India and Sri Lanka
    ('\u{e00}', '\u{109f}'),  // Thai, Lao, Tibetan, Myanmar
    ('\u{1780}', '\u{18af}'), // Khmer, Mongolian
    ('\u{1a20}', '\u{1cff}'), // Tai Tham, Balinese, Vedic signs and neighbours
    ('\u{a8e0}', '\u{a9ff}'), // Devanagari and Myanmar extended
    ('\u{fb1d}', '\u{fdff}'), // presentation forms
    ('\u{fe70}', '\u{fefe}'),
    ('\u{10800}', '\u{11fff}'), // further right-to-left and Brahmic scripts
    ('\u{1e800}', '\u{1efff}'),
];

/// Whether any character of a text is of such a script.
pub(crate) fn any_complex(text: &str) -> bool {
    let complex = |c: char| {
        COMPLEX
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c))
    };
    !text.is_ascii() && text.chars().any(complex)
}
