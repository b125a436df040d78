//! Who a document is about: persons, companies, addresses, bank accounts.

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};
use unicode_normalization::UnicodeNormalization;

use super::{
    check_digits,
    draw::{Draw, FIRST_DAY},
    language::{Spelled, Trade},
    value::Shown,
};

/// The parts of a company's name.
struct CompanyName {
    full: String,
    brand: String,
    host: String,
    trade: String,
    legal_form: String,
}

impl Draw {
    /// A person with a mailbox at this host.
    pub(super) fn person(&self, gender: Option<&str>, host: &str) -> Value {
        let people = &self.country().people;
        let mut dice = self.dice();
        let female = match gender {
            Some("female") => true,
            Some("male") => false,
            _ => dice.chance(0.5),
        };
        let given = dice.pick(if female { &people.female } else { &people.male });
        let family_index = dice.below(people.family.len());
        let families = people
            .family_female
            .as_ref()
            .filter(|_| female)
            .unwrap_or(&people.family);
        let family = families.get(family_index);
        let middle = dice.pick(if female {
            &people.middle_female
        } else {
            &people.middle_male
        });
        let native = |name: Option<&Spelled>| name.map_or("", Spelled::native).to_owned();
        let latin = |name: Option<&Spelled>| slug(name.map_or("", Spelled::latin));
        let (given, family, user) = (
            native(given),
            native(family),
            format!("{}.{}", latin(given), latin(family)),
        );
        let name = fill(
            &people.pattern,
            &[
                ("given", &given),
                ("middle", middle.map_or("", String::as_str)),
                ("family", &family),
            ],
        );
        let phones = &self.country().phone;
        let [ms, mr] = &people.titles;
        let mobile = dice.pick(&phones.mobile).cloned().unwrap_or_default();
        let mobile = dice.fill(&mobile);
        let born = FIRST_DAY.checked_sub(jiff::Span::new().days(dice.between(20 * 365, 68 * 365)));
        drop(dice);
        Value::from_pairs([
            ("name", Shown::plain(name, "PERSON")),
            ("given", Shown::plain(given, "PERSON")),
            ("family", Shown::plain(family, "PERSON")),
            ("gender", if female { "female" } else { "male" }.into()),
            ("title", if female { ms } else { mr }.as_str().into()),
            ("user", user.clone().into()),
            ("email", Shown::plain(format!("{user}@{host}"), "EMAIL")),
            (
                "phone",
                Shown::plain(self.locale.local_digits(&mobile), "PHONE"),
            ),
            ("born", self.on(born.unwrap_or(FIRST_DAY))),
            ("address", self.address()),
        ])
    }

    /// A postal address.
    pub(super) fn address(&self) -> Value {
        let form = &self.country().address;
        let mut dice = self.dice();
        let street_name = dice.pick(&form.streets).cloned().unwrap_or_default();
        let number = dice.pick(&form.numbers).cloned().unwrap_or_default();
        let number = dice.fill(&number);
        let street = fill(&form.street, &[("name", &street_name), ("number", &number)]);
        let Some(city) = dice.pick(&form.cities) else {
            return Value::from_pairs([("lines", Value::from_iter([street]))]);
        };
        let postcode = dice.fill(&city.postcode);
        let district = dice.pick(&city.districts).cloned().unwrap_or_default();
        drop(dice);
        let local = |text: &str| self.locale.local_digits(text);
        let (street, postcode) = (local(&street), local(&postcode));
        let values = [
            ("street", street.as_str()),
            ("postcode", &postcode),
            ("city", &city.name),
            ("region", &city.region),
            ("district", &district),
        ];
        let lines: Vec<String> = form.lines.iter().map(|line| fill(line, &values)).collect();
        let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        let joined = lines.join(&form.separator);
        Value::from_pairs([
            ("street", Shown::plain(street.clone(), "LOC")),
            ("postcode", Shown::plain(postcode.clone(), "LOC")),
            ("city", Shown::plain(city.name.clone(), "LOC")),
            ("region", Shown::plain(city.region.clone(), "LOC")),
            ("country", Shown::plain(self.country().name.clone(), "LOC")),
            (
                "lines",
                lines
                    .into_iter()
                    .map(|line| Shown::plain(line, "LOC"))
                    .collect(),
            ),
            ("line", Shown::plain(joined, "LOC")),
        ])
    }

