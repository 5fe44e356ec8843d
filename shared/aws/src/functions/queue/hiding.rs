//! Hiding a message in its queue: until then it is not received.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use chrono::TimeDelta;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_platform::ports::Unavailable;

use crate::clients::LazyClient;
use crate::functions::start::Started;

/// The longest time for which SQS hides a message, counted from its receipt.
const LONGEST_HIDDEN: TimeDelta = TimeDelta::hours(12);

/// How many messages are hidden by one request.
const MOST_A_BATCH: usize = 10;

/// A message to hide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// The ARN of its queue.
    pub queue: String,
    /// Its receipt handle.
    pub receipt: String,
    /// For how many seconds.
    pub seconds: i32,
}

impl Hidden {
    /// For a time: whole seconds, rounded up, at most twelve hours.
    pub(super) fn new(queue: &str, receipt: &str, wait: TimeDelta) -> Self {
        let wait = wait.clamp(TimeDelta::zero(), LONGEST_HIDDEN - TimeDelta::minutes(1));
        let seconds = (wait + TimeDelta::milliseconds(999)).num_seconds();
        let seconds = i32::try_from(seconds).unwrap_or(0);
        Self { queue: queue.to_owned(), receipt: receipt.to_owned(), seconds }
    }
}

/// Hides messages.
#[async_trait]
pub trait Hide: Send + Sync {
    /// Hides these.
    async fn hide(&self, hidden: Vec<Hidden>) -> Result<(), Unavailable>;
}

/// Hiding in SQS.
pub struct SqsHide {
    client: LazyClient<aws_sdk_sqs::Client>,
    /// The queues' URLs by name.
    urls: BTreeMap<String, String>,
}

impl SqsHide {
    /// For the queues of a function that has started.
    pub fn of(started: &Started) -> Self {
        let named = |url: &String| Some((url.rsplit('/').next()?.to_owned(), url.clone()));
        let urls = started.queues.iter().filter_map(named).collect_compactly();
        Self { client: started.clients.sqs(), urls }
    }

    async fn batch(&self, queue: &str, batch: &[Hidden]) -> Result<(), Unavailable> {
        let name = queue.rsplit(':').next().unwrap_or_default();
        let unknown = || Unavailable(format!("this function has no queue {name}"));
        let url = self.urls.get(name).ok_or_else(unknown)?;
        let mut request = self.client.change_message_visibility_batch().queue_url(url);
        for (index, hidden) in batch.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&hidden.receipt)
                .visibility_timeout(hidden.seconds)
                .build();
            request = request.entries(entry.map_err(|error| Unavailable(error.to_string()))?);
        }
        let changed = request.send().await;
        let changed = changed.map_err(|error| {
            Unavailable(crate::error_text::text_of(&error.into_service_error()))
        })?;
        match changed.failed() {
            [] => Ok(()),
            [first, ..] => {
                let (count, code) = (changed.failed().len(), first.code());
                Err(Unavailable(format!("{count} messages of {name}: {code}")))
            }
        }
    }
}

#[async_trait]
impl Hide for SqsHide {
    async fn hide(&self, hidden: Vec<Hidden>) -> Result<(), Unavailable> {
        let mut queues: BTreeMap<String, Vec<Hidden>> = BTreeMap::new();
        for one in hidden {
            queues.entry(one.queue.clone()).or_default().push(one);
        }
        let batches = queues.iter().flat_map(|(queue, all)| {
            all.chunks(MOST_A_BATCH).map(move |batch| self.batch(queue, batch))
        });
        let done = futures_util::future::join_all(batches).await;
        done.into_iter().collect()
    }
}
