//! What a document is about: the seeded functions a template draws its content with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use docgenie_document::Seed;
use jiff::civil::{Date, Time};
use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, Serde},
};

use super::{
    check_digits,
    dice::Dice,
    language::{Country, Language, Product, Texts, Trade},
    locale::{Locale, machine_number},
    sums,
    value::{Day, Shown},
};
use crate::OneOrMany;

/// The first and the last day a document may be about.
pub(super) const FIRST_DAY: Date = jiff::civil::date(2015, 1, 2);
const LAST_DAY: Date = jiff::civil::date(2026, 6, 30);

/// Everything a document's content is drawn from.
pub(super) struct Draw {
    seed: Seed,
    dice: Mutex<Dice>,
    language: Arc<Language>,
    country: usize,
    /// How it writes numbers, money and dates.
    pub(super) locale: Arc<Locale>,
    /// Texts of the document type in this language.
    texts: Arc<Texts>,
}

impl Draw {
    /// The content that belongs to this seed.
    pub(super) fn new(seed: Seed, language: Arc<Language>, texts: Arc<Texts>) -> Self {
        let mut dice = Dice::new(seed);
        let countries = &language.countries;
        let country = dice.weighted(countries.iter().map(|country| country.weight));
        let locale = Locale::new(&countries[country], |count| dice.below(count));
        Self {
            seed,
            dice: Mutex::new(dice),
            language,
            country,
            locale: Arc::new(locale),
            texts,
        }
    }

    /// The country the document comes from.
    pub(super) fn country(&self) -> &Country {
        &self.language.countries[self.country]
    }

    /// The language's code, such as `de`.
    pub(super) fn language_code(&self) -> &str {
        &self.language.code
    }

    pub(super) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The texts under a key: those of the document type, else those of the language.
    fn choices(
        &self,
        part: impl Fn(&Texts) -> &BTreeMap<String, OneOrMany>,
        key: &str,
    ) -> Option<&[String]> {
        let own = part(&self.texts).get(key);
        let choices = own.or_else(|| part(&self.language.texts).get(key));
        choices
            .map(OneOrMany::all)
            .filter(|texts| !texts.is_empty())
    }

    /// The text under a key, the same one throughout the document.
    pub(super) fn label(&self, key: &str) -> Result<String, Error> {
        let texts = self
            .choices(|texts| &texts.labels, key)
            .ok_or_else(|| self.missing("label", key))?;
        let mut dice = Dice::new(self.seed.derive(&format!("label {key}")));
        Ok(dice.pick(texts).cloned().unwrap_or_default())
    }

    fn phrase(&self, key: &str, values: &Kwargs) -> Result<String, Error> {
        let texts = self
            .choices(|texts| &texts.phrases, key)
            .ok_or_else(|| self.missing("phrase", key))?;
        let mut text = self.dice().pick(texts).cloned().unwrap_or_default();
        for name in values.args() {
            let value: Value = values.peek(name)?;
            text = text.replace(&format!("{{{name}}}"), &value.to_string());
        }
        Ok(text)
    }

    fn words(&self, key: &str) -> Result<Value, Error> {
        let found = self
            .texts
            .words
            .get(key)
            .or_else(|| self.language.texts.words.get(key));
        let found = found.ok_or_else(|| self.missing("word list", key))?;
        Ok(Value::from(Serde(found)))
    }

    pub(super) fn missing(&self, what: &str, key: &str) -> Error {
        let language = &self.language.name;
        Error::new(
            ErrorKind::UndefinedError,
            format!("{language} has no {what} `{key}`"),
        )
    }

    /// One of the questions about a field, if the language has any.
    pub(super) fn question(&self, field: &str) -> Option<String> {
        let texts = self.choices(|texts| &texts.questions, field)?;
        self.dice().pick(texts).cloned()
    }

