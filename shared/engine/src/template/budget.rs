//! What one rendering may use: steps, bytes that are processed, and the size and depth of a value.
//!
//! It promises that no value is larger than [`LARGEST_VALUE`] or deeper than [`DEEPEST_VALUE`] when
//! it is used, and that everything that reads values pays for their size. Nothing here reads a
//! clock: the same template with the same values always uses the same.

use minijinja::value::{ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// The largest value that a template may make, in bytes; each item of a list counts as 32 more.
pub const LARGEST_VALUE: usize = 1024 * 1024;

/// How deep lists and maps may be nested.
pub const DEEPEST_VALUE: usize = 32;

/// What an item of a list costs besides its contents, in bytes.
const BYTES_OF_A_LIST_ITEM: usize = 32;

/// What a value costs that is neither a text nor holds others, in bytes.
const BYTES_OF_A_SMALL_VALUE: usize = 16;

const TOO_LARGE: &str = "too large";
const TOO_DEEP: &str = "too deep";

/// The amount that a rendering may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// 10,000 steps and 256 KiB processed, from at most 16 KiB of template: a few milliseconds.
    /// Every ordinary mail needs less.
    Small,
    /// 400,000 steps and 8 MiB processed, from at most [`super::LONGEST_SOURCE_BYTES`]: some tenths
    /// of a second.
    Full,
}

impl Budget {
    /// How many steps of the template language may be taken.
    pub const fn steps(self) -> u64 {
        match self {
            Self::Small => 10_000,
            Self::Full => 400_000,
        }
    }

    /// How many bytes may be made or read.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => 256 * 1024,
            Self::Full => 8 * 1024 * 1024,
        }
    }

    /// The longest template, in bytes.
    pub const fn source(self) -> usize {
        match self {
            Self::Small => 16 * 1024,
            Self::Full => super::LONGEST_SOURCE_BYTES,
        }
    }
}

/// What exceeded the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Steps,
    Value,
    Depth,
}

/// Whether a rendering failed because it exceeded its budget.
pub(super) fn excess(error: &Error) -> Option<Excess> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = next {
        if let Some(error) = one.downcast_ref::<Error>()
            && error.kind() == ErrorKind::OutOfFuel
        {
            return Some(match error.detail() {
                Some(TOO_LARGE) => Excess::Value,
                Some(TOO_DEEP) => Excess::Depth,
                Some(_) | None => Excess::Steps,
            });
        }
        next = one.source();
    }
    None
}

/// What is left of the bytes; kept in the state of one rendering.
struct BytesLeft(usize);

fn left<'a>(state: &'a mut State<'_, '_>) -> &'a mut BytesLeft {
    let full = state.env().fuel() != Some(Budget::Small.steps());
    let budget = if full { Budget::Full } else { Budget::Small };
    state.get_or_insert_extension_with(|| BytesLeft(budget.bytes()))
}

/// Takes some bytes off the rest.
pub(super) fn spend(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let left = left(state);
    match left.0.checked_sub(bytes) {
        Some(rest) => {
            left.0 = rest;
            Ok(())
        }
        None => {
            left.0 = 0;
            Err(Error::from(ErrorKind::OutOfFuel))
        }
    }
}

/// Takes the bytes of what is about to be made off the rest, before it is made.
pub(super) fn make(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    if bytes > LARGEST_VALUE {
        return Err(Error::new(ErrorKind::OutOfFuel, TOO_LARGE));
    }
    spend(state, bytes)
}

/// The value, paid for, with everything in it made: a lazy value becomes a list. Otherwise reading
/// it later would cost what has not been paid for.
pub(super) fn settle(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    settled(state, value).map(|(value, _)| value)
}

/// As [`settle`], with the size of the value in bytes.
pub(super) fn settled(state: &mut State<'_, '_>, value: Value) -> Result<(Value, usize), Error> {
    let mut scale = Scale { weighed: 0, most: LARGEST_VALUE.min(left(state).0) };
    let made = match value.kind() {
        ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                let item = item?;
                scale.put(BYTES_OF_A_LIST_ITEM)?;
                scale.weigh(&item, 1)?;
                items.push(item);
            }
            Value::from(items)
        }
        _ => {
            scale.weigh(&value, 0)?;
            value
        }
    };
    spend(state, scale.weighed)?;
    Ok((made, scale.weighed))
}

/// Adds up bytes, up to a maximum.
struct Scale {
    weighed: usize,
    most: usize,
}

impl Scale {
    fn put(&mut self, bytes: usize) -> Result<(), Error> {
        self.weighed = self.weighed.saturating_add(bytes);
        if self.weighed <= self.most {
            return Ok(());
        }
        Err(if self.most < LARGEST_VALUE {
            Error::from(ErrorKind::OutOfFuel)
        } else {
            Error::new(ErrorKind::OutOfFuel, TOO_LARGE)
        })
    }

    fn weigh(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST_VALUE {
            return Err(Error::new(ErrorKind::OutOfFuel, TOO_DEEP));
        }
        match value.kind() {
            ValueKind::String => {
                self.put(BYTES_OF_A_SMALL_VALUE + value.as_str().map_or(0, str::len))
            }
            ValueKind::Bytes => {
                self.put(BYTES_OF_A_SMALL_VALUE + value.as_bytes().map_or(0, <[u8]>::len))
            }
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()?.checked() {
                    self.put(BYTES_OF_A_LIST_ITEM)?;
                    self.weigh(&item?, depth + 1)?;
                }
                Ok(())
            }
            ValueKind::Map => self.weigh_map(value, depth),
            _ => self.put(BYTES_OF_A_SMALL_VALUE),
        }
    }

    fn weigh_map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let pairs = value
            .as_object()
            .filter(|object| object.repr() == ObjectRepr::Map)
            .and_then(|object| object.try_iter_pairs());
        for (key, item) in pairs.into_iter().flatten() {
            self.put(2 * BYTES_OF_A_LIST_ITEM)?;
            self.weigh(&key, depth + 1)?;
            self.weigh(&item, depth + 1)?;
        }
        Ok(())
    }
}
