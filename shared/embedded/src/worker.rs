//! The worker: what the Lambda functions do in the cloud, in one task.
//!
//! It works in rounds. A round takes what the change feed, the timers and the queues have, all at
//! the same time. Different contacts are processed concurrently, the same contact in order. Only
//! what is done is acknowledged: what a crash interrupts is taken again, and is idempotent. Job
//! steps wait while the feed is far behind, so that jobs do not delay other work. Calls of other
//! servers (webhooks, a mail server) run beside the rounds and delay nothing.

mod batch;
mod dead_letters;
mod erasure;
mod outward;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_engine::ids::ContactId;
use dacapo_platform::Instant;
use dacapo_platform::api::{LookBack, do_unfinished_calls};
use dacapo_platform::dead_letters::DeadLetterKind;
use dacapo_platform::error::{Error, Retryability, caught};
use dacapo_platform::handlers::{ContactImage, Done, EnrollmentImage};
use dacapo_platform::keys::{fed, shard};
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::{Clock as _, Queue, QueueMessage};
use dacapo_platform::rate_limited_log::RateLimitedLog;
use dacapo_platform::table::{Body, TableError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clock::EmbeddedClock;
use crate::smtp::ServerState;
use crate::stopping::Stopping;
use crate::store::{Change, Operation, ReceivedMessage, SqliteStore, Timer};
use batch::{Acknowledged, Sources, side_by_side, whose};
use erasure::Erasure;
use outward::Places;

/// The consumer of the change feed.
pub(crate) const CONSUMER: &str = "worker";

/// How much a round takes from each source.
const BATCH: usize = 512;

/// While the feed has this many changes to process, no job step is done. Otherwise the results of
/// jobs would delay other changes, and would have to be read back from the disk.
const MOST_CHANGES_BEHIND: i64 = 4096;

/// The decisions of a round are performed in this many parts, each with contacts of its own: by two
/// cores, beside the store's threads.
const PARTS: u32 = 4;

/// After this many consecutive failed rounds a worker that is to stop does so.
const FAILURES_AT_THE_END: u32 = 3;

/// How long work waits that has to come after the feed, when the feed has nothing more.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(60);

/// How often calls to connections are looked for that were kept and not ended.
const UNFINISHED_CALLS_EVERY: TimeDelta = TimeDelta::minutes(5);

/// How often expired items are deleted.
const DELETE_EXPIRED_EVERY: TimeDelta = TimeDelta::hours(1);

/// Requests to the worker.
pub(crate) enum Request {
    /// Answers when nothing is left to do.
    Idle(oneshot::Sender<()>),
    /// Moves a standing clock. What is due fires in order of time, and the worker works until idle
    /// at every instant. Answers how many timers fired.
    Advance(Instant, oneshot::Sender<usize>),
}

/// The handle for asking the worker.
#[derive(Clone)]
pub struct WorkerHandle(pub(crate) mpsc::Sender<Request>);

impl WorkerHandle {
    /// Returns when nothing is left to do.
    pub async fn idle(&self) {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Request::Idle(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Moves a standing clock. Answers how many timers fired.
    pub async fn advance(&self, to: Instant) -> usize {
        let (answer, answered) = oneshot::channel();
        match self.0.send(Request::Advance(to, answer)).await {
            Ok(()) => answered.await.unwrap_or(0),
            Err(_) => 0,
        }
    }
}

pub(crate) struct Worker {
    work: Arc<WorkerContext>,
    /// Work that is with a webhook or a mail server.
    outward: JoinSet<()>,
    places: Places,
    stopping: Stopping,
    /// Whether the mail server is in use; there is none if mail is captured.
    mail: Option<Arc<ServerState>>,
    failed: RateLimitedLog,
    /// When expired items were last deleted.
    cleaned: Option<Instant>,
    /// When calls were last looked for that were not ended.
    finished_calls: Option<Instant>,
}

/// What the tasks of a worker share.
struct WorkerContext {
    platform: Platform,
    store: Arc<SqliteStore>,
    clock: Arc<EmbeddedClock>,
    fired: AtomicUsize,
    /// Whether something has to come after what the feed is about to deliver.
    waits: AtomicBool,
    erasure: Erasure,
}

impl Worker {
    pub(crate) async fn new(
        platform: Platform,
        store: Arc<SqliteStore>,
        clock: Arc<EmbeddedClock>,
        stopping: Stopping,
        mail: Option<Arc<ServerState>>,
    ) -> Result<Self, TableError> {
        let register = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq: 0 };
        store.commit(vec![register]).await?;
        let work = WorkerContext {
            platform,
            store,
            clock,
            fired: AtomicUsize::new(0),
            waits: AtomicBool::new(false),
            erasure: Erasure::default(),
        };
        let (outward, places) = (JoinSet::new(), Places::default());
        let (work, cleaned, failed) = (Arc::new(work), None, RateLimitedLog::default());
        let finished_calls = None;
        Ok(Self { work, outward, places, stopping, mail, failed, cleaned, finished_calls })
    }

    /// Works until no handle is left.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut committed = self.work.store.commit_notifier();
        loop {
            committed.mark_unchanged();
            self.until_idle().await;
            let sleep = tokio::time::sleep(self.until_next_due());
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::Idle(answer)) => {
                        self.until_idle().await;
                        let _ = answer.send(());
                    }
                    Some(Request::Advance(to, answer)) => {
                        let _ = answer.send(self.advance(to).await);
                    }
                    None => return,
                },
                changed = committed.changed() => if changed.is_err() { return },
                () = sleep => {}
            }
        }
    }

    /// Works until nothing is left to do, here or with other servers. What fails for now is tried
    /// again, with a growing backoff.
    async fn until_idle(&mut self) {
        let mut committed = self.work.store.commit_notifier();
        let mut failures = 0;
        loop {
            committed.mark_unchanged();
            match self.round().await {
                Ok(false) if self.outward.is_empty() => return,
                Ok(false) => {
                    let sleep = tokio::time::sleep(self.until_next_due());
                    tokio::select! {
                        _ = self.outward.join_next() => {}
                        _ = committed.changed() => {}
                        () = sleep => {}
                    }
                }
                Ok(true) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if let Some(others) = self.failed.due(self.work.clock.now()) {
                        tracing::warn!(%error, others, "a round failed and is tried again");
                    }
                    if self.stopping.is_stopping() && failures >= FAILURES_AT_THE_END {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20 << failures.min(8))).await;
                }
            }
        }
    }

    async fn advance(&mut self, to: Instant) -> usize {
        let work = Arc::clone(&self.work);
        work.fired.store(0, Ordering::SeqCst);
        self.until_idle().await;
        while let Ok(Some(due)) = self.next_due(work.clock.now())
            && due <= to
        {
            if work.clock.set(due).await.is_err() {
                break;
            }
            self.until_idle().await;
        }
        let _ = work.clock.set(to).await;
        self.until_idle().await;
        work.fired.load(Ordering::SeqCst)
    }

    /// One round. Answers whether there was anything to do.
    async fn round(&mut self) -> Result<bool, Error> {
        let work = Arc::clone(&self.work);
        let now = work.clock.now();
        if !work.clock.is_manual() {
            work.clock.remember().await?;
        }
        if self.cleaned.is_none_or(|cleaned| now - cleaned >= DELETE_EXPIRED_EVERY) {
            while work.store.delete_expired(now).await? > 0 {}
            work.store.trim().await?;
            work.platform.expiry.look().await?;
            // After a start it is not known what the last process had left.
            if self.cleaned.is_none() || work.store.rebuild_is_due(now)? {
                work.erasure.may_wait();
            }
            self.cleaned = Some(now);
        }
        if self.finished_calls.is_none_or(|done| now - done >= UNFINISHED_CALLS_EVERY) {
            let back = self.finished_calls.map_or(LookBack::All, |_| LookBack::Usual);
            let platform = work.platform.clone();
            // One that takes long delays nothing else.
            self.outward.spawn(async move {
                if let Err(error) = do_unfinished_calls(&platform, back).await {
                    tracing::warn!(
                        %error, "received calls that were not ended are looked for later"
                    );
                }
            });
            self.finished_calls = Some(now);
        }
        while self.outward.try_join_next().is_some() {}
        let sent_out = self.send_out(now).await?;
        let sources = Sources::new(3, work.store.commit_notifier());
        let (fed, timers, queues) = tokio::join!(
            sources.drained(|| work.feed()),
            sources.drained(|| work.timers()),
            sources.drained(|| work.queues(self.stopping.is_stopping())),
        );
        let more = fed? | sent_out | timers? | queues? | work.waits.swap(false, Ordering::SeqCst);
        work.scrub(now, more).await?;
        Ok(more)
    }
}

