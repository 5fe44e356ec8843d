//! Reading the environment, and reporting everything that is wrong with it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dacapo_engine::campaign::format::Sender;
use dacapo_engine::compact::CollectCompactly as _;

use super::Function;

/// Names and values.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of the process.
    pub fn of_process() -> Self {
        let all = std::env::vars_os();
        Self(
            all.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect_compactly(),
        )
    }

    /// An environment of these values.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect_compactly())
    }
}

/// Settings that are missing or wrong: all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings of `{function}` are not complete{}{}; docs/settings.md tells what each is \
         for",
    listed(" — missing: ", .missing), listed(" — wrong: ", .wrong))]
pub struct Incomplete {
    /// The function.
    pub function: &'static str,
    /// The names that are missing.
    pub missing: Vec<&'static str>,
    /// What is wrong, as text.
    pub wrong: Vec<String>,
}

fn listed<T: AsRef<str>>(head: &str, list: &[T]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let list: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    format!("{head}{}", list.join(", "))
}

/// An environment that is being read.
#[doc(hidden)]
pub struct Reading<'a> {
    environment: &'a Environment,
    missing: Vec<&'static str>,
    wrong: Vec<String>,
    pub(super) asked: BTreeSet<&'static str>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(environment: &'a Environment) -> Self {
        Self { environment, missing: Vec::new(), wrong: Vec::new(), asked: BTreeSet::new() }
    }

    /// An optional value; an empty one counts as missing.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        self.asked.insert(name);
        self.environment.0.get(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// A required value.
    pub(super) fn needed(&mut self, name: &'static str) -> Option<String> {
        let value = self.optional(name);
        // A function that sends to its own queue reads it twice.
        if value.is_none() && !self.missing.contains(&name) {
            self.missing.push(name);
        }
        value
    }

    /// An optional value that must not be wrong.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = parse(&self.optional(name)?);
        parsed.map_err(|wrong| self.wrong.push(format!("{name}: {wrong}"))).ok()
    }

    pub(super) fn finished<T>(
        self,
        function: Function,
        settings: Option<T>,
    ) -> Result<T, Incomplete> {
        match settings {
            Some(settings) if self.missing.is_empty() && self.wrong.is_empty() => Ok(settings),
            Some(_) | None => Err(Incomplete {
                function: function.name(),
                missing: self.missing,
                wrong: self.wrong,
            }),
        }
    }
}

/// A whole number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "write whole seconds, such as 300".to_owned())
}

/// A number of things at once.
pub(super) fn at_once(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=1_000).contains(number));
    number
        .ok_or_else(|| format!("{text:?} is no whole number from 1 to 1000; write one, such as 10"))
}

/// `address`, or `Name <address>`. The template's pattern for it takes nothing else.
///
/// # Errors
///
/// What is wrong with it.
pub fn sender(text: &str) -> Result<Sender, String> {
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (Some(name.trim().trim_matches('"').to_owned()), address),
        None => (None, text),
    };
    let address = address.trim().to_owned();
    if !address.split('@').next().is_some_and(str::is_ascii) {
        return Err("write ASCII before the @ of an address: SES sends from no other".to_owned());
    }
    if dacapo_engine::address::is_plausible(&address) {
        Ok(Sender { name: name.filter(|name| !name.is_empty()), address })
    } else {
        Err("write an address, or a name and an address in angle brackets".to_owned())
    }
}