    fn day(&self, from: Option<i64>, to: Option<i64>) -> Value {
        let first = from
            .and_then(|year| Date::new(i16::try_from(year).ok()?, 1, 1).ok())
            .unwrap_or(FIRST_DAY);
        let last = to
            .and_then(|year| Date::new(i16::try_from(year).ok()?, 12, 31).ok())
            .unwrap_or(LAST_DAY);
        let days = last.since(first).map_or(0, |span| span.get_days());
        let ahead = self.dice().between(0, i64::from(days));
        let date = first
            .checked_add(jiff::Span::new().days(ahead))
            .unwrap_or(first);
        self.on(date)
    }

    pub(super) fn on(&self, date: Date) -> Value {
        Value::from_object(Day {
            date,
            locale: Arc::clone(&self.locale),
        })
    }

    fn time(&self, from: i64, to: i64) -> Value {
        let mut dice = self.dice();
        let hour = i8::try_from(dice.between(from, to).clamp(0, 23)).unwrap_or(12);
        let minute = i8::try_from(dice.between(0, 59)).unwrap_or(0);
        let time = Time::constant(hour, minute, 0, 0);
        Shown::with_value(
            self.locale.time(time),
            format!("{hour:02}:{minute:02}"),
            "TIME",
        )
    }

    fn money(&self, minor: i64) -> Value {
        let value = machine_number(minor, self.locale.currency_decimals());
        Shown::with_value(self.locale.money(minor), value, "MONEY")
    }

    fn amount(&self, minor: i64) -> Value {
        let decimals = self.locale.currency_decimals();
        Shown::with_value(
            self.locale.number(minor, decimals),
            machine_number(minor, decimals),
            "MONEY",
        )
    }

    fn number(&self, value: i64, decimals: usize) -> Value {
        Shown::with_value(
            self.locale.number(value, decimals),
            machine_number(value, decimals),
            "QUANTITY",
        )
    }

    /// Hundredths as a quantity without needless zeros: 750 is `7,5`.
    fn quantity(&self, hundredths: i64) -> Value {
        let value = machine_number(hundredths, 2);
        let value = value.trim_end_matches('0').trim_end_matches('.');
        Shown::with_value(self.locale.trimmed(hundredths, 2), value, "QUANTITY")
    }

    fn percent(&self, hundredths: i64) -> Value {
        let value = machine_number(hundredths, 2);
        let value = value.trim_end_matches('0').trim_end_matches('.');
        Shown::with_value(self.locale.percent(hundredths), value, "PERCENT")
    }

    /// A number by a pattern: `#` any digit, `~` a digit but 0, `@` a capital letter.
    fn code(&self, pattern: &str) -> Value {
        Shown::plain(self.dice().fill(pattern), "ID")
    }

    fn trade(&self, key: &str) -> Result<&Trade, Error> {
        let mut trades = self.country().trade.iter();
        trades
            .find(|trade| trade.key == key)
            .ok_or_else(|| self.missing("trade", key))
    }

    /// How many minor units a currency has for what is one euro in the word lists.
    fn minor_per_euro(&self) -> f64 {
        let decimals = i32::try_from(self.locale.currency_decimals()).unwrap_or(2);
        self.country().currency.price_level * 10_f64.powi(decimals)
    }

    /// Minor units between two prices in euros, as they are in this country; of two digits and
    /// zeros where they are to be round.
    fn price(&self, [low, high]: [f64; 2], round: bool) -> i64 {
        let cents = self.dice().between(whole(low * 100.0), whole(high * 100.0));
        #[allow(clippy::cast_precision_loss, reason = "prices are far below 2^52")]
        let minor = cents as f64 / 100.0 * self.minor_per_euro();
        let unit = 10_f64.powf((minor.max(1.0).log10().floor() - 1.0).max(0.0));
        if round {
            whole((minor / unit).round() * unit)
        } else {
            whole(minor)
        }
    }

