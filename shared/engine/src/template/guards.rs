//! The compiled template with guards in it: every step that joins, compares or takes values apart
//! pays for their size.
//!
//! The template language counts steps, not bytes: `a ~ a` is one step whether `a` has ten bytes or
//! a gigabyte. Here its instructions are copied with guards in between, under names that no
//! template can write. It promises that the output of a template that stays within its budget is
//! the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::compact::CollectCompactly as _;

use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::{ObjectRepr, Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::budget::{make, settle, settled};

/// Pays for the value on top of the stack, and evaluates it if it is lazy.
const SETTLE: &str = "$settle";
/// As [`SETTLE`], for what is looked up in a list or map.
const KEY: &str = "$key";
/// Puts several values into a list, each paid for.
const ARGUMENTS: &str = "$arguments";
/// Puts the items of several lists into one.
const LISTS: &str = "$lists";
/// Puts the entries of several maps into one.
const MAPS: &str = "$maps";
/// The operator `*`.
const TIMES: &str = "$times";
/// `value[start:stop:step]`.
const SLICE: &str = "$part";

/// The longest text that may be looked up in a map, in bytes.
const LONGEST_KEY_BYTES: usize = 1024;

/// Puts the guards into the environment.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter(SETTLE, |state: &mut State<'_, '_>, value: Value| settle(state, value));
    environment.add_filter(KEY, key);
    environment.add_filter(ARGUMENTS, arguments);
    environment.add_filter(LISTS, lists);
    environment.add_filter(MAPS, maps);
    environment.add_filter(TIMES, times);
    environment.add_filter(SLICE, slice);
}

/// A copy of the instructions with the guards in between.
pub(super) fn guarded<'s>(plain: &Instructions<'s>) -> Instructions<'s> {
    let all: Vec<&Instruction<'s>> = (0..).map_while(|pc| plain.get(pc)).collect();
    let targets: BTreeSet<u32> = all.iter().filter_map(|one| target(one)).collect_compactly();
    let repeats = all.iter().any(|one| is_written_again(one));
    let mut places = Vec::with_capacity(all.len() + 1);
    let mut guarded = Vec::with_capacity(all.len() * 2);
    for (pc, one) in (0_u32..).zip(&all) {
        places.push(u32::try_from(guarded.len()).unwrap_or(u32::MAX));
        let before = match pc.checked_sub(1) {
            Some(before) if !targets.contains(&pc) => plain.get(before),
            Some(_) | None => None,
        };
        put(one, before, repeats, &mut |one| guarded.push((pc, one)));
    }
    places.push(u32::try_from(guarded.len()).unwrap_or(u32::MAX));
    let mut copy = Instructions::new(plain.name(), plain.source());
    for (pc, one) in guarded {
        let one = moved(one, &places);
        match (plain.get_span(pc), plain.get_line(pc)) {
            (Some(span), _) => copy.add_with_span(one, span),
            (None, Some(line)) => copy.add_with_line(one, u16::try_from(line).unwrap_or(u16::MAX)),
            (None, None) => copy.add(one),
        };
    }
    copy
}

/// Whether text of the template may be written more often than once.
fn is_written_again(instruction: &Instruction<'_>) -> bool {
    matches!(
        instruction,
        Instruction::PushLoop(_) | Instruction::BeginCapture(_) | Instruction::BuildMacro(..)
    )
}

fn guard<'s>(name: &'static str, arguments: usize) -> Instruction<'s> {
    // More are refused before compiling.
    Instruction::ApplyFilter(name, Some(u16::try_from(arguments).unwrap_or(u16::MAX)), !0)
}

