//! Busy work, done where it does not delay other work.

use std::sync::{Arc, Mutex, PoisonError};

use crate::ports::BlockingWork;

/// Where busy work is done.
pub(crate) struct Blocking {
    pub(crate) work: Arc<dyn BlockingWork>,
}

impl Blocking {
    /// Does busy work. `None` if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let answer = Arc::new(Mutex::new(None));
        let put = Arc::clone(&answer);
        self.work
            .run(Box::new(move || {
                let made = work();
                *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }))
            .await;
        answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
