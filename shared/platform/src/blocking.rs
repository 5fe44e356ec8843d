//! Busy work, done where it does not delay other work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, panic_words};
use crate::ports::BlockingWork;

/// Where busy work is done.
pub(crate) struct Blocking {
    pub(crate) work: Arc<dyn BlockingWork>,
}

impl Blocking {
    /// Does busy work, which has to be bounded.
    ///
    /// # Errors
    ///
    /// [`Error::Panicked`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let answer = Arc::new(Mutex::new(None));
        let put = Arc::clone(&answer);
        self.work
            .run(Box::new(move || {
                let made = catch_unwind(AssertUnwindSafe(work));
                let made = made.map_err(|panic| Error::Panicked(panic_words(panic.as_ref())));
                *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }))
            .await;
        let made = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        made.unwrap_or_else(|| Err(Error::Panicked("the work was broken off".to_owned())))
    }
}