    /// Lines of goods or services of a trade; see `sums`.
    fn line_items(&self, trade: &str, count: usize) -> Result<Value, Error> {
        let country = self.country();
        let trade = self.trade(trade)?;
        let mut dice = self.dice();
        let products = dice.shuffled(trade.products.iter().collect());
        // A unit of a currency without decimals is small, and its prices are round.
        let minor_per_unit =
            10_f64.powi(i32::try_from(self.locale.currency_decimals()).unwrap_or(2));
        let lines = products
            .into_iter()
            .cycle()
            .take(count.min(trade.products.len()))
            .map(|product| {
                let major = dice.magnitude(product.price) * country.currency.price_level;
                let price = sums::retail_price(major, minor_per_unit, dice.below(4));
                let [low, high] = product.quantity;
                let quantity = dice.between(low, high) * 100;
                let quantity = if product.unit == "hour" && dice.chance(0.5) {
                    quantity + 50
                } else {
                    quantity
                };
                let rate = country
                    .tax
                    .rates
                    .get(product.rate)
                    .or(country.tax.rates.last())
                    .copied()
                    .unwrap_or(0.0);
                (
                    product,
                    price,
                    quantity,
                    hundredths(rate),
                    dice.fill("~####"),
                    dice.fill("4~##########"),
                )
            });
        let lines: Vec<_> = lines.collect();
        drop(dice);
        let value = |(index, line): (usize, (&Product, i64, i64, i64, String, String))| {
            let (product, price, quantity, rate, sku, ean) = line;
            let unit = country.unit(&product.unit, quantity);
            let ean = format!("{ean}{}", check_digits::ean(&ean));
            let total = sums::times(price, quantity);
            let position: i64 = i64::try_from(index).unwrap_or(0) + 1;
            Value::from_pairs([
                ("position", Value::from(position)),
                ("name", Shown::plain(product.name.clone(), "PRODUCT")),
                ("detail", product.detail.clone().into()),
                ("sku", Shown::plain(sku, "ID")),
                ("ean", Shown::plain(ean, "ID")),
                ("unit", unit.into()),
                ("quantity", self.quantity(quantity)),
                ("quantity_hundredths", quantity.into()),
                ("price", price.into()),
                ("rate", rate.into()),
                ("total", total.into()),
            ])
        };
        Ok(lines.into_iter().enumerate().map(value).collect())
    }
}

/// The nearest whole number.
#[allow(clippy::cast_possible_truncation, reason = "prices are far below 2^52")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn hundredths(percent: f64) -> i64 {
    whole(percent * 100.0)
}

