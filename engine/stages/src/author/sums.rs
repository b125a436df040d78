//! Sums of money in minor units, exact to the last one.

use std::collections::BTreeMap;

use minijinja::{Error, Value};

/// A price as shops write them: round, or ending in 9, 95 or 99. `ending` is 0 to 3.
pub(super) fn retail_price(major: f64, minor_per_unit: f64, ending: usize) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "prices are small")]
    let whole = |value: f64| value.round() as i64;
    let minor = whole(major * minor_per_unit).max(1);
    if minor_per_unit < 10.0 || major >= 200.0 {
        // Large sums, and those of small units, keep two or three digits.
        let step = 10_i64.pow(minor.ilog10().saturating_sub(2));
        return ((minor + step / 2) / step * step).max(1);
    }
    let unit = whole(minor_per_unit);
    match ending {
        0 => (minor / unit * unit).max(unit / 2),
        1 => minor / (unit / 10) * (unit / 10) + unit / 10 - unit / 100,
        2 => minor / unit * unit + unit * 95 / 100,
        _ => minor,
    }
}

/// A unit price times hundredths of a unit, rounded half up.
pub(super) fn times(price: i64, quantity_hundredths: i64) -> i64 {
    rounded(i128::from(price) * i128::from(quantity_hundredths), 100)
}

/// Tax on a net sum at a rate in hundredths of a percent, rounded half up.
pub(super) fn tax_on(net: i64, rate: i64) -> i64 {
    rounded(i128::from(net) * i128::from(rate), 10_000)
}

/// Tax within a gross sum at a rate in hundredths of a percent, rounded half up.
pub(super) fn tax_within(gross: i64, rate: i64) -> i64 {
    rounded(
        i128::from(gross) * i128::from(rate),
        10_000 + i128::from(rate),
    )
}

fn rounded(product: i128, divisor: i128) -> i64 {
    let half = divisor / 2 * product.signum();
    i64::try_from((product + half) / divisor).unwrap_or(i64::MAX)
}

/// Adds up items that have `total` and `rate`: `{subtotal, net, tax, gross, taxes: [{rate, percent,
/// base, tax}]}`. Tax is rounded once a rate, and all sums agree: net + tax = gross.
pub(super) fn totals(
    items: &Value,
    tax_included: bool,
    percent: impl Fn(i64) -> Value,
) -> Result<Value, Error> {
    let mut by_rate: BTreeMap<i64, i64> = BTreeMap::new();
    for item in items.try_iter()? {
        let rate = i64::try_from(item.get_attr("rate")?)?;
        *by_rate.entry(rate).or_default() += i64::try_from(item.get_attr("total")?)?;
    }
    let subtotal: i64 = by_rate.values().sum();
    let taxes = by_rate.into_iter().rev().map(|(rate, sum)| {
        if tax_included {
            let tax = tax_within(sum, rate);
            (rate, sum - tax, tax)
        } else {
            (rate, sum, tax_on(sum, rate))
        }
    });
    let taxes: Vec<(i64, i64, i64)> = taxes.collect();
    let net: i64 = taxes.iter().map(|(_, base, _)| base).sum();
    let tax: i64 = taxes.iter().map(|(_, _, tax)| tax).sum();
    let taxes = taxes.into_iter().map(|(rate, base, tax)| {
        Value::from_pairs([
            ("rate", Value::from(rate)),
            ("percent", percent(rate)),
            ("base", base.into()),
            ("tax", tax.into()),
        ])
    });
    Ok(Value::from_pairs([
        ("subtotal", Value::from(subtotal)),
        ("net", net.into()),
        ("tax", tax.into()),
        ("gross", (net + tax).into()),
        ("taxes", taxes.collect()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_up_and_sums_agree() {
        assert_eq!(times(199, 250), 498);
        assert_eq!(tax_on(1050, 1900), 200);
        assert_eq!(tax_on(-1050, 1900), -200);
        assert_eq!(tax_within(11_900, 1900), 1900);
        for gross in 1..2_000 {
            let tax = tax_within(gross, 700);
            assert!((tax_on(gross - tax, 700) - tax).abs() <= 1);
        }
    }

    #[test]
    fn prices_look_like_prices() {
        assert_eq!(retail_price(12.34, 100.0, 1), 1239);
        assert_eq!(retail_price(12.34, 100.0, 2), 1295);
        assert_eq!(retail_price(1234.0, 1.0, 3), 1230);
        assert_eq!(retail_price(1849.21, 100.0, 3), 185_000);
    }
}
