//! The filters, tests and functions that templates may use: those of Jinja that a mail can need.
//!
//! It promises that each pays for its input before it begins, and for its output. Those that can
//! make more than their input say beforehand how much.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, functions, tests};

use super::budget::{make, settle, settled, spend};
use super::{dates, printing, texts};

/// The cost of a filter, besides reading all of its input once.
#[derive(Clone, Copy)]
enum Cost {
    /// Nothing more.
    Once,
    /// It compares items, each time with all of the other input.
    Sorts,
    /// It reads all of the other input for each letter or item.
    Each,
    /// It makes at most this much, in bytes.
    Makes(fn(&[Value], usize) -> usize),
}

/// A filter of the template language with its price.
fn priced(
    inner: &'static str,
    cost: Cost,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<Value, Error> + Send + Sync + 'static
{
    move |state: &mut State<'_, '_>, given: Rest<ValueOrKwargs>| {
        let mut arguments = Vec::with_capacity(given.len());
        let mut sizes = Vec::with_capacity(given.len());
        for value in given.into_values() {
            let (value, size) = settled(state, value)?;
            arguments.push(value);
            sizes.push(size);
        }
        let first = sizes.first().copied().unwrap_or_default();
        let others: usize = sizes.iter().skip(1).sum();
        match cost {
            Cost::Once => {}
            Cost::Sorts => {
                let rounds = first.max(2).ilog2() as usize;
                spend(state, first.saturating_add(first / 32 * others).saturating_mul(rounds) / 4)?;
            }
            Cost::Each => spend(state, first.saturating_mul(others) / 16)?,
            Cost::Makes(bytes) => make(state, bytes(&arguments, first + others))?,
        }
        let made = state.apply_filter(inner, &arguments)?;
        settle(state, made)
    }
}

fn priced_test(
    inner: &'static str,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<bool, Error> + Send + Sync + 'static
{
    move |state: &mut State<'_, '_>, given: Rest<ValueOrKwargs>| {
        let arguments = given
            .into_values()
            .into_iter()
            .map(|value| settle(state, value))
            .collect::<Result<Vec<_>, _>>()?;
        state.perform_test(inner, &arguments)
    }
}

macro_rules! offered {
    ($names:ident, $install:ident, $add:ident, $($doc:literal)+;
     $($name:literal => $function:expr, $price:expr;)*) => {
        $(#[doc = $doc])+
        pub const $names: &[&str] = &[$($name),*];

        fn $install(environment: &mut Environment<'static>) {
            $(
                // No template can write the name with the `$`.
                environment.$add(concat!("$", $name), $function);
                environment.$add($name, ($price)(concat!("$", $name)));
            )*
        }
    };
}

macro_rules! cost {
    ($cost:expr) => {
        |inner| priced(inner, $cost)
    };
}

offered! {
    FILTERS, install_filters, add_filter, "The filters that templates may use.";
    "abs" => filters::abs, cost!(Cost::Once);
    "attr" => filters::attr, cost!(Cost::Once);
    "batch" => filters::batch, cost!(Cost::Makes(texts::of_batch));
    "bool" => filters::bool, cost!(Cost::Once);
    "capitalize" => filters::capitalize, cost!(Cost::Once);
    "center" => texts::center, cost!(Cost::Makes(texts::of_width));
    "chain" => filters::chain, cost!(Cost::Once);
    "count" => filters::length, cost!(Cost::Once);
    "d" => printing::default, cost!(Cost::Once);
    "date" => dates::date, cost!(Cost::Once);
    "default" => printing::default, cost!(Cost::Once);
    "dictsort" => filters::dictsort, cost!(Cost::Sorts);
    "e" => filters::escape, cost!(Cost::Once);
    "escape" => filters::escape, cost!(Cost::Once);
    "filesizeformat" => texts::filesizeformat, cost!(Cost::Once);
    "first" => filters::first, cost!(Cost::Once);
    "float" => filters::float, cost!(Cost::Once);
    "forceescape" => texts::forceescape, cost!(Cost::Once);
    "format" => filters::format, cost!(Cost::Makes(texts::of_format));
    "groupby" => filters::groupby, cost!(Cost::Sorts);
    "indent" => filters::indent, cost!(Cost::Makes(texts::of_indent));
    "int" => filters::int, cost!(Cost::Once);
    "items" => filters::items, cost!(Cost::Once);
    "join" => printing::join, cost!(Cost::Makes(texts::of_join));
    "last" => filters::last, cost!(Cost::Once);
    "length" => filters::length, cost!(Cost::Once);
    "lines" => filters::lines, cost!(Cost::Once);
    "list" => filters::list, cost!(Cost::Once);
    "lower" => filters::lower, cost!(Cost::Once);
    "map" => filters::map, cost!(Cost::Each);
    "max" => filters::max, cost!(Cost::Sorts);
    "min" => filters::min, cost!(Cost::Sorts);
    "reject" => filters::reject, cost!(Cost::Each);
    "rejectattr" => filters::rejectattr, cost!(Cost::Each);
    "replace" => filters::replace, cost!(Cost::Makes(texts::of_replace));
    "reverse" => filters::reverse, cost!(Cost::Once);
    "round" => filters::round, cost!(Cost::Once);
    "safe" => filters::safe, cost!(Cost::Once);
    "select" => filters::select, cost!(Cost::Each);
    "selectattr" => filters::selectattr, cost!(Cost::Each);
    "slice" => filters::slice, cost!(Cost::Makes(texts::of_slice));
    "sort" => filters::sort, cost!(Cost::Sorts);
    "split" => filters::split, cost!(Cost::Once);
    "string" => filters::string, cost!(Cost::Once);
    "striptags" => texts::striptags, cost!(Cost::Once);
    "sum" => sum, cost!(Cost::Each);
    "title" => filters::title, cost!(Cost::Once);
    "tojson" => filters::tojson, cost!(Cost::Makes(texts::of_json));
    "trim" => filters::trim, cost!(Cost::Each);
    "truncate" => texts::truncate, cost!(Cost::Once);
    "unique" => filters::unique, cost!(Cost::Sorts);
    "upper" => filters::upper, cost!(Cost::Once);
    "urlencode" => filters::urlencode, cost!(Cost::Once);
    "wordcount" => texts::wordcount, cost!(Cost::Once);
    "wordwrap" => texts::wordwrap, cost!(Cost::Makes(texts::of_wordwrap));
    "zip" => filters::zip, cost!(Cost::Once);
}

offered! {
    TESTS, install_tests, add_test, "The tests that templates may use after `is`.";
    "boolean" => tests::is_boolean, priced_test;
    "defined" => tests::is_defined, priced_test;
    "divisibleby" => tests::is_divisibleby, priced_test;
    "endingwith" => tests::is_endingwith, priced_test;
    "eq" => tests::is_eq, priced_test;
    "equalto" => tests::is_eq, priced_test;
    "escaped" => tests::is_safe, priced_test;
    "even" => tests::is_even, priced_test;
    "false" => tests::is_false, priced_test;
    "filter" => tests::is_filter, priced_test;
    "float" => tests::is_float, priced_test;
    "ge" => tests::is_ge, priced_test;
    "greaterthan" => tests::is_gt, priced_test;
    "gt" => tests::is_gt, priced_test;
    "in" => tests::is_in, priced_test;
    "int" => tests::is_integer, priced_test;
    "integer" => tests::is_integer, priced_test;
    "iterable" => tests::is_iterable, priced_test;
    "le" => tests::is_le, priced_test;
    "lessthan" => tests::is_lt, priced_test;
    "lower" => tests::is_lower, priced_test;
    "lt" => tests::is_lt, priced_test;
    "mapping" => tests::is_mapping, priced_test;
    "ne" => tests::is_ne, priced_test;
    "none" => tests::is_none, priced_test;
    "number" => tests::is_number, priced_test;
    "odd" => tests::is_odd, priced_test;
    "safe" => tests::is_safe, priced_test;
    "sameas" => tests::is_sameas, priced_test;
    "sequence" => tests::is_sequence, priced_test;
    "startingwith" => tests::is_startingwith, priced_test;
    "string" => tests::is_string, priced_test;
    "test" => tests::is_test, priced_test;
    "true" => tests::is_true, priced_test;
    "undefined" => tests::is_undefined, priced_test;
    "upper" => tests::is_upper, priced_test;
    // For `select`: `select('>', 3)`.
    "==" => tests::is_eq, priced_test;
    "!=" => tests::is_ne, priced_test;
    "<" => tests::is_lt, priced_test;
    "<=" => tests::is_le, priced_test;
    ">" => tests::is_gt, priced_test;
    ">=" => tests::is_ge, priced_test;
}

/// The template language's own `sum`.
const NUMBERS: &str = "$numbers";

/// The functions that templates may call.
pub const FUNCTIONS: &[&str] = &["dict", "range"];

/// Puts filters, tests and functions into an environment.
pub(super) fn install(environment: &mut Environment<'static>) {
    install_filters(environment);
    install_tests(environment);
    environment.add_filter(NUMBERS, filters::sum);
    environment.add_function("range", functions::range);
    environment.add_function("dict", dict);
}

fn dict(state: &mut State<'_, '_>, given: Option<Value>, more: Kwargs) -> Result<Value, Error> {
    let given = given.map(|value| settle(state, value)).transpose()?;
    let made = functions::dict(given, more)?;
    settle(state, made)
}

/// The sum of numbers. Texts and lists would be copied as often as there are items; use `join` and
/// `chain` for them.
fn sum(state: &mut State<'_, '_>, given: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let of_texts = |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable)
    };
    let given = given.into_values();
    let named = given.last().filter(|last| last.is_kwargs());
    let named = named.and_then(|named| named.get_attr("start").ok());
    // The first is the list, the second the attribute of its items.
    if given.get(2).is_some_and(of_texts) || named.as_ref().is_some_and(of_texts) {
        let message = "`sum` adds numbers; join texts with `join` and lists with `chain`";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    state.apply_filter(NUMBERS, &given)
}
