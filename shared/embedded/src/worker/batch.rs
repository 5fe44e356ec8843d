//! What a round takes at once: whose it is, how it goes side by side, what acknowledges it.

use std::sync::{Arc, Mutex, PoisonError};

use dacapo_platform::error::Error;
use dacapo_platform::ports::Message;
use dacapo_platform::table::{Body, TableError};
use tokio::task::JoinSet;

use crate::store::Operation;

/// What acknowledges the work of a batch: one commit. A crash before it repeats the work, which bears that.
#[derive(Clone, Default)]
pub(super) struct Acknowledged(Arc<Mutex<Vec<Operation>>>);

impl Acknowledged {
    pub(super) fn add(&self, operation: Option<Operation>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(operation);
    }

    pub(super) fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes from a source until it has nothing more. Says whether it had anything.
pub(super) async fn drained<F>(mut take: impl FnMut() -> F) -> Result<bool, Error>
where
    F: Future<Output = Result<bool, Error>>,
{
    let mut any = false;
    while take().await? {
        any = true;
    }
    Ok(any)
}

/// Lets contacts go side by side, over all cores. The first failure is answered when all are through.
pub(super) async fn side_by_side<F>(contacts: impl Iterator<Item = F>) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut under_way: JoinSet<Result<(), Error>> = contacts.collect();
    let mut answer = Ok(());
    while let Some(done) = under_way.join_next().await {
        let done = done.unwrap_or_else(|error| {
            Err(Error::from(TableError::Failed(format!("a task ended: {error}"))))
        });
        answer = answer.and(done);
    }
    answer
}

/// What a message is about, a contact or a lane of a job: its messages go in order.
pub(super) fn whose(body: &Body) -> Option<String> {
    body.read::<Message>().ok()?.lane()
}
