//! A client that is made when it is first used.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A client that is made when it is first used. Making one reads the SDK's list of regions, for a
/// quarter of a millisecond, and most events need one or two of them. Clones share it.
pub struct LazyClient<C>(Arc<LazyLock<C, Making<C>>>);

type Making<C> = Box<dyn FnOnce() -> C + Send>;

impl<C> LazyClient<C> {
    pub(super) fn new(making: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(making))))
    }

    /// Makes it now, unless it is made already.
    pub fn make(&self) {
        LazyLock::force(&self.0);
    }
}

impl<C> Clone for LazyClient<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for LazyClient<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> fmt::Debug for LazyClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later(…)")
    }
}

/// A client that is made already.
impl<C: Send + 'static> From<C> for LazyClient<C> {
    fn from(client: C) -> Self {
        Self::new(move || client)
    }
}