/// One instruction with its guards.
fn put<'s>(
    one: &Instruction<'s>,
    before: Option<&Instruction<'s>>,
    repeats: bool,
    push: &mut dyn FnMut(Instruction<'s>),
) {
    match one {
        // Text of the template is written through the formatter, which pays for it.
        Instruction::EmitRaw(text) if repeats => {
            push(Instruction::LoadConst(Value::from_safe_string((*text).to_owned())));
            push(Instruction::Emit);
        }
        // Two operands: each is paid for in its place, so that an empty one still tells its origin.
        Instruction::Add
        | Instruction::StringConcat
        | Instruction::Eq
        | Instruction::Ne
        | Instruction::Gt
        | Instruction::Gte
        | Instruction::Lt
        | Instruction::Lte
        | Instruction::In
        | Instruction::CompareAndPreserve(_) => {
            push(guard(SETTLE, 1));
            push(Instruction::Swap);
            push(guard(SETTLE, 1));
            push(Instruction::Swap);
            push(one.clone());
        }
        Instruction::Mul => push(guard(TIMES, 2)),
        Instruction::Slice => push(guard(SLICE, 4)),
        Instruction::GetItem => {
            if !matches!(before, Some(Instruction::LoadConst(key)) if is_short(key)) {
                push(guard(KEY, 1));
            }
            push(Instruction::GetItem);
        }
        Instruction::BuildList(_) | Instruction::BuildTuple(_) | Instruction::BuildMap(_) => {
            push(one.clone());
            push(guard(SETTLE, 1));
        }
        Instruction::UnpackLists(count) => {
            push(guard(LISTS, *count));
            push(Instruction::UnpackLists(1));
        }
        Instruction::MergeKwargs(count) => {
            push(guard(MAPS, *count));
            push(Instruction::MergeKwargs(1));
        }
        // `loop.changed(…)` compares its arguments.
        Instruction::CallMethod(name, Some(count)) if *count > 1 => {
            push(guard(ARGUMENTS, usize::from(*count)));
            push(Instruction::UnpackLists(1));
            push(Instruction::CallMethod(name, None));
        }
        _ => push(one.clone()),
    }
}

fn is_short(key: &Value) -> bool {
    key.is_number() || key.as_str().is_some_and(|key| key.len() <= 64)
}

/// The target of a jump.
fn target(instruction: &Instruction<'_>) -> Option<u32> {
    match instruction {
        Instruction::Jump(to)
        | Instruction::JumpIfFalse(to)
        | Instruction::JumpIfFalseOrPop(to)
        | Instruction::JumpIfTrueOrPop(to)
        | Instruction::Iterate(to)
        | Instruction::BuildMacro(_, to, _) => Some(*to),
        _ => None,
    }
}

/// The instruction with its jump target in the copy.
fn moved<'s>(mut instruction: Instruction<'s>, places: &[u32]) -> Instruction<'s> {
    match &mut instruction {
        Instruction::Jump(to)
        | Instruction::JumpIfFalse(to)
        | Instruction::JumpIfFalseOrPop(to)
        | Instruction::JumpIfTrueOrPop(to)
        | Instruction::Iterate(to)
        | Instruction::BuildMacro(_, to, _) => {
            let place = usize::try_from(*to).ok().and_then(|to| places.get(to));
            *to = place.or(places.last()).copied().unwrap_or_default();
        }
        _ => {}
    }
    instruction
}

fn key(state: &mut State<'_, '_>, key: Value) -> Result<Value, Error> {
    let (key, size) = settled(state, key)?;
    if size > LONGEST_KEY_BYTES {
        let message = format!("what is looked up has at most {LONGEST_KEY_BYTES} bytes");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(key)
}

fn arguments(state: &mut State<'_, '_>, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let values = values.into_values().into_iter().map(|value| settle(state, value));
    values.collect::<Result<Vec<_>, _>>().map(Value::from)
}

fn lists(state: &mut State<'_, '_>, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut items = Vec::new();
    for value in values.into_values() {
        for item in settle(state, value)?.try_iter()?.checked() {
            items.push(item?);
        }
    }
    Ok(Value::from(items))
}

fn maps(state: &mut State<'_, '_>, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let mut entries = BTreeMap::new();
    for value in values.into_values() {
        let value = settle(state, value)?;
        let pairs = value
            .as_object()
            .filter(|object| object.repr() == ObjectRepr::Map)
            .and_then(|object| object.try_iter_pairs());
        let Some(pairs) = pairs else {
            let message = format!("after `**` stands a map, not {}", value.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        };
        entries.extend(pairs);
    }
    Ok(Value::from_object(entries))
}

fn times(state: &mut State<'_, '_>, one: Value, other: Value) -> Result<Value, Error> {
    if one.is_undefined() || other.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let repeats = |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable)
    };
    let (repeated, count) = match (repeats(&one), repeats(&other)) {
        (true, false) => (one, other),
        (false, true) => (other, one),
        (true, true) | (false, false) => return product(&one, &other),
    };
    let Ok(count) = i64::try_from(count.clone()) else {
        return Err(unsupported("*", &repeated, &count));
    };
    let count = usize::try_from(count).unwrap_or(0);
    let (repeated, size) = settled(state, repeated)?;
    if let Some(text) = repeated.as_str() {
        make(state, text.len().saturating_mul(count))?;
        return Ok(Value::from(text.repeat(count)));
    }
    make(state, size.saturating_mul(count))?;
    let items: Vec<Value> = repeated.try_iter()?.collect();
    // An empty list has no size, however often it is repeated.
    let count = if items.is_empty() { 0 } else { count };
    Ok(Value::from(std::iter::repeat_n(items, count).flatten().collect::<Vec<_>>()))
}