/// The functions of a document, as the context of its templates. Every call draws anew.
pub(super) fn functions(draw: &Arc<Draw>) -> BTreeMap<&'static str, Value> {
    macro_rules! functions {
        ($($name:literal => |$draw:ident $(, $arg:ident: $type:ty)*| $body:expr;)*) => {
            BTreeMap::from([$({
                let $draw = Arc::clone(draw);
                let call = move |$($arg: $type),*| -> Result<Value, Error> { $body };
                ($name, Value::from_function(call))
            },)*])
        };
    }
    functions! {
        "label" => |draw, key: String| draw.label(&key).map(Value::from);
        "phrase" => |draw, key: String, values: Kwargs| draw.phrase(&key, &values).map(Value::from);
        "words" => |draw, key: String| draw.words(&key);
        "integer" => |draw, low: i64, high: i64| Ok(draw.dice().between(low, high).into());
        "price" => |draw, low: f64, high: f64, options: Kwargs| {
            let round: Option<bool> = options.get("round")?;
            options.assert_all_used()?;
            Ok(draw.price([low, high], round.unwrap_or(false)).into())
        };
        "chance" => |draw, share: f64| Ok(draw.dice().chance(share).into());
        "pick" => |draw, list: Value| pick(&draw, &list);
        "sample" => |draw, list: Value, count: usize| sample(&draw, &list, count);
        "code" => |draw, pattern: String| Ok(draw.code(&pattern));
        "day" => |draw, from: Option<i64>, to: Option<i64>| Ok(draw.day(from, to));
        "time" => |draw, from: Option<i64>, to: Option<i64>| Ok(draw.time(from.unwrap_or(8), to.unwrap_or(18)));
        "money" => |draw, minor: i64| Ok(draw.money(minor));
        "amount" => |draw, minor: i64| Ok(draw.amount(minor));
        "number" => |draw, value: i64, decimals: Option<usize>| Ok(draw.number(value, decimals.unwrap_or(0)));
        "quantity" => |draw, hundredths: i64| Ok(draw.quantity(hundredths));
        "percent" => |draw, hundredths: i64| Ok(draw.percent(hundredths));
        "person" => |draw, options: Kwargs| {
            let gender: Option<String> = options.get("gender")?;
            options.assert_all_used()?;
            let host = draw.dice().pick(&["post.example", "mail.example", "inbox.example"]).copied().unwrap_or_default();
            Ok(draw.person(gender.as_deref(), host))
        };
        "address" => |draw| Ok(draw.address());
        "company" => |draw, options: Kwargs| draw.company(&options);
        "bank" => |draw| draw.bank();
        "account" => |draw, options: Kwargs| {
            let bank: Option<Value> = options.get("bank")?;
            options.assert_all_used()?;
            draw.account(bank.map(|bank| bank.to_string()))
        };
        "iban" => |draw| {
            let iban = check_digits::iban(&draw.country().code, &mut draw.dice());
            Ok(iban.map_or(Value::from(false), |iban| Shown::plain(iban, "IBAN")))
        };
        "ean" => |draw| {
            let body = draw.dice().fill("4~##########");
            Ok(Shown::plain(format!("{body}{}", check_digits::ean(&body)), "ID"))
        };
        "luhn" => |_draw, digits: String| Ok(format!("{digits}{}", check_digits::luhn(&digits)).into());
        "line_items" => |draw, trade: String, count: usize| draw.line_items(&trade, count);
        "totals" => |draw, items: Value, options: Kwargs| {
            let included: Option<bool> = options.get("tax_included")?;
            options.assert_all_used()?;
            sums::totals(&items, included.unwrap_or(false), |rate| draw.percent(rate))
        };
        "local_digits" => |draw, text: String| Ok(draw.locale.local_digits(&text).into());
    }
}

/// What the templates know about language and country: `language` and `country`.
pub(super) fn facts(draw: &Draw) -> [(&'static str, Value); 2] {
    let (language, country) = (&draw.language, draw.country());
    let rates: Vec<Value> = country
        .tax
        .rates
        .iter()
        .map(|rate| hundredths(*rate).into())
        .collect();
    let trades = |retail: bool| -> Value {
        let trades = country.trade.iter().filter(|trade| trade.retail == retail);
        trades.map(|trade| Value::from(trade.key.clone())).collect()
    };
    [
        (
            "language",
            Value::from_pairs([
                ("name", language.name.clone().into()),
                ("code", language.code.clone().into()),
                ("script", language.script.clone().into()),
                ("direction", Value::from(language.direction.clone())),
            ]),
        ),
        (
            "country",
            Value::from_pairs([
                ("code", country.code.clone().into()),
                ("name", country.name.clone().into()),
                ("currency", draw.locale.currency_code().into()),
                ("symbol", draw.locale.currency_symbol().into()),
                ("decimals", draw.locale.currency_decimals().into()),
                (
                    "units",
                    Value::from_pairs(
                        country
                            .units
                            .keys()
                            .map(|key| (key.as_str(), country.unit(key, 0))),
                    ),
                ),
                ("tax_name", country.tax.name.clone().into()),
                ("tax_rates", Value::from(rates)),
                (
                    "tax_included_in_retail",
                    country.tax.included_in_retail.into(),
                ),
                ("trades", trades(false)),
                ("shops", trades(true)),
            ]),
        ),
    ]
}

fn pick(draw: &Draw, list: &Value) -> Result<Value, Error> {
    let items: Vec<Value> = list.try_iter()?.collect();
    let picked = draw.dice().pick(&items).cloned();
    picked.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            "nothing to pick from: the list is empty",
        )
    })
}

fn sample(draw: &Draw, list: &Value, count: usize) -> Result<Value, Error> {
    let items: Vec<Value> = list.try_iter()?.collect();
    let mut items = draw.dice().shuffled(items);
    items.truncate(count);
    Ok(items.into())
}
