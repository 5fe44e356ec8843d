//! Compiled templates, cached by their text: the same few are rendered for every contact.
//!
//! Each thread has its own cache, so there is no waiting. It promises that its templates are within
//! the bounds of [`super::bounds`], and that the cache is bounded: by bytes of templates, of which
//! the compiled form takes about ten times as much. When it is full it is emptied.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use minijinja::Environment;

use super::{TemplateProblem, bounds, problem};

/// The longest template that is kept, in bytes.
const LONGEST_CACHED_BYTES: usize = 16 * 1024;

/// How many bytes of templates a thread keeps.
const MOST_CACHED_BYTES: usize = 256 * 1024;

/// The name of a compiled template within its environment, which has no other.
pub(super) const NAME: &str = "<string>";

/// Templates, each in an environment of its own that is used only for its instructions.
#[derive(Default)]
struct CompiledTemplates {
    bytes: usize,
    by_source: HashMap<String, Rc<Environment<'static>>>,
}

thread_local! {
    static CACHED: RefCell<CompiledTemplates> = RefCell::default();
}

/// An environment with this template in it, as [`NAME`].
pub(super) fn of(source: &str) -> Result<Rc<Environment<'static>>, TemplateProblem> {
    if let Some(known) = CACHED.with_borrow(|kept| kept.by_source.get(source).map(Rc::clone)) {
        return Ok(known);
    }
    bounds::check(source)?;
    let mut environment = Environment::empty();
    environment
        .add_template_owned(NAME, source.to_owned())
        .map_err(|error| problem(&error, source))?;
    let compiled = Rc::new(environment);
    if source.len() <= LONGEST_CACHED_BYTES {
        CACHED.with_borrow_mut(|kept| kept.keep(source, &compiled));
    }
    Ok(compiled)
}

impl CompiledTemplates {
    fn keep(&mut self, source: &str, compiled: &Rc<Environment<'static>>) {
        if self.bytes + source.len() > MOST_CACHED_BYTES {
            *self = Self::default();
        }
        if self.by_source.insert(source.to_owned(), Rc::clone(compiled)).is_none() {
            self.bytes += source.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = CompiledTemplates::default();
        let compiled = Rc::new(Environment::empty());
        let longest = "x".repeat(LONGEST_CACHED_BYTES - 8);
        for n in 0..200 {
            kept.keep(&format!("{n:08}{longest}"), &compiled);
            assert!(kept.bytes <= MOST_CACHED_BYTES);
            assert_eq!(kept.bytes, kept.by_source.len() * LONGEST_CACHED_BYTES);
        }
        kept.keep(&format!("{:08}{longest}", 199), &compiled);
        assert_eq!(kept.bytes, kept.by_source.len() * LONGEST_CACHED_BYTES, "counted twice");
    }

    #[test]
    fn a_template_is_compiled_once_and_a_wrong_one_is_not_kept() {
        let once = of("compiled once: {{ contact.first_name }}").unwrap();
        let again = of("compiled once: {{ contact.first_name }}").unwrap();
        assert!(Rc::ptr_eq(&once, &again));
        let wrong = "kept wrong: {{ contact. }}";
        assert!(of(wrong).is_err() && of(wrong).is_err());
        assert!(CACHED.with_borrow(|kept| !kept.by_source.contains_key(wrong)));
    }
}
