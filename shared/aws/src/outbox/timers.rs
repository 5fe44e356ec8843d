//! Timers as schedules.
//!
//! The name is a schedule's identity. Each request has a client token of its own, made by the SDK.
//! A token made of name and time would come again when an appointment is moved away and back, and a
//! service that remembers it may answer without doing anything (EventBridge Scheduler API
//! Reference, `CreateSchedule`, `ClientToken`:
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).
//!
//! Of the errors on that page and on that of `UpdateSchedule`, only `ValidationException` is about
//! the schedule itself: it is permanent, unless the Scheduler means its role or a queue's ARN. All
//! others are retryable: they pass, or are fixed by the operator of the stack.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_scheduler::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::update_schedule::UpdateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::ports::{Clock, Declined, NotTaken, Order};
use futures_util::future::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};

use super::plan::NewSchedule;
use super::{REQUESTS_AT_ONCE, said};
use crate::clients::LazyClient;
use crate::settings::Schedules;

/// How often a schedule is created or updated, while other writers create and delete it.
const TRIES: usize = 3;

/// How long all timers of a list of orders may take. A thousand take half as long.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long the Scheduler is not called after it has accepted nothing.
const REST: TimeDelta = TimeDelta::seconds(15);

/// Words of the Scheduler for errors that are not about one timer. AWS does not document them; the
/// best known are "The execution role you provide must allow AWS EventBridge Scheduler to assume
/// the role."
const OF_THE_STACK: [&str; 4] = ["role", "Role", "Arn", "ARN"];

/// What precedes the Scheduler's own text.
const NOT_SET: &str = "it was not set";

/// Timers on EventBridge Scheduler.
pub(super) struct SchedulerTimers {
    client: LazyClient<aws_sdk_scheduler::Client>,
    schedules: Schedules,
    /// Until when it is not called, and why.
    rests: Mutex<Option<(Instant, Declined)>>,
}

