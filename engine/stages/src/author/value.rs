//! Values as templates see them: a text in the document's language that knows its machine form
//! and what kind of entity it is.

use std::{borrow::Cow, fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, Object, from_args},
};

use super::locale::Locale;

/// A text with its machine form and its entity label.
///
/// In a template it prints as its text and has the attributes `text`, `value` and `entity`.
#[derive(Debug)]
pub(super) struct Shown {
    text: String,
    /// Absent where no other form is known than the text.
    value: Option<String>,
    entity: Cow<'static, str>,
}

impl Shown {
    /// A text without a machine form.
    pub(super) fn plain(text: impl Into<String>, entity: impl Into<Cow<'static, str>>) -> Value {
        Value::from_object(Self {
            text: text.into(),
            value: None,
            entity: entity.into(),
        })
    }

    /// A text with its machine form, which may be the same.
    pub(super) fn with_value(
        text: impl Into<String>,
        value: impl Into<String>,
        entity: impl Into<Cow<'static, str>>,
    ) -> Value {
        Value::from_object(Self {
            text: text.into(),
            value: Some(value.into()),
            entity: entity.into(),
        })
    }
}

impl Object for Shown {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "text" => Some(self.text.clone().into()),
            "value" => self.value.clone().map(Value::from),
            "entity" => Some(self.entity.to_string().into()),
            _ => None,
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.text.is_empty()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A day. In a template it prints in the document's short form.
#[derive(Debug)]
pub(super) struct Day {
    /// The day.
    pub date: jiff::civil::Date,
    /// How the document writes it.
    pub locale: Arc<Locale>,
}

impl Day {
    fn shown(&self, text: String) -> Value {
        Shown::with_value(text, self.date.to_string(), "DATE")
    }
}

impl Object for Day {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let date = self.date;
        match key.as_str()? {
            "text" => Some(self.locale.short_date(date).into()),
            "value" | "iso" => Some(date.to_string().into()),
            "entity" => Some("DATE".into()),
            "short" => Some(self.shown(self.locale.short_date(date))),
            "long" => Some(self.shown(self.locale.long_date(date))),
            "month_year" => {
                let text = self.locale.month_and_year(date);
                let value = format!("{:04}-{:02}", date.year(), date.month());
                Some(Shown::with_value(text, value, "DATE"))
            }
            "year" => Some(i64::from(date.year()).into()),
            "month" => Some(i64::from(date.month()).into()),
            "day" => Some(i64::from(date.day()).into()),
            "weekday" => Some(i64::from(date.weekday().to_monday_one_offset()).into()),
            "weekday_name" => Some(self.locale.weekday(date).into()),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let day = |date| {
            Value::from_object(Self {
                date,
                locale: Arc::clone(&self.locale),
            })
        };
        match method {
            "plus" => {
                let (days, options): (Option<i64>, Kwargs) = from_args(args)?;
                let months: Option<i64> = options.get("months")?;
                options.assert_all_used()?;
                let span = jiff::Span::new()
                    .try_days(days.unwrap_or(0))
                    .and_then(|span| span.try_months(months.unwrap_or(0)));
                let date = span.and_then(|span| self.date.checked_add(span));
                date.map(day).map_err(|error| {
                    Error::new(ErrorKind::InvalidOperation, "the day is out of range")
                        .with_source(error)
                })
            }
            "first_of_month" => Ok(day(self.date.first_of_month())),
            "last_of_month" => Ok(day(self.date.last_of_month())),
            // A day on which offices work: itself, or the Monday after.
            "workday" => {
                let ahead = match self.date.weekday().to_monday_one_offset() {
                    6 => 2,
                    7 => 1,
                    _ => 0,
                };
                let date = self.date.checked_add(jiff::Span::new().days(ahead));
                Ok(day(date.unwrap_or(self.date)))
            }
            "days_until" => {
                let (other,): (Value,) = from_args(args)?;
                let other = other.downcast_object_ref::<Self>().ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, "`days_until` takes a day")
                })?;
                let days = other
                    .date
                    .since(self.date)
                    .map_or(0, |span| span.get_days());
                Ok(i64::from(days).into())
            }
            _ => Err(Error::new(
                ErrorKind::UnknownMethod,
                format!("a day has no method `{method}`"),
            )),
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.locale.short_date(self.date))
    }
}
