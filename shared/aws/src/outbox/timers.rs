//! Timers as schedules.
//!
//! The name is a schedule's identity. Each request has a client token of its own, which the SDK
//! draws: one that followed from the name and the time would come again when an appointment is
//! moved away and back, and a service that remembers it may answer without making anything
//! (EventBridge Scheduler API Reference, `CreateSchedule`, `ClientToken`:
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).
//!
//! Of the errors on that page and on that of `UpdateSchedule`, `ValidationException` alone is about
//! the schedule itself: it is refused for good, unless the Scheduler means its role or a queue's
//! ARN. All others pass, or are mended by whoever runs the stack.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
use super::{AT_ONCE, said};
use crate::clients::LazyClient;
use crate::settings::Schedules;

/// How often a schedule is made or brought up to date, while others make and delete it.
const TRIES: usize = 3;

/// How long all timers of a list of orders may take. A thousand take half as long.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long nothing is asked of the Scheduler after it has taken nothing of what it was asked.
const REST: TimeDelta = TimeDelta::seconds(15);

/// What the Scheduler's words name where it is not about one timer. They are in no page of AWS's;
/// the best known are "The execution role you provide must allow AWS EventBridge Scheduler to
/// assume the role."
const OF_THE_STACK: [&str; 4] = ["role", "Role", "Arn", "ARN"];

/// What is said before the Scheduler's own words.
const NOT_SET: &str = "it was not set";

/// Timers on EventBridge Scheduler.
pub(super) struct SchedulerTimers {
    client: LazyClient<aws_sdk_scheduler::Client>,
    schedules: Schedules,
    /// Until when nothing is asked of it, and why.
    rests: Mutex<Option<(Instant, Declined)>>,
}

/// One thing to do.
enum ScheduleChange<'a> {
    Set(&'a NewSchedule),
    Cancel(&'a str),
}

impl SchedulerTimers {
    pub(super) fn new(client: LazyClient<aws_sdk_scheduler::Client>, schedules: Schedules) -> Self {
        Self { client, schedules, rests: Mutex::new(None) }
    }

    /// Sets timers, and calls others off. Answers those that were not taken.
    pub(super) async fn carry_out(
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
        let silent = || Declined::ForNow(format!("no answer within {DEADLINE:?}"));
        let is_for_now = |answer: &Option<Result<(), Declined>>| {
            matches!(answer, None | Some(Err(Declined::ForNow(_))))
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

    /// What came of each; nothing of those that had no answer in time.
    async fn answers(&self, changes: &[ScheduleChange<'_>]) -> Vec<Option<Result<(), Declined>>> {
        let mut answers = vec![None; changes.len()];
        let each: Vec<_> = (0..)
            .zip(changes)
            .map(|(at, change): (usize, _)| async move { (at, self.perform(change).await) }.boxed())
            .collect();
        let mut under_way = stream::iter(each).buffer_unordered(AT_ONCE);
        let all = async {
            while let Some((at, answer)) = under_way.next().await {
                answers[at] = Some(answer);
            }
        };
        // What is not answered by then is left alone: to do it again changes nothing.
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

    /// Why nothing is asked of the Scheduler now, if nothing is.
    fn rests_because(&self, now: Instant) -> Option<Declined> {
        self.rests().as_ref().filter(|(until, _)| now < *until).map(|(_, why)| why.clone())
    }

    /// Sets one, or brings the one of that name up to date.
    async fn set(&self, schedule: &NewSchedule) -> Result<(), Declined> {
        for _ in 0..TRIES {
            if self.create(schedule).await? || self.update(schedule).await? {
                return Ok(());
            }
        }
        Err(Declined::ForNow("others make and delete the same timer".to_owned()))
    }

    /// Calls one off; nothing is wrong if there is none.
    async fn cancel(&self, name: &str) -> Result<(), Declined> {
        let group = &self.schedules.group;
        let deleted = self.client.delete_schedule().name(name).group_name(group).send().await;
        match deleted.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_resource_not_found_exception() => Ok(()),
            Err(error) => Err(declined("it was not called off", &error)),
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
            .map_err(|error| Declined::ForGood(said(NOT_SET, &error)))
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
        .map_err(|error| Declined::ForGood(said(NOT_SET, &error)))
}

/// What an error of the Scheduler means for a timer. What it tells of roles and ARNs is told as a
/// `ValidationException` too: that it may not assume its role, for one. They are the stack's, the
/// same for every timer, and mended in one place.
fn declined<E: ProvideErrorMetadata + Error + 'static>(what: &str, error: &E) -> Declined {
    let message = error.message().unwrap_or_default();
    let is_of_the_stack = OF_THE_STACK.iter().any(|word| message.contains(word));
    match error.code() {
        Some("ValidationException") if !is_of_the_stack => Declined::ForGood(said(what, error)),
        _ => Declined::ForNow(said(what, error)),
    }
}
