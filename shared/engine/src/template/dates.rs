//! Dates in templates: values that know the zone and the language they are shown in. A date is
//! printed in its own language and zone wherever it stands, and compares with dates of its own kind
//! only.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};

use crate::language::{self, DateStyle, InvalidStyle, Language};
use crate::time::{Instant, Zone};

/// A date or a moment as a template sees it; printed without a filter it is `full`.
#[derive(Debug)]
pub(super) struct ShownDate {
    when: When,
    zone: Zone,
    language: Language,
}

#[derive(Debug, Clone, Copy)]
enum When {
    Day(NaiveDate),
    Moment(Instant),
}

impl ShownDate {
    pub(super) fn day(date: NaiveDate, zone: Zone, language: Language) -> Self {
        Self { when: When::Day(date), zone, language }
    }

    pub(super) fn moment(at: Instant, zone: Zone, language: Language) -> Self {
        Self { when: When::Moment(at), zone, language }
    }

    fn text(&self, style: &DateStyle) -> Result<String, InvalidStyle> {
        match self.when {
            When::Day(date) => language::plain_date(date, self.language, style),
            When::Moment(at) => Ok(language::date(at, self.zone, self.language, style)),
        }
    }
}

impl From<ShownDate> for Value {
    fn from(date: ShownDate) -> Self {
        Self::from_object(date)
    }
}

impl Object for ShownDate {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        match (self.when, other.downcast_ref::<Self>()?.when) {
            (When::Day(one), When::Day(other)) => Some(one.cmp(&other)),
            (When::Moment(one), When::Moment(other)) => Some(one.cmp(&other)),
            (When::Day(_), When::Moment(_)) | (When::Moment(_), When::Day(_)) => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&DateStyle::Full).map_err(|_| fmt::Error)?)
    }
}

/// The filter `date(style)`; `full` unless a style is given. What is empty stays empty, so that
/// `default` may follow.
pub(super) fn date(value: &Value, style: Option<&str>) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(value.clone());
    }
    let Some(date) = value.downcast_object_ref::<ShownDate>() else {
        let shown: String = value.to_string().chars().take(60).collect();
        let message = format!("the filter `date` needs a date, and `{shown}` is none");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    /// Each letter of a style may become several.
    const LONGEST_STYLE_BYTES: usize = 200;
    if style.is_some_and(|style| style.len() > LONGEST_STYLE_BYTES) {
        let message =
            format!("a style of the filter `date` has at most {LONGEST_STYLE_BYTES} bytes");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    style
        .unwrap_or("full")
        .parse()
        .and_then(|style| date.text(&style))
        .map(Value::from)
        .map_err(|why| Error::new(ErrorKind::InvalidOperation, why.to_string()))
}