    /// A company that fits the options `trade` and `retail`. The option `name` is a pattern of its
    /// name in place of the country's, as a text or with its Latin spelling as a list of two.
    pub(super) fn company(&self, options: &Kwargs) -> Result<Value, Error> {
        let key: Option<String> = options.get("trade")?;
        let retail: Option<bool> = options.get("retail")?;
        let name: Option<Value> = options.get("name")?;
        options.assert_all_used()?;
        let fits = |trade: &&Trade| {
            key.as_ref().is_none_or(|key| *key == trade.key)
                && retail.is_none_or(|retail| retail == trade.retail)
        };
        let trades: Vec<&Trade> = self.country().trade.iter().filter(fits).collect();
        let trade = self.dice().pick(&trades).copied();
        let trade =
            trade.ok_or_else(|| self.missing("trade", key.as_deref().unwrap_or("of that kind")))?;
        let name = name.as_ref().map(spelled).transpose()?;
        self.company_of(trade, name.as_ref())
    }

    /// One of the country's banks.
    pub(super) fn bank(&self) -> Result<Value, Error> {
        let country = self.country();
        let name = self.dice().pick(&country.bank.names);
        let name = name.ok_or_else(|| self.missing("bank", "name"))?;
        let trade = country.trade.first();
        let trade = trade.ok_or_else(|| self.missing("trade", "of any kind"))?;
        self.company_of(trade, Some(name))
    }

    fn company_of(&self, trade: &Trade, name: Option<&Spelled>) -> Result<Value, Error> {
        let country = self.country();
        let address = self.address();
        let city = address.get_attr("city")?.to_string();
        let name = self.company_name(trade, &city, name);
        let host = format!("{}.example", name.host);
        let contact = self.person(None, &host);
        let account = self.account(None)?;
        let mut dice = self.dice();
        let mailbox = dice
            .pick(&["info", "office", "mail", "contact", "hello"])
            .copied()
            .unwrap_or_default();
        let land = dice.pick(&country.phone.land).cloned().unwrap_or_default();
        let (phone, fax) = (dice.fill(&land), dice.fill(&land));
        let tax = &country.tax;
        let tax_id = check_digits::tax_id(&tax.id, &mut dice)
            .ok_or_else(|| no_scheme("tax number", &tax.id))?;
        let register = tax.register.as_ref().map(|register| {
            let number = dice.fill(&register.pattern.replace("{city}", &city));
            labelled(
                &register.name,
                "registration_number",
                Shown::plain(number, "ID"),
            )
        });
        drop(dice);
        let initials = name
            .full
            .split_whitespace()
            .filter_map(|word| word.chars().find(|c| c.is_alphabetic()));
        let initials: String = initials.take(2).collect();
        let phone_number = |number: &str| Shown::plain(self.locale.local_digits(number), "PHONE");
        Ok(Value::from_pairs([
            ("name", Shown::plain(name.full, "ORG")),
            ("brand", Shown::plain(name.brand, "ORG")),
            ("legal_form", name.legal_form.into()),
            ("initials", initials.to_uppercase().into()),
            ("trade", trade.key.clone().into()),
            ("trade_name", name.trade.into()),
            ("web", Shown::plain(format!("www.{host}"), "")),
            ("email", Shown::plain(format!("{mailbox}@{host}"), "EMAIL")),
            ("host", host.into()),
            ("phone", phone_number(&phone)),
            ("fax", phone_number(&fax)),
            ("address", address),
            (
                "tax_id",
                labelled(&tax.id_name, "tax_id", Shown::plain(tax_id, "ID")),
            ),
            ("register", register.unwrap_or(Value::from(false))),
            ("account", account),
            ("contact", contact),
        ]))
    }

