//! A language as its file `languages/<code>.toml` describes it: texts, and for every country that
//! speaks it the forms of numbers, dates and addresses and the vocabularies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::OneOrMany;

/// A language.
#[derive(Debug)]
pub(super) struct Language {
    /// English name, such as `German`.
    pub name: String,
    /// ISO 639-1 code, such as `de`.
    pub code: String,
    /// Other names it is known by.
    pub aliases: Vec<String>,
    /// Key of its font stacks in `styles/fonts.toml`.
    pub script: String,
    /// `ltr` or `rtl`.
    pub direction: String,
    /// The countries, at least one.
    pub countries: Vec<Country>,
    /// Texts that any document type may use.
    pub texts: Texts,
}

/// Texts of a language or of a document type in a language.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Texts {
    /// Short texts; a document uses the same choice throughout.
    pub labels: BTreeMap<String, OneOrMany>,
    /// Sentences with `{placeholders}`.
    pub phrases: BTreeMap<String, OneOrMany>,
    /// What one may ask about a field.
    pub questions: BTreeMap<String, OneOrMany>,
    /// Lists and tables of any shape for the templates.
    pub words: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    name: String,
    code: String,
    #[serde(default)]
    aliases: Vec<String>,
    script: String,
    #[serde(default = "left_to_right")]
    direction: String,
    #[serde(default)]
    defaults: toml::Table,
    country: Vec<toml::Table>,
    #[serde(default)]
    labels: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    phrases: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    questions: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    words: BTreeMap<String, toml::Value>,
}

fn left_to_right() -> String {
    "ltr".to_owned()
}

impl Language {
    /// Reads a language file.
    ///
    /// # Errors
    /// When it is not TOML of that shape.
    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: LanguageFile = toml::from_str(text)?;
        let country = |own: toml::Table| {
            let mut table = file.defaults.clone();
            merge(&mut table, own);
            table.try_into()
        };
        let countries = file
            .country
            .into_iter()
            .map(country)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            name: file.name,
            code: file.code,
            aliases: file.aliases,
            script: file.script,
            direction: file.direction,
            countries,
            texts: Texts {
                labels: file.labels,
                phrases: file.phrases,
                questions: file.questions,
                words: file.words,
            },
        })
    }

    /// Whether people call it so: English name, code or alias, in any case.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        let names = [&self.name, &self.code].into_iter().chain(&self.aliases);
        names.into_iter().any(|own| own.to_lowercase() == name)
    }
}

/// Lays `over` over `base`, table by table.
fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(table)) => merge(inner, table),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// A country: forms and vocabularies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Country {
    /// ISO 3166 code, such as `DE`.
    pub code: String,
    /// Its name in the language.
    pub name: String,
    /// How often it is drawn among the countries of its language.
    #[serde(default = "one")]
    pub weight: u32,
    /// Its usual paper, a key of `styles/papers.toml`.
    pub paper: String,
    /// Numbers.
    pub number: NumberForm,
    /// Money.
    pub currency: Currency,
    /// Dates.
    pub date: DateForm,
    /// Tax on sales, and the number a company is registered under for it.
    pub tax: Tax,
    /// Bank accounts.
    pub bank: Bank,
    /// Phone numbers.
    pub phone: Phone,
    /// Addresses.
    pub address: AddressForm,
    /// Persons.
    pub people: People,
    /// Companies.
    pub company: CompanyForm,
    /// Lines of business with what they sell.
    pub trade: Vec<Trade>,
    /// Units by key: as they stand behind one, and behind any other number where that differs.
    pub units: BTreeMap<String, OneOrMany>,
}

fn one() -> u32 {
    1
}

impl Country {
    /// A unit as it stands behind this many hundredths.
    pub(super) fn unit<'a>(&'a self, key: &'a str, hundredths: i64) -> &'a str {
        let forms = self.units.get(key).map_or(&[][..], OneOrMany::all);
        let form = match hundredths {
            100 => forms.first(),
            _ => forms.last(),
        };
        form.map_or(key, String::as_str)
    }
}

/// How numbers are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberForm {
    /// Between units and fractions.
    pub decimal: String,
    /// Between groups of digits.
    pub group: String,
    /// `thousands` or `indian`.
    #[serde(default)]
    pub grouping: Grouping,
    /// Fewest digits before the decimal mark of a number that is grouped.
    #[serde(default = "four")]
    pub group_from: usize,
    /// Percentages, with `#` for the number.
    #[serde(default = "percent")]
    pub percent: String,
    /// The ten digits, where they are not 0 to 9.
    #[serde(default)]
    pub digits: Option<String>,
}

fn four() -> usize {
    4
}

fn percent() -> String {
    "#%".to_owned()
}

/// Where the group marks stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Grouping {
    /// Every three digits.
    #[default]
    Thousands,
    /// Three digits, then every two.
    Indian,
}

/// How money is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Currency {
    /// ISO 4217 code.
    pub code: String,
    /// Symbol.
    pub symbol: String,
    /// Digits after the decimal mark.
    #[serde(default = "two")]
    pub decimals: usize,
    /// Forms with `#` for the number and `¤` for the symbol; a document uses one.
    pub patterns: Vec<String>,
    /// What one unit of the price lists of the vocabularies is worth in this currency.
    #[serde(default = "unity")]
    pub price_level: f64,
}

fn two() -> usize {
    2
}

fn unity() -> f64 {
    1.0
}

