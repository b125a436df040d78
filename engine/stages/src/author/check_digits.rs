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
    // Some weighted sums leave a remainder that no digit can stand for: then draw again.
    (0..64)
        .find_map(|_| draw_tax_id(scheme, dice))
        .filter(|id| !id.is_empty())
}

/// An empty text for an unknown scheme, `None` where the draw has no valid check digit.
fn draw_tax_id(scheme: &str, dice: &mut Dice) -> Option<String> {
    let below_ten = |digit: u32| (digit < 10).then_some(digit);
    Some(match scheme {
        "de-vat" => {
            let body = dice.fill("~#######");
            format!("DE{body}{}", mod_11_10(&body))
        }
        "at-vat" => {
            let body = dice.fill("#######");
            let sum: u32 = values(&body)
                .enumerate()
                .map(|(position, digit)| {
                    if position % 2 == 1 {
                        digit * 2 / 10 + digit * 2 % 10
                    } else {
                        digit
                    }
                })
                .sum();
            format!("ATU{body}{}", (106 - sum) % 10)
        }
        "ch-vat" => {
            let body = dice.fill("~#######");
            let check = below_ten((11 - weighted(&body, &[5, 4, 3, 2, 7, 6, 5, 4]) % 11) % 11)?;
            let full = format!("{body}{check}");
            format!("CHE-{}.{}.{}", &full[..3], &full[3..6], &full[6..])
        }
        "fr-vat" => {
            let siren = dice.fill("~#######");
            let siren = format!("{siren}{}", luhn(&siren));
            format!("FR{:02}{siren}", (12 + 3 * mod_97(&siren)) % 97)
        }
        "be-vat" => {
            let body = dice.fill("0~######");
            format!("BE{body}{:02}", 97 - mod_97(&body))
        }
        "gb-vat" => {
            let body = dice.fill("~######");
            let check = 97 - weighted(&body, &[8, 7, 6, 5, 4, 3, 2]) % 97;
            format!("GB {} {} {check:02}", &body[..3], &body[3..])
        }
        "es-vat" => {
            let body = dice.fill("#######");
            let odd = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
            let sum: u32 = values(&body)
                .enumerate()
                .map(|(position, digit)| if position % 2 == 0 { odd(digit) } else { digit })
                .sum();
            format!("B{body}{}", (10 - sum % 10) % 10)
        }
        "it-vat" => {
            let body = dice.fill("0#######0##");
            let body = &body[..10];
            format!("IT{body}{}", luhn(body))
        }
        "pt-vat" => {
            let body = dice.fill("5#######");
            let rest = weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            format!("PT{body}{}", if rest < 2 { 0 } else { 11 - rest })
        }
        "nl-vat" => {
            let body = dice.fill("~#######");
            let check = below_ten(weighted(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11)?;
            format!("NL{body}{check}B01")
        }
        "pl-vat" => {
            let body = dice.fill("~########");
            let check = below_ten(weighted(&body, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11)?;
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
            let body = dice.fill("~########");
            let sum: u32 = values(&body)
                .enumerate()
                .map(|(position, digit)| {
                    turkish_term(digit, u32::try_from(9 - position).unwrap_or(0))
                })
                .sum();
            format!("{body}{}", (10 - sum % 10) % 10)
        }
        "ru-inn" => {
            let body = dice.fill("77~######");
            let check = weighted(&body, &[2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
            format!("{body}{check}")
        }
        "in-gstin" => {
            let body = format!("{}{}1Z", dice.fill("2#"), dice.fill("@@@C@####@"));
            format!("{body}{}", gstin_check(&body))
        }
        "cn-uscc" => {
            let body = dice.fill("9131010###########");
            let body = &body[..17];
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
            let body = dice.fill("~###########");
            let sum: u32 = values(&body)
                .rev()
                .enumerate()
                .map(|(position, digit)| if position % 2 == 0 { digit } else { digit * 2 })
                .sum();
            format!("T{}{body}", 9 - sum % 9)
        }
        "ae-trn" => dice.fill("100###########03").chars().take(15).collect(),
        "sa-vat" => dice.fill("3#############3").chars().take(15).collect(),
        "eg-tax" => dice.fill("~##-###-###"),
        "us-ein" => dice.fill("9#-#######"),
        "mx-rfc" => {
            let body = dice.fill("@@@##01~#@#");
            let body: String = body.chars().take(11).collect();
            format!("{body}{}", rfc_check(&body))
        }
        "br-cnpj" => {
            let body = dice.fill("~#######0001");
            let check = |digits: &str, weights: &[u32]| match weighted(digits, weights) % 11 {
                0 | 1 => 0,
                rest => 11 - rest,
            };
            let first = check(&body, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
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
        _ => String::new(),
    })
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
