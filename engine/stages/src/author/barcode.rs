//! Bar codes as inline SVG.

use std::fmt::Write as _;

/// Widths of bars and gaps of the 107 symbols of Code 128.
const CODE_128: [&str; 107] = [
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212",
    "221213", "221312", "231212", "112232", "122132", "122231", "113222", "123122", "123221",
    "223211", "221132", "221231", "213212", "223112", "312131", "311222", "321122", "321221",
    "312212", "322112", "322211", "212123", "212321", "232121", "111323", "131123", "131321",
    "112313", "132113", "132311", "211313", "231113", "231311", "112133", "112331", "132131",
    "113123", "113321", "133121", "313121", "211331", "231131", "213113", "213311", "213131",
    "311123", "311321", "331121", "312113", "312311", "332111", "314111", "221411", "431111",
    "111224", "111422", "121124", "121421", "141122", "141221", "112214", "112412", "122114",
    "122411", "142112", "142211", "241211", "221114", "413111", "241112", "134111", "111242",
    "121142", "121241", "114212", "124112", "124211", "411212", "421112", "421211", "212141",
    "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311",
    "113141", "114131", "311141", "411131", "211412", "211214", "211232", "2331112",
];

/// Code 128, set B, of a text in printable ASCII; other characters are left out.
pub(super) fn code_128(text: &str) -> String {
    svg(&code_128_symbols(text)
        .iter()
        .map(|&symbol| CODE_128[symbol])
        .collect::<String>())
}

/// Start, data, check and stop symbols.
fn code_128_symbols(text: &str) -> Vec<usize> {
    const START_B: usize = 104;
    const STOP: usize = 106;
    let data = text.bytes().filter(|byte| (32..127).contains(byte));
    let mut symbols = vec![START_B];
    symbols.extend(data.map(|byte| usize::from(byte - 32)));
    let weighted = symbols
        .iter()
        .enumerate()
        .map(|(position, symbol)| position.max(1) * symbol);
    symbols.push(weighted.sum::<usize>() % 103);
    symbols.push(STOP);
    symbols
}

/// EAN-13 of thirteen digits; what is not a digit counts as 0.
pub(super) fn ean_13(digits: &str) -> String {
    const LEFT: [&str; 10] = [
        "3211", "2221", "2122", "1411", "1132", "1231", "1114", "1312", "1213", "3112",
    ];
    // Which of the left six digits are mirrored encodes the first digit.
    const MIRRORED: [&str; 10] = [
        "000000", "001011", "001101", "001110", "010011", "011001", "011100", "010101", "010110",
        "011010",
    ];
    let digits: Vec<usize> = digits
        .chars()
        .map(|c| c.to_digit(10).unwrap_or(0) as usize)
        .collect();
    let (first, rest) = digits.split_first().unwrap_or((&0, &[]));
    let mut widths = String::from("111");
    for (position, &digit) in rest.iter().enumerate() {
        if position == 6 {
            widths.push_str("11111");
        }
        let mirrored = MIRRORED[*first].as_bytes().get(position) == Some(&b'1');
        if mirrored {
            widths.extend(LEFT[digit].chars().rev());
        } else {
            widths.push_str(LEFT[digit]);
        }
    }
    widths.push_str("111");
    svg(&widths)
}

/// Bars and gaps by turns as one path, stretched over its box.
fn svg(widths: &str) -> String {
    let mut path = String::new();
    let mut x = 0;
    for (position, width) in widths.chars().filter_map(|c| c.to_digit(10)).enumerate() {
        if position % 2 == 0 {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} 0h{width}v1h-{width}z");
        }
        x += width;
    }
    format!(
        "<svg class=\"barcode\" viewBox=\"0 0 {x} 1\" preserveAspectRatio=\"none\" \
         shape-rendering=\"crispEdges\" aria-hidden=\"true\"><path fill=\"#000\" d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_128_ends_in_its_check_symbol() {
        // The worked example of the standard: "PJJ123C" in set B has check symbol 2+... mod 103.
        let symbols = code_128_symbols("PJJ123C");
        let sum = 104 + 48 + 42 * 2 + 42 * 3 + 17 * 4 + 18 * 5 + 19 * 6 + 35 * 7;
        assert_eq!(symbols[symbols.len() - 2], sum % 103);
        assert!(CODE_128[..106].iter().all(|bars| bars.len() == 6));
    }

    #[test]
    fn ean_13_is_95_modules_wide() {
        assert!(ean_13("4006381333931").contains("viewBox=\"0 0 95 1\""));
    }
}
