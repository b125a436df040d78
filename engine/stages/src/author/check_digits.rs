//! Numbers that carry check digits: bank accounts, tax numbers, articles, cards.

use super::dice::Dice;

/// `digits` as numbers; other characters are left out.
fn values(digits: &str) -> impl DoubleEndedIterator<Item = u32> {
    digits.chars().filter_map(|c| c.to_digit(10))
}

/// Sum of the digits times the weights.
fn weighted(digits: &str, weights: &[u32]) -> u32 {
    values(digits)
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// The remainder by 97 of a number of any length, letters counting as 10 to 35.
pub(super) fn mod_97(text: &str) -> u32 {
    text.chars()
        .filter_map(|c| c.to_digit(36))
        .fold(0, |rest, value| {
            let shift = if value < 10 { 10 } else { 100 };
            (rest * shift + value) % 97
        })
}

/// The digit that makes a number pass Luhn's check.
pub(super) fn luhn(digits: &str) -> u32 {
    let doubled = |(position, digit): (usize, u32)| match position % 2 {
        0 if digit > 4 => digit * 2 - 9,
        0 => digit * 2,
        _ => digit,
    };
    let sum: u32 = values(digits).rev().enumerate().map(doubled).sum();
    (10 - sum % 10) % 10
}

/// The check digit of an EAN, UPC or GTIN.
pub(super) fn ean(digits: &str) -> u32 {
    let weighted =
        |(position, digit): (usize, u32)| if position % 2 == 0 { digit * 3 } else { digit };
    let sum: u32 = values(digits).rev().enumerate().map(weighted).sum();
    (10 - sum % 10) % 10
}

/// ISO 7064 mod 11,10, as German numbers use it.
fn mod_11_10(digits: &str) -> u32 {
    let product = values(digits).fold(10, |product, digit| match (digit + product) % 10 {
        0 => 20 % 11,
        sum => sum * 2 % 11,
    });
    (11 - product) % 10
}

/// An IBAN in groups of four with valid check digits, or `None` for a country without one.
pub(super) fn iban(country: &str, dice: &mut Dice) -> Option<String> {
    let account = match country {
        "DE" => "~#################",
        "AT" => "~###############",
        "CH" => "~################",
        "FR" => "~######################",
        "BE" => return Some(grouped(&belgian_iban(dice))),
        "GB" => "@@@@##############",
        "ES" => "~###################",
        "IT" => "@0####0################",
        "PT" => "00###################",
        "NL" => "@@@@0#########",
        "PL" => "~#######################",
        "TR" => "000##0################",
        "AE" => "0##################",
        "SA" => "~#00################",
        "EG" => "00#######################",
        "LU" => "0###############",
        _ => return None,
    };
    let account = dice.fill(account);
    Some(grouped(&with_iban_check(country, &account)))
}

fn with_iban_check(country: &str, account: &str) -> String {
    let check = 98 - mod_97(&format!("{account}{country}00"));
    format!("{country}{check:02}{account}")
}

/// Belgian accounts end in their own remainder by 97.
fn belgian_iban(dice: &mut Dice) -> String {
    let account = dice.fill("~#########");
    let check = match mod_97(&account) {
        0 => 97,
        rest => rest,
    };
    with_iban_check("BE", &format!("{account}{check:02}"))
}

/// In groups of four.
fn grouped(text: &str) -> String {
    let groups: Vec<String> = text
        .chars()
        .collect::<Vec<_>>()
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// Whether an IBAN, spaces aside, passes its check.
#[cfg(test)]
pub(super) fn is_iban(text: &str) -> bool {
    let plain: String = text.split_whitespace().collect();
    plain.is_char_boundary(4) && plain.len() > 14 && {
        let (head, account) = plain.split_at(4);
        mod_97(&format!("{account}{head}")) == 1
    }
}

/// A company's tax number of a scheme; `None` for an unknown one.
pub(super) fn tax_id(scheme: &str, dice: &mut Dice) -> Option<String> {
    let pattern = tax_id_pattern(scheme)?;
    // Some sums leave a remainder that no digit can stand for: then draw again.
    (0..64).find_map(|_| complete_tax_id(scheme, &dice.fill(pattern)))
}

/// The digits of a tax number that are free to draw.
fn tax_id_pattern(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "de-vat" | "ch-vat" | "fr-vat" | "nl-vat" => "~#######",
        "at-vat" | "es-vat" => "#######",
        "be-vat" => "0~######",
        "gb-vat" => "~######",
        "it-vat" => "0#######0#",
        "pt-vat" => "5#######",
        "pl-vat" | "tr-vkn" => "~########",
        "ru-inn" => "77~######",
        "in-gstin" => "2#@@@C@####@1Z",
        "cn-uscc" => "9131010##########",
        "jp-invoice" => "~###########",
        "ae-trn" => "100#########003",
        "sa-vat" => "3#############3",
        "eg-tax" => "~##-###-###",
        "us-ein" => "9#-#######",
        "mx-rfc" => "@@@##01~#@#",
        "br-cnpj" => "~#######0001",
        _ => return None,
    })
}