/// One thing to do.
enum ScheduleChange<'a> {
    Set(&'a NewSchedule),
    Cancel(&'a str),
}

/// The answers of a function that sets no timers.
pub(super) fn not_set_here(schedules: &[NewSchedule], cancels: &[String]) -> Vec<NotTaken> {
    let why = Declined::Retryable("this function sets no timers".to_owned());
    let cancels = cancels.iter().map(|name| ScheduleChange::Cancel(name));
    let changes = schedules.iter().map(ScheduleChange::Set).chain(cancels);
    changes.map(|change| change.not_taken(why.clone())).collect()
}

/// A service that sets timers.
#[async_trait]
pub(super) trait SetTimers: Send + Sync {
    /// Sets timers, and cancels others. Answers those that were not accepted.
    async fn carry_out(
        &self,
        schedules: &[NewSchedule],
        cancels: &[String],
        clock: &dyn Clock,
    ) -> Vec<NotTaken>;
}

#[async_trait]
impl SetTimers for SchedulerTimers {
    async fn carry_out(
        &self,
        schedules: &[NewSchedule],
        cancels: &[String],
        clock: &dyn Clock,
    ) -> Vec<NotTaken> {
        let cancels = cancels.iter().map(|name| ScheduleChange::Cancel(name));
        let changes: Vec<ScheduleChange<'_>> =
            schedules.iter().map(ScheduleChange::Set).chain(cancels).collect();
        if changes.is_empty() {
            return Vec::new();
        }
        if let Some(why) = self.rests_because(clock.now()) {
            return changes.iter().map(|change| change.not_taken(why.clone())).collect();
        }
        let answers = self.answers(&changes).await;
        let silent = || Declined::Retryable(format!("no answer within {DEADLINE:?}"));
        let is_for_now = |answer: &Option<Result<(), Declined>>| {
            matches!(answer, None | Some(Err(Declined::Retryable(_))))
        };
        let takes_none = answers.iter().all(is_for_now);
        let done = changes.iter().zip(answers);
        let not_taken: Vec<_> = done
            .filter_map(|(change, answer)| match answer {
                Some(Ok(())) => None,
                Some(Err(why)) => Some(change.not_taken(why)),
                None => Some(change.not_taken(silent())),
            })
            .collect();
        let why = not_taken.first().filter(|_| takes_none).map(|first| first.why.clone());
        *self.rests() = why.map(|why| (clock.now() + REST, why));
        not_taken
    }
}

impl SchedulerTimers {
    pub(super) fn new(client: LazyClient<aws_sdk_scheduler::Client>, schedules: Schedules) -> Self {
        Self { client, schedules, rests: Mutex::new(None) }
    }

    /// The results; those without an answer in time are missing.
    async fn answers(&self, changes: &[ScheduleChange<'_>]) -> Vec<Option<Result<(), Declined>>> {
        let mut answers = vec![None; changes.len()];
        let each: Vec<_> = (0..)
            .zip(changes)
            .map(|(at, change): (usize, _)| async move { (at, self.perform(change).await) }.boxed())
            .collect();
        let mut under_way = stream::iter(each).buffer_unordered(REQUESTS_AT_ONCE);
        let all = async {
            while let Some((at, answer)) = under_way.next().await {
                answers[at] = Some(answer);
            }
        };
        // What is not answered by then is dropped: repeating it is idempotent.
        let _ = tokio::time::timeout(DEADLINE, all).await;
        drop(under_way);
        answers
    }

    async fn perform(&self, change: &ScheduleChange<'_>) -> Result<(), Declined> {
        match change {
            ScheduleChange::Set(schedule) => self.set(schedule).await,
            ScheduleChange::Cancel(name) => self.cancel(name).await,
        }
    }

    fn rests(&self) -> MutexGuard<'_, Option<(Instant, Declined)>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the Scheduler is not called now, if it is not.
    fn rests_because(&self, now: Instant) -> Option<Declined> {
        self.rests().as_ref().filter(|(until, _)| now < *until).map(|(_, why)| why.clone())
    }

    /// Sets a timer, or updates the one of that name.
    async fn set(&self, schedule: &NewSchedule) -> Result<(), Declined> {
        for _ in 0..TRIES {
            if self.create(schedule).await? || self.update(schedule).await? {
                return Ok(());
            }
        }
        Err(Declined::Retryable("others make and delete the same timer".to_owned()))
    }

    /// Cancels a timer; it is no error if there is none.
    async fn cancel(&self, name: &str) -> Result<(), Declined> {
        let group = &self.schedules.group;
        let deleted = self.client.delete_schedule().name(name).group_name(group).send().await;
        match deleted.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_resource_not_found_exception() => Ok(()),
            Err(error) => Err(declined("it was not cancelled", &error)),
        }
    }

    /// `false` if there is one of that name.
    async fn create(&self, schedule: &NewSchedule) -> Result<bool, Declined> {
        let made = self
            .client
            .create_schedule()
            .name(&schedule.name)
            .group_name(&self.schedules.group)
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone("UTC")
            .flexible_time_window(on_time()?)
            .target(self.target(schedule)?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .send()
            .await;
        match made.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(CreateScheduleError::ConflictException(_)) => Ok(false),
            Err(error) => Err(declined(NOT_SET, &error)),
        }
    }

    /// `false` if it is gone.
    async fn update(&self, schedule: &NewSchedule) -> Result<bool, Declined> {
        let updated = self
            .client
            .update_schedule()
            .name(&schedule.name)
            .group_name(&self.schedules.group)
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone("UTC")
            .flexible_time_window(on_time()?)
            .target(self.target(schedule)?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .send()
            .await;
        match updated.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateScheduleError::ResourceNotFoundException(_)) => Ok(false),
            Err(error) => Err(declined(NOT_SET, &error)),
        }
    }

    fn target(&self, schedule: &NewSchedule) -> Result<Target, Declined> {
        let dead_letters = DeadLetterConfig::builder().arn(&self.schedules.dead_letters).build();
        Target::builder()
            .arn(&self.schedules.target)
            .role_arn(&self.schedules.role)
            .input(&schedule.input)
            .dead_letter_config(dead_letters)
            .build()
            .map_err(|error| Declined::Permanent(said(NOT_SET, &error)))
    }
}

impl ScheduleChange<'_> {
    fn not_taken(&self, why: Declined) -> NotTaken {
        let order = match self {
            Self::Set(schedule) => schedule.order.clone(),
            Self::Cancel(name) => Order::Cancel { name: (*name).to_owned() },
        };
        NotTaken { order, why }
    }
}

fn on_time() -> Result<FlexibleTimeWindow, Declined> {
    FlexibleTimeWindow::builder()
        .mode(FlexibleTimeWindowMode::Off)
        .build()
        .map_err(|error| Declined::Permanent(said(NOT_SET, &error)))
}

/// The meaning of an error of the Scheduler for a timer. Errors about roles and ARNs come as a
/// `ValidationException` too, such as that it may not assume its role. They are about the stack,
/// the same for every timer, and fixed in one place.
fn declined<E: ProvideErrorMetadata + Error + 'static>(what: &str, error: &E) -> Declined {
    let message = error.message().unwrap_or_default();
    let is_of_the_stack = OF_THE_STACK.iter().any(|word| message.contains(word));
    match error.code() {
        Some("ValidationException") if !is_of_the_stack => Declined::Permanent(said(what, error)),
        _ => Declined::Retryable(said(what, error)),
    }
}