fn product(one: &Value, other: &Value) -> Result<Value, Error> {
    let whole = |value: &Value| {
        let is_whole = value.is_integer() || value.kind() == ValueKind::Bool;
        if is_whole { i128::try_from(value.clone()).ok() } else { None }
    };
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        let product = one.checked_mul(other).ok_or_else(|| {
            let message = format!("unable to calculate {one} * {other}");
            Error::new(ErrorKind::InvalidOperation, message)
        })?;
        return Ok(i64::try_from(product).map_or_else(|_| Value::from(product), Value::from));
    }
    match (f64::try_from(one.clone()), f64::try_from(other.clone())) {
        (Ok(one), Ok(other)) => Ok(Value::from(one * other)),
        (Err(_), _) | (_, Err(_)) => Err(unsupported("*", one, other)),
    }
}

fn unsupported(operator: &str, one: &Value, other: &Value) -> Error {
    let (one, other) = (one.kind(), other.kind());
    let message =
        format!("tried to use {operator} operator on unsupported types {one} and {other}");
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `value[start:stop:step]`, counted as in Python.
fn slice(
    state: &mut State<'_, '_>,
    value: Value,
    start: &Value,
    stop: &Value,
    step: &Value,
) -> Result<Value, Error> {
    let (value, _) = settled(state, value)?;
    let step = bound(step)?.unwrap_or(1);
    if step == 0 {
        let message = "cannot slice by step size of 0";
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let (start, stop) = (bound(start)?, bound(stop)?);
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Value::from(Vec::<Value>::new())),
        ValueKind::String => {
            let letters: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
            let places = places(letters.len(), start, stop, step);
            Ok(Value::from(places.filter_map(|at| letters.get(at)).collect::<String>()))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            let places = places(items.len(), start, stop, step);
            let chosen: Vec<Value> = places.filter_map(|at| items.get(at)).cloned().collect();
            Ok(if value.is_tuple() { Tuple::from(chosen).into() } else { Value::from(chosen) })
        }
        kind => {
            let message = format!("value of type {kind} cannot be sliced");
            Err(Error::new(ErrorKind::InvalidOperation, message))
        }
    }
}

/// A bound of a slice; one that is left out is `None`.
fn bound(value: &Value) -> Result<Option<i64>, Error> {
    if value.is_none() || value.is_undefined() {
        return Ok(None);
    }
    // No list is that long, and sums of such numbers stay in range.
    let most = i64::from(i32::MAX);
    Ok(Some(i64::try_from(value.clone())?.clamp(-most, most)))
}

/// The places that a slice takes from this many.
fn places(
    count: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
) -> impl Iterator<Item = usize> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 { (0, count) } else { (-1, count - 1) };
    let within = |bound: Option<i64>, otherwise: i64| match bound {
        Some(from_end) if from_end < 0 => (from_end + count).max(lowest),
        Some(bound) => bound.min(highest),
        None => otherwise,
    };
    let (first, end) = if step > 0 {
        (within(start, lowest), within(stop, highest))
    } else {
        (within(start, highest), within(stop, lowest))
    };
    std::iter::successors(Some(first), move |at| at.checked_add(step))
        .take_while(move |at| if step > 0 { *at < end } else { *at > end })
        .filter_map(|at| usize::try_from(at).ok())
}
