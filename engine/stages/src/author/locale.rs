//! Numbers, money, dates and times as one document writes them.

use jiff::civil::{Date, Time};

use super::language::{Country, Grouping};

/// The forms one document has settled on. Made once a document, so that all its dates and sums
/// look alike.
#[derive(Clone, Debug)]
pub(super) struct Locale {
    decimal: String,
    group: String,
    grouping: Grouping,
    group_from: usize,
    percent: String,
    digits: Option<Vec<char>>,
    currency_code: String,
    symbol: String,
    money: String,
    decimals: usize,
    short: String,
    long: String,
    month_year: String,
    time: String,
    months: Vec<String>,
    months_alone: Vec<String>,
    months_short: Vec<String>,
    weekdays: Vec<String>,
    am_pm: Vec<String>,
}

impl Locale {
    /// The forms of a country; `choose` picks one of so many alternatives.
    pub(super) fn new(country: &Country, mut choose: impl FnMut(usize) -> usize) -> Self {
        let mut pick = |list: &[String]| list.get(choose(list.len())).cloned().unwrap_or_default();
        let (number, date) = (&country.number, &country.date);
        let months_alone = date.months_alone.as_ref().unwrap_or(&date.months);
        Self {
            decimal: number.decimal.clone(),
            group: number.group.clone(),
            grouping: number.grouping,
            group_from: number.group_from,
            percent: number.percent.clone(),
            digits: number
                .digits
                .as_ref()
                .map(|digits| digits.chars().collect()),
            currency_code: country.currency.code.clone(),
            symbol: country.currency.symbol.clone(),
            money: pick(&country.currency.patterns),
            decimals: country.currency.decimals,
            short: pick(&date.short),
            long: pick(&date.long),
            month_year: date.month_year.clone(),
            time: date.time.clone(),
            months: date.months.clone(),
            months_alone: months_alone.clone(),
            months_short: date.months_short.clone(),
            weekdays: date.weekdays.clone(),
            am_pm: date.am_pm.clone(),
        }
    }

    /// Digits after the decimal mark of a sum of money.
    pub(super) fn currency_decimals(&self) -> usize {
        self.decimals
    }

    /// ISO 4217 code.
    pub(super) fn currency_code(&self) -> &str {
        &self.currency_code
    }

    /// Currency symbol.
    pub(super) fn currency_symbol(&self) -> &str {
        &self.symbol
    }

    /// `value` × 10^-`decimals` in local form: `1.234,50`.
    pub(super) fn number(&self, value: i64, decimals: usize) -> String {
        let plain = machine_number(value.saturating_abs(), decimals);
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut text = String::new();
        if value < 0 {
            text.push('-');
        }
        text.push_str(&self.grouped(whole));
        if !fraction.is_empty() {
            text.push_str(&self.decimal);
            text.push_str(fraction);
        }
        self.local_digits(&text)
    }

    fn grouped(&self, whole: &str) -> String {
        if whole.len() < self.group_from {
            return whole.to_owned();
        }
        let ends_group = |left: usize| match self.grouping {
            Grouping::Thousands => left.is_multiple_of(3),
            Grouping::Indian => left == 3 || (left > 3 && left % 2 == 1),
        };
        let mut text = String::new();
        for (position, digit) in whole.char_indices() {
            if position > 0 && ends_group(whole.len() - position) {
                text.push_str(&self.group);
            }
            text.push(digit);
        }
        text
    }

    /// A sum in minor units with its currency: `1.234,50 €`.
    pub(super) fn money(&self, minor: i64) -> String {
        let number = self.number(minor.saturating_abs(), self.decimals);
        let text = self.money.replace('#', &number).replace('¤', &self.symbol);
        if minor < 0 { format!("-{text}") } else { text }
    }

    /// A percentage given in hundredths of a percent: 1900 is `19 %`.
    pub(super) fn percent(&self, hundredths: i64) -> String {
        self.percent.replace('#', &self.trimmed(hundredths, 2))
    }

    /// Like [`Self::number`] without zeros at the end of the fraction.
    pub(super) fn trimmed(&self, mut value: i64, mut decimals: usize) -> String {
        while decimals > 0 && value % 10 == 0 {
            value /= 10;
            decimals -= 1;
        }
        self.number(value, decimals)
    }

    /// `05.03.2024`.
    pub(super) fn short_date(&self, date: Date) -> String {
        self.date(date, &self.short, &self.months)
    }

    /// `5. März 2024`.
    pub(super) fn long_date(&self, date: Date) -> String {
        self.date(date, &self.long, &self.months)
    }

    /// `März 2024`.
    pub(super) fn month_and_year(&self, date: Date) -> String {
        self.date(date, &self.month_year, &self.months_alone)
    }

    /// `Dienstag`.
    pub(super) fn weekday(&self, date: Date) -> String {
        self.date(date, "EEEE", &self.months)
    }