impl WorkerContext {
    async fn feed(self: &Arc<Self>) -> Result<bool, Error> {
        let changes = self.store.read_feed(CONSUMER, BATCH)?;
        let Some(last) = changes.last().map(|change| change.seq) else { return Ok(false) };
        let mut contacts: BTreeMap<ContactId, Vec<ContactImage>> = BTreeMap::new();
        let mut enrollments: BTreeMap<u32, Vec<EnrollmentImage>> = BTreeMap::new();
        for Change { key, old, new, .. } in changes {
            match fed(&key) {
                Some((contact, None)) => {
                    contacts.entry(contact).or_default().push(ContactImage { old, new });
                }
                Some((contact, Some(_))) => {
                    let part = shard(&contact) % PARTS;
                    enrollments.entry(part).or_default().push(EnrollmentImage { key, old, new });
                }
                None => {}
            }
        }
        let changed = side_by_side(contacts.into_values().map(|images| {
            let work = Arc::clone(self);
            async move {
                for image in images {
                    match Box::pin(caught(work.platform.contact_changes.handle(&image))).await {
                        Err(error) if error.retryability() == Retryability::Permanent => {
                            let ContactImage { old, new } = &image;
                            work.keep_change(DeadLetterKind::Change, (old, new), &error).await?;
                        }
                        other => other?,
                    }
                }
                Ok(())
            }
        }));
        let performed = side_by_side(enrollments.into_values().map(|images| {
            let work = Arc::clone(self);
            async move {
                match Box::pin(caught(work.platform.effects.perform_all(&images))).await {
                    Err(error) if error.retryability() == Retryability::Permanent => {
                        work.one_by_one(images).await
                    }
                    other => other,
                }
            }
        }));
        let (changed, performed) = tokio::join!(changed, performed);
        changed.and(performed)?;
        let done = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq: last };
        self.store.commit(vec![done]).await?;
        Ok(true)
    }

    /// Performs decisions one by one, because one of the batch fails permanently: that one becomes
    /// a dead letter.
    async fn one_by_one(&self, enrollments: Vec<EnrollmentImage>) -> Result<(), Error> {
        for image in enrollments {
            let one = self.platform.effects.perform_all(std::slice::from_ref(&image));
            match Box::pin(caught(one)).await {
                Err(error) if error.retryability() == Retryability::Permanent => {
                    let EnrollmentImage { old, new, .. } = &image;
                    self.keep_change(DeadLetterKind::Decision, (old, new), &error).await?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Fires what is due. Answers whether anything was done.
    async fn timers(self: &Arc<Self>) -> Result<bool, Error> {
        let fed = self.store.checkpoint(CONSUMER)?;
        let due = self.store.due_timers(self.clock.now(), BATCH)?;
        if due.is_empty() {
            return Ok(false);
        }
        let mut contacts: BTreeMap<Option<String>, Vec<Timer>> = BTreeMap::new();
        for timer in due {
            let contact = whose(&timer.body);
            contacts.entry(contact).or_default().push(timer);
        }
        let acknowledged = Acknowledged::default();
        let handled = side_by_side(contacts.into_values().map(|timers| {
            let (work, acknowledged) = (Arc::clone(self), acknowledged.clone());
            async move {
                for timer in timers {
                    acknowledged.add(work.one_timer(timer, fed).await?);
                }
                Ok(())
            }
        }))
        .await;
        self.acknowledge(acknowledged, handled).await
    }

    /// Acknowledges what was handled, whatever became of the rest. Answers whether anything was.
    async fn acknowledge(
        &self,
        acknowledged: Acknowledged,
        handled: Result<(), Error>,
    ) -> Result<bool, Error> {
        let operations = acknowledged.take();
        let any = !operations.is_empty();
        if any {
            self.store.commit(operations).await?;
        }
        handled.map(|()| any)
    }

    /// What acknowledges the timer, when it has been handled.
    async fn one_timer(&self, timer: Timer, fed: i64) -> Result<Option<Operation>, Error> {
        let operation = match self.handle_body(&timer.body).await? {
            Done::Yes => Operation::Cancel(timer.name),
            Done::Soon if self.feed_goes_on(fed)? => return Ok(None),
            Done::Soon => {
                Operation::Schedule(Timer { due: self.clock.now() + LONGEST_WAIT, ..timer })
            }
            Done::NotBefore(due) | Done::NotTried(due) => {
                Operation::Schedule(Timer { due, ..timer })
            }
        };
        self.fired.fetch_add(1, Ordering::SeqCst);
        Ok(Some(operation))
    }

    /// Processes the queues that need no other server; without jobs if it is `ending`, since a job
    /// may take hours. Answers whether anything was done.
    async fn queues(self: &Arc<Self>, ending: bool) -> Result<bool, Error> {
        let mut contacts: BTreeMap<Option<String>, Vec<ReceivedMessage>> = BTreeMap::new();
        let (fed, now) = (self.store.checkpoint(CONSUMER)?, self.clock.now());
        let behind = self.store.feed_behind(CONSUMER)? >= MOST_CHANGES_BEHIND;
        for queue in Queue::ALL {
            if self.outward_queues().contains(&queue)
                || (queue == Queue::Jobs && (behind || ending))
            {
                continue;
            }
            for message in self.store.receive(queue.name(), now, BATCH, None).await? {
                let contact = whose(&message.body);
                contacts.entry(contact).or_default().push(message);
            }
        }
        if contacts.is_empty() {
            return Ok(false);
        }
        let acknowledged = Acknowledged::default();
        let handled = side_by_side(contacts.into_values().map(|messages| {
            let (work, acknowledged) = (Arc::clone(self), acknowledged.clone());
            async move {
                for message in messages {
                    acknowledged.add(work.one_message(message, fed).await?);
                }
                Ok(())
            }
        }))
        .await;
        self.acknowledge(acknowledged, handled).await
    }

    /// What acknowledges the message, when it has been handled.
    async fn one_message(
        &self,
        message: ReceivedMessage,
        fed: i64,
    ) -> Result<Option<Operation>, Error> {
        let ReceivedMessage { id, body, .. } = message;
        Ok(Some(match self.handle_body(&body).await? {
            Done::Yes => Operation::Remove { id },
            Done::Soon if self.feed_goes_on(fed)? => return Ok(None),
            Done::Soon => Operation::Defer { id, visible_at: self.clock.now() + LONGEST_WAIT },
            Done::NotBefore(visible_at) => Operation::Defer { id, visible_at },
            Done::NotTried(visible_at) => Operation::PutBack { id, visible_at },
        }))
    }

    /// Whether the feed is still delivering what other work has to follow, or has moved on since it
    /// was at `fed`. Then the round is not the last.
    fn feed_goes_on(&self, fed: i64) -> Result<bool, Error> {
        let goes_on = self.store.feed_rests_at(CONSUMER)? != Some(fed);
        self.waits.fetch_or(goes_on, Ordering::SeqCst);
        Ok(goes_on)
    }

    async fn handle_body(&self, body: &Body) -> Result<Done, Error> {
        match body.read::<QueueMessage>() {
            Ok(message) => self.handle(&message, body).await,
            Err(error) => {
                self.keep_dead_letter(DeadLetterKind::Message, body.as_str(), &error, Vec::new())
                    .await?;
                Ok(Done::Yes)
            }
        }
    }

    async fn handle(&self, message: &QueueMessage, body: &Body) -> Result<Done, Error> {
        match Box::pin(caught(self.platform.queues.handle(message))).await {
            Err(error) if error.retryability() == Retryability::Permanent => {
                self.keep_dead_letter(DeadLetterKind::Message, body.as_str(), &error, Vec::new())
                    .await?;
                Ok(Done::Yes)
            }
            // A dead letter may have been an erasure, and is itself about a person.
            Ok(Done::Yes)
                if matches!(message, QueueMessage::Erase(_) | QueueMessage::Redrive(_)) =>
            {
                if self.erasure.happened(self.store.last_change()?) {
                    self.store.want_rebuild().await?;
                    self.erasure.noted(true);
                }
                Ok(Done::Yes)
            }
            other => other,
        }
    }

    /// Erased data is removed from the files when the feed has been read: as soon as nothing else
    /// is to do, or after some rounds.
    async fn scrub(&self, now: Instant, more: bool) -> Result<(), Error> {
        if self.erasure.is_ready(self.store.checkpoint(CONSUMER)?, more) {
            let scrubbed = self.store.scrub(now).await;
            match scrubbed {
                Ok(true) => self.erasure.is_over(),
                // The file may have been rebuilt although the log could not be truncated: that is
                // done later.
                Ok(false) => self.erasure.noted(false),
                // A full disk must not stop the other work.
                Err(error) => tracing::warn!(%error, "what was erased is still in the files"),
            }
        }
        Ok(())
    }
}