    fn company_name(&self, trade: &Trade, city: &str, named: Option<&Spelled>) -> CompanyName {
        let country = self.country();
        let form = &country.company;
        let mut dice = self.dice();
        let pattern = dice.pick(&form.patterns).cloned().unwrap_or_default();
        let stem = dice.pick(&form.stems);
        let family = dice.pick(&country.people.family);
        let partner = dice.pick(&country.people.family);
        let legal_form = dice.pick(&form.forms).cloned().unwrap_or_default();
        let trade = dice.pick(&trade.names).cloned().unwrap_or_default();
        drop(dice);
        let filled = |pattern: &str, spelling: fn(&Spelled) -> &str| {
            let values = [
                ("stem", stem.map_or("", spelling)),
                ("trade", &trade),
                ("form", &legal_form),
                ("family", family.map_or("", spelling)),
                ("family2", partner.map_or("", spelling)),
                ("city", city),
            ];
            fill(pattern, &values)
        };
        let known_by = match (named, pattern.contains("{stem}")) {
            (Some(_), _) => named,
            (None, true) => stem,
            (None, false) => family,
        };
        let pattern = named.map_or(pattern.as_str(), Spelled::native);
        let brand = known_by.map_or("", Spelled::native);
        CompanyName {
            full: filled(pattern, Spelled::native),
            brand: filled(brand, Spelled::native),
            host: host(&filled(known_by.map_or("", Spelled::latin), Spelled::latin)),
            trade,
            legal_form,
        }
    }

    /// A bank account, at this bank or at any: `bank`, and `parts` as (label, field, shown).
    pub(super) fn account(&self, bank: Option<String>) -> Result<Value, Error> {
        let country = self.country();
        let scheme = &country.bank.scheme;
        let parts = check_digits::bank_account(scheme, &country.code, &mut self.dice())
            .ok_or_else(|| no_scheme("bank", scheme))?;
        let any = self
            .dice()
            .pick(&country.bank.names)
            .map_or("", Spelled::native)
            .to_owned();
        let bank = bank.unwrap_or(any);
        let number = parts.first().map_or("", |(_, value)| value).to_owned();
        let parts = parts
            .into_iter()
            .map(|(key, value)| {
                let entity = if key == "iban" { "IBAN" } else { "ID" };
                Ok(labelled(
                    &self.label(key)?,
                    key,
                    Shown::plain(value, entity),
                ))
            })
            .collect::<Result<Vec<Value>, Error>>()?;
        Ok(Value::from_pairs([
            ("bank", Shown::plain(bank, "ORG")),
            ("number", Shown::plain(number, "ID")),
            ("parts", Value::from(parts)),
        ]))
    }
}

fn no_scheme(what: &str, scheme: &str) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("no {what} scheme `{scheme}`"),
    )
}

/// A name as templates have it: a text, or a list of two with its Latin spelling.
fn spelled(name: &Value) -> Result<Spelled, Error> {
    if name.kind() != ValueKind::Seq {
        return Ok(Spelled::Latin(name.to_string()));
    }
    let parts: Vec<String> = name.try_iter()?.map(|part| part.to_string()).collect();
    let both = <[String; 2]>::try_from(parts).map_err(|parts| {
        let message = format!("a name has two spellings, not {}", parts.len());
        Error::new(ErrorKind::InvalidOperation, message)
    })?;
    Ok(Spelled::Both(both))
}

/// `{label, field, shown}`: a value with what it is called.
fn labelled(label: &str, field: &str, shown: Value) -> Value {
    Value::from_pairs([
        ("label", label.into()),
        ("field", field.into()),
        ("shown", shown),
    ])
}

/// The pattern with `{names}` replaced; punctuation left over by empty values is trimmed.
fn fill(pattern: &str, values: &[(&str, &str)]) -> String {
    let mut text = pattern.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").trim_matches([',', ' ']).to_owned()
}

/// The first words of a name that make no longer a host than people would choose.
fn host(name: &str) -> String {
    let slug = slug(name);
    let ends = slug.match_indices('-').map(|(at, _)| at);
    let mut fitting = ends.chain([slug.len()]).filter(|&end| end <= 22);
    let end = fitting.next_back().unwrap_or(slug.len());
    slug[..end].to_owned()
}

/// Lower-case ASCII letters, digits and hyphens.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name
        .to_lowercase()
        .replace('ß', "ss")
        .replace('ł', "l")
        .replace('ı', "i")
        .replace('ø', "o")
        .nfd()
    {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if (c == ' ' || c == '-') && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_the_first_words_of_a_name() {
        let check = |name: &str, expected: &str| assert_eq!(host(name), expected, "{name}");
        check("Power & Water Boston", "power-water-boston");
        check("Kraków Łódź", "krakow-lodz");
        check("Versorgungsbetriebe Ludwigshafen", "versorgungsbetriebe");
        check(
            "Donaudampfschifffahrtsgesellschaft",
            "donaudampfschifffahrtsgesellschaft",
        );
        check("gorodskie seti Томск", "gorodskie-seti");
    }
}