    fn date(&self, date: Date, pattern: &str, months: &[String]) -> String {
        let named = |names: &[String], number: i8| {
            let index = usize::try_from(number - 1).unwrap_or(0);
            names.get(index).cloned().unwrap_or_default()
        };
        let weekday = date.weekday().to_monday_one_offset();
        let text = fill_pattern(pattern, "yMdE", |token| match token {
            "y" => date.year().to_string(),
            "yy" => format!("{:02}", date.year() % 100),
            "M" => date.month().to_string(),
            "MM" => format!("{:02}", date.month()),
            "MMM" => named(&self.months_short, date.month()),
            "MMMM" => named(months, date.month()),
            "d" => date.day().to_string(),
            "dd" => format!("{:02}", date.day()),
            "EEE" => named(&self.weekdays, weekday).chars().take(3).collect(),
            "EEEE" => named(&self.weekdays, weekday),
            other => other.to_owned(),
        });
        self.local_digits(&text)
    }

    /// `14:05`.
    pub(super) fn time(&self, time: Time) -> String {
        let half = usize::from(time.hour() >= 12);
        let hour = match time.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let text = fill_pattern(&self.time, "Hhma", |token| match token {
            "H" => time.hour().to_string(),
            "HH" => format!("{:02}", time.hour()),
            "h" => hour.to_string(),
            "m" => time.minute().to_string(),
            "mm" => format!("{:02}", time.minute()),
            "a" => self.am_pm.get(half).cloned().unwrap_or_default(),
            other => other.to_owned(),
        });
        self.local_digits(&text)
    }

    /// The text with 0 to 9 in the digits of the document.
    pub(super) fn local_digits(&self, text: &str) -> String {
        let Some(digits) = &self.digits else {
            return text.to_owned();
        };
        let local = |c: char| {
            let value = c.to_digit(10).and_then(|value| usize::try_from(value).ok());
            value
                .and_then(|value| digits.get(value).copied())
                .unwrap_or(c)
        };
        text.chars().map(local).collect()
    }
}

/// `value` × 10^-`decimals` with a point and no grouping: `1234.50`.
pub(super) fn machine_number(value: i64, decimals: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if decimals == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// Replaces runs of one of the `letters` by what `value` gives for the run; `'quoted'` text stands.
fn fill_pattern(pattern: &str, letters: &str, value: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (quoted, after) = rest[1..].split_once('\'').unwrap_or((&rest[1..], ""));
            text.push_str(quoted);
            rest = after;
        } else if letters.contains(first) {
            let run = rest.find(|c| c != first).unwrap_or(rest.len());
            text.push_str(&value(&rest[..run]));
            rest = &rest[run..];
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    fn locale() -> Locale {
        let names = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Locale {
            decimal: ",".into(),
            group: ".".into(),
            grouping: Grouping::Thousands,
            group_from: 4,
            percent: "# %".into(),
            digits: None,
            currency_code: "EUR".into(),
            symbol: "€".into(),
            money: "# ¤".into(),
            decimals: 2,
            short: "dd.MM.y".into(),
            long: "d. MMMM y".into(),
            month_year: "MMMM y".into(),
            time: "H:mm 'Uhr'".into(),
            months: names("Januar Februar März"),
            months_alone: names("Januar Februar März"),
            months_short: names("Jan Feb Mär"),
            weekdays: names("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
            am_pm: Vec::new(),
        }
    }

    #[test]
    fn numbers() {
        let check = |value, decimals, expected: &str| {
            assert_eq!(locale().number(value, decimals), expected);
        };
        check(0, 2, "0,00");
        check(5, 2, "0,05");
        check(123_456, 2, "1.234,56");
        check(-99_900, 2, "-999,00");
        check(1_234_567, 0, "1.234.567");
        assert_eq!(locale().money(-123_456), "-1.234,56 €");
        assert_eq!(locale().percent(1900), "19 %");
        assert_eq!(locale().percent(810), "8,1 %");
        assert_eq!(machine_number(-5, 2), "-0.05");
    }

    #[test]
    fn indian_groups_and_digits() {
        let mut locale = locale();
        locale.grouping = Grouping::Indian;
        locale.group = ",".into();
        locale.decimal = ".".into();
        assert_eq!(locale.number(1_234_567_890, 2), "1,23,45,678.90");
        locale.digits = Some("०१२३४५६७८९".chars().collect());
        assert_eq!(locale.number(123_450, 2), "१,२३४.५०");
    }

    #[test]
    fn dates_and_times() {
        let day = date(2024, 3, 5);
        assert_eq!(locale().short_date(day), "05.03.2024");
        assert_eq!(locale().long_date(day), "5. März 2024");
        assert_eq!(locale().weekday(day), "Dienstag");
        assert_eq!(locale().time(time(7, 5, 0, 0)), "7:05 Uhr");
        let quoted = fill_pattern("d 'de' MMMM 'de' y", "yMdE", str::to_owned);
        assert_eq!(quoted, "d de MMMM de y");
    }
}