/// The number with its check digits, as it is written; `None` where it can have none.
fn complete_tax_id(scheme: &str, body: &str) -> Option<String> {
    let below_ten = |digit: u32| (digit < 10).then_some(digit);
    Some(match scheme {
        "de-vat" => format!("DE{body}{}", mod_11_10(body)),
        "at-vat" => format!("ATU{body}{}", (96 - cross_sum(body, 1)) % 10),
        "ch-vat" => {
            let sum = weighted(body, &[5, 4, 3, 2, 7, 6, 5, 4]);
            let full = format!("{body}{}", below_ten((11 - sum % 11) % 11)?);
            format!("CHE-{}.{}.{}", &full[..3], &full[3..6], &full[6..])
        }
        "fr-vat" => {
            let siren = format!("{body}{}", luhn(body));
            format!("FR{:02}{siren}", (12 + 3 * mod_97(&siren)) % 97)
        }
        "be-vat" => format!("BE{body}{:02}", 97 - mod_97(body)),
        "gb-vat" => {
            let check = 97 - weighted(body, &[8, 7, 6, 5, 4, 3, 2]) % 97;
            format!("GB {} {} {check:02}", &body[..3], &body[3..])
        }
        "es-vat" => format!("B{body}{}", (10 - cross_sum(body, 0) % 10) % 10),
        "it-vat" => format!("IT{body}{}", luhn(body)),
        "pt-vat" => {
            let rest = weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            format!("PT{body}{}", if rest < 2 { 0 } else { 11 - rest })
        }
        "nl-vat" => {
            let check = below_ten(weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11)?;
            format!("NL{body}{check}B01")
        }
        "pl-vat" => {
            let check = below_ten(weighted(body, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11)?;
            let full = format!("{body}{check}");
            format!(
                "{}-{}-{}-{}",
                &full[..3],
                &full[3..6],
                &full[6..8],
                &full[8..]
            )
        }
        "tr-vkn" => {
            let terms = values(body)
                .zip((1..=9).rev())
                .map(|(digit, weight)| turkish_term(digit, weight));
            format!("{body}{}", (10 - terms.sum::<u32>() % 10) % 10)
        }
        "ru-inn" => format!(
            "{body}{}",
            weighted(body, &[2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10
        ),
        "in-gstin" => format!("{body}{}", gstin_check(body)),
        "cn-uscc" => {
            let weights = [
                1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
            ];
            let check = (31 - weighted(body, &weights) % 31) % 31;
            let letter = "0123456789ABCDEFGHJKLMNPQRTUWXY"
                .chars()
                .nth(check as usize)?;
            format!("{body}{letter}")
        }
        "jp-invoice" => {
            let sum: u32 = values(body)
                .rev()
                .zip([1, 2].into_iter().cycle())
                .map(|(digit, weight)| digit * weight)
                .sum();
            format!("T{}{body}", 9 - sum % 9)
        }
        "mx-rfc" => format!("{body}{}", rfc_check(body)),
        "br-cnpj" => {
            let check = |digits: &str, weights: &[u32]| match weighted(digits, weights) % 11 {
                0 | 1 => 0,
                rest => 11 - rest,
            };
            let first = check(body, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
            let body = format!("{body}{first}");
            let second = check(&body, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
            let full = format!("{body}{second}");
            format!(
                "{}.{}.{}/{}-{}",
                &full[..2],
                &full[2..5],
                &full[5..8],
                &full[8..12],
                &full[12..]
            )
        }
        // No check digit is published for the others.
        _ => body.to_owned(),
    })
}

/// Sum of the digits, every second one doubled and reduced to its own cross sum; `first` is the
/// position of the first doubled one.
fn cross_sum(digits: &str, first: usize) -> u32 {
    let term = |(position, digit): (usize, u32)| match position % 2 {
        parity if parity == first => digit * 2 / 10 + digit * 2 % 10,
        _ => digit,
    };
    values(digits).enumerate().map(term).sum()
}

fn turkish_term(digit: u32, weight: u32) -> u32 {
    let shifted = (digit + weight) % 10;
    let term = shifted * 2_u32.pow(weight) % 9;
    if shifted != 0 && term == 0 { 9 } else { term }
}

fn gstin_check(body: &str) -> char {
    let term = |(position, c): (usize, char)| {
        let value = c.to_digit(36).unwrap_or(0) * if position % 2 == 0 { 1 } else { 2 };
        value / 36 + value % 36
    };
    let sum: u32 = body.chars().enumerate().map(term).sum();
    let check = (36 - sum % 36) % 36;
    char::from_digit(check, 36)
        .unwrap_or('0')
        .to_ascii_uppercase()
}

fn rfc_check(body: &str) -> char {
    const VALUES: &str = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ ";
    let value = |c| VALUES.chars().position(|v| v == c).unwrap_or(0);
    // A company's number is a character shorter than a person's and padded in front.
    let sum: usize = format!(" {body}")
        .chars()
        .zip((2..=13).rev())
        .map(|(c, weight)| value(c) * weight)
        .sum();
    match 11 - sum % 11 {
        11 => '0',
        10 => 'A',
        digit => char::from_digit(u32::try_from(digit).unwrap_or(0), 10).unwrap_or('0'),
    }
}

/// Parts of a bank account of a national scheme as (label key, value); `None` for an unknown one.
pub(super) fn bank_account(
    scheme: &str,
    country: &str,
    dice: &mut Dice,
) -> Option<Vec<(&'static str, String)>> {
    Some(match scheme {
        "iban" => {
            let bic = dice.fill(&format!("@@@@{country}##"));
            vec![("iban", iban(country, dice)?), ("bic", bic)]
        }
        "gb" => {
            let account = iban(country, dice)?;
            let plain: String = account.split_whitespace().collect();
            let sort_code = format!("{}-{}-{}", &plain[8..10], &plain[10..12], &plain[12..14]);
            vec![
                ("sort_code", sort_code),
                ("account_number", plain[14..].to_owned()),
                ("iban", account),
            ]
        }
        "us" => {
            let body = dice.fill("0~######");
            let check = (10 - weighted(&body, &[3, 7, 1, 3, 7, 1, 3, 7]) % 10) % 10;
            vec![
                ("routing_number", format!("{body}{check}")),
                ("account_number", dice.fill("~#########")),
            ]
        }
        "mx" => {
            let body = dice.fill("0~~180###########");
            let weights = [3, 7, 1];
            let sum: u32 = values(&body)
                .enumerate()
                .map(|(position, digit)| digit * weights[position % 3] % 10)
                .sum();
            vec![("clabe", format!("{body}{}", (10 - sum % 10) % 10))]
        }
        "br" => vec![
            ("branch", dice.fill("####")),
            ("account_number", dice.fill("~####-#")),
        ],
        "in" => vec![
            ("account_number", dice.fill("~#############")),
            ("ifsc", dice.fill("@@@@0######")),
        ],
        "cn" => {
            let body = dice.fill("62~###############");
            let full = format!("{body}{}", luhn(&body));
            vec![("account_number", grouped(&full))]
        }
        "jp" => vec![
            ("branch", dice.fill("###")),
            ("account_number", dice.fill("~######")),
        ],
        "ru" => vec![
            ("account_number", dice.fill("40702810#00000######")),
            ("correspondent_account", dice.fill("30101810#00000000###")),
            ("bik", dice.fill("0445#####")),
        ],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use docgenie_document::Seed;

    use super::*;

    #[test]
    fn known_numbers() {
        assert_eq!(luhn("7992739871"), 3);
        assert_eq!(ean("400638133393"), 1);
        assert_eq!(ean("03600029145"), 2);
        assert_eq!(mod_11_10("13669597"), 6);
        assert!(is_iban("DE89 3704 0044 0532 0130 00"));
        assert!(is_iban("GB82 WEST 1234 5698 7654 32"));
        assert!(!is_iban("GB82 WEST 1234 5698 7654 33"));
        assert_eq!(gstin_check("27AAPFU0939F1Z"), 'V');
        assert_eq!(with_iban_check("BE", "539007547034"), "BE68539007547034");
    }

    #[test]
    fn tax_numbers() {
        let check = |scheme: &str, body: &str, expected: &str| {
            assert_eq!(
                complete_tax_id(scheme, body).as_deref(),
                Some(expected),
                "{scheme}"
            );
        };
        check("de-vat", "13669597", "DE136695976");
        check("at-vat", "1358562", "ATU13585627");
        check("ch-vat", "12345678", "CHE-123.456.788");
        check("fr-vat", "40483304", "FR83404833048");
        check("be-vat", "04287594", "BE0428759497");
        check("gb-vat", "9807806", "GB 980 7806 84");
        check("es-vat", "5837843", "B58378431");
        check("it-vat", "0074311015", "IT00743110157");
        check("pt-vat", "50196484", "PT501964843");
        check("nl-vat", "00449544", "NL004495445B01");
        check("pl-vat", "856734621", "856-734-62-15");
        check("ru-inn", "770708389", "7707083893");
        check("in-gstin", "27AAPFU0939F1Z", "27AAPFU0939F1ZV");
        check("jp-invoice", "000012050002", "T7000012050002");
        check("br-cnpj", "114447770001", "11.444.777/0001-61");
        assert!(tax_id("nowhere", &mut Dice::new(Seed(1))).is_none());
    }

    #[test]
    fn drawn_ibans_are_valid_and_as_long_as_their_country_wants() {
        let check = |country: &str, length: usize| {
            let mut dice = Dice::new(Seed(1));
            for _ in 0..50 {
                let iban = iban(country, &mut dice).unwrap();
                assert!(is_iban(&iban), "{iban}");
                assert_eq!(iban.replace(' ', "").len(), length, "{iban}");
            }
        };
        for (country, length) in [
            ("DE", 22),
            ("AT", 20),
            ("CH", 21),
            ("FR", 27),
            ("BE", 16),
            ("GB", 22),
            ("ES", 24),
            ("IT", 27),
            ("PT", 25),
            ("NL", 18),
            ("PL", 28),
            ("TR", 26),
            ("AE", 23),
            ("SA", 24),
            ("EG", 29),
            ("LU", 20),
        ] {
            check(country, length);
        }
    }
}