/// How dates are written: `y yy M MM MMM MMMM d dd EEE EEEE`, other letters in `'quotes'`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DateForm {
    /// Short forms; a document uses one.
    pub short: Vec<String>,
    /// Long forms; a document uses one.
    pub long: Vec<String>,
    /// A month with its year.
    #[serde(default = "month_year")]
    pub month_year: String,
    /// A time of day: `H HH h m mm a`.
    #[serde(default = "time")]
    pub time: String,
    /// Month names as they stand in dates.
    pub months: Vec<String>,
    /// Month names as they stand alone, where they differ.
    #[serde(default)]
    pub months_alone: Option<Vec<String>>,
    /// Short month names.
    pub months_short: Vec<String>,
    /// Names of the days, Monday first.
    pub weekdays: Vec<String>,
    /// What marks the half of the day.
    #[serde(default)]
    pub am_pm: Vec<String>,
}

fn month_year() -> String {
    "MMMM y".to_owned()
}

fn time() -> String {
    "HH:mm".to_owned()
}

/// Tax on sales.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tax {
    /// Its name, such as `MwSt.`.
    pub name: String,
    /// Rates in percent: the usual first, then reduced ones.
    pub rates: Vec<f64>,
    /// Whether shelf prices include it.
    #[serde(default = "yes")]
    pub included_in_retail: bool,
    /// Scheme of the company's number, a name that `check_digits.rs` knows.
    pub id: String,
    /// What that number is called, such as `USt-IdNr.`.
    pub id_name: String,
    /// The company's number in a local register, with `#` for digits, and what it is called.
    #[serde(default)]
    pub register: Option<Register>,
}

fn yes() -> bool {
    true
}

/// A public register of companies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    /// What its numbers are called.
    pub name: String,
    /// Pattern, with `{city}` for the seat.
    pub pattern: String,
}

/// Bank accounts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bank {
    /// `iban`, or the name of a national scheme.
    pub scheme: String,
    /// Invented banks.
    pub names: Vec<Spelled>,
}

/// Phone numbers: `#` any digit, `~` a digit but 0.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phone {
    /// Land lines, in a range kept for fiction where there is one.
    pub land: Vec<String>,
    /// Mobile numbers.
    pub mobile: Vec<String>,
}

/// How addresses are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressForm {
    /// Lines with `{street} {postcode} {city} {region} {district}`.
    pub lines: Vec<String>,
    /// What stands between them where they are written in one.
    #[serde(default = "comma")]
    pub separator: String,
    /// Street and house number: `{name} {number}`.
    pub street: String,
    /// Street names.
    pub streets: Vec<String>,
    /// House numbers: patterns of `#` and `~`.
    pub numbers: Vec<String>,
    /// Cities.
    pub cities: Vec<City>,
}

fn comma() -> String {
    ", ".to_owned()
}

/// A city.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct City {
    /// Its name.
    pub name: String,
    /// Pattern of its postcodes.
    #[serde(default)]
    pub postcode: String,
    /// Its state or province, as addresses write it.
    #[serde(default)]
    pub region: String,
    /// Its districts, where addresses name them.
    #[serde(default)]
    pub districts: Vec<String>,
}

/// A name, with its Latin spelling where the script is another: `"Weber"` or `["Иванов", "ivanov"]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Spelled {
    /// In Latin letters.
    Latin(String),
    /// In another script, and in Latin letters.
    Both([String; 2]),
}

impl Spelled {
    /// As the language writes it.
    pub(super) fn native(&self) -> &str {
        match self {
            Self::Latin(name) | Self::Both([name, _]) => name,
        }
    }

    /// In Latin letters.
    pub(super) fn latin(&self) -> &str {
        match self {
            Self::Latin(name) | Self::Both([_, name]) => name,
        }
    }
}

/// Names of persons.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct People {
    /// Given names of women.
    pub female: Vec<Spelled>,
    /// Given names of men.
    pub male: Vec<Spelled>,
    /// Family names (of men, where they differ).
    pub family: Vec<Spelled>,
    /// Family names of women in the same order, where they differ.
    #[serde(default)]
    pub family_female: Option<Vec<Spelled>>,
    /// Middle names or patronymics of women and of men, where the pattern has `{middle}`.
    #[serde(default)]
    pub middle_female: Vec<String>,
    /// See `middle_female`.
    #[serde(default)]
    pub middle_male: Vec<String>,
    /// `{given} {middle} {family}` in the usual order.
    #[serde(default = "given_family")]
    pub pattern: String,
    /// Forms of address for a woman and a man, such as `Frau` and `Herr`.
    pub titles: [String; 2],
}

fn given_family() -> String {
    "{given} {family}".to_owned()
}

/// Names of companies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompanyForm {
    /// Invented names.
    pub stems: Vec<Spelled>,
    /// Legal forms.
    pub forms: Vec<String>,
    /// Patterns of `{stem} {trade} {form} {family} {family2} {city}`.
    pub patterns: Vec<String>,
}

/// A line of business.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trade {
    /// Key in kebab case, the same in all languages: `office-supplies`.
    pub key: String,
    /// How it stands in company names.
    pub names: Vec<String>,
    /// Whether it sells to passers-by, and so hands out receipts.
    #[serde(default)]
    pub retail: bool,
    /// What it sells.
    pub products: Vec<Product>,
}

/// Something sold.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    /// Its name.
    pub name: String,
    /// Lowest and highest price of a unit, in euros or the like.
    pub price: [f64; 2],
    /// Key of its unit.
    #[serde(default = "piece")]
    pub unit: String,
    /// Which of the tax rates, counted from 0.
    #[serde(default)]
    pub rate: usize,
    /// Lowest and highest usual quantity.
    #[serde(default = "few")]
    pub quantity: [i64; 2],
    /// A line of detail under the name.
    #[serde(default)]
    pub detail: String,
}

fn piece() -> String {
    "piece".to_owned()
}

fn few() -> [i64; 2] {
    [1, 12]
}
