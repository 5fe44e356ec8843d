//! Timers as schedules.
//!
//! The name is a schedule's identity. Each request has a client token of its own, which the SDK draws: one that followed from
//! the name and the time would come again when an appointment is moved away and back, and a service that remembers it may
//! answer without making anything (EventBridge Scheduler API Reference, `CreateSchedule`, `ClientToken`:
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>).

use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::update_schedule::UpdateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use dacapo_platform::ports::Unavailable;

use super::failed;
use super::plan::NewSchedule;
use crate::clients::Later;
use crate::settings::Schedules;

/// How often a schedule is made or brought up to date, while others make and delete it.
const TRIES: usize = 3;

/// Timers on EventBridge Scheduler.
pub(super) struct SchedulerTimers {
    pub(super) client: Later<aws_sdk_scheduler::Client>,
    pub(super) schedules: Schedules,
}

impl SchedulerTimers {
    /// Sets one, or brings the one of that name up to date.
    pub(super) async fn set(&self, schedule: &NewSchedule) -> Result<(), Unavailable> {
        for _ in 0..TRIES {
            if self.create(schedule).await? || self.update(schedule).await? {
                return Ok(());
            }
        }
        Err(Unavailable("others make and delete the same timer".to_owned()))
    }

    /// Calls one off; nothing is wrong if there is none.
    pub(super) async fn cancel(&self, name: &str) -> Result<(), Unavailable> {
        let group = &self.schedules.group;
        let deleted = self.client.delete_schedule().name(name).group_name(group).send().await;
        match deleted.map_err(aws_sdk_scheduler::error::SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_resource_not_found_exception() => Ok(()),
            Err(error) => Err(failed("a timer was not cancelled", &error)),
        }
    }

    /// `false` if there is one of that name.
    async fn create(&self, schedule: &NewSchedule) -> Result<bool, Unavailable> {
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
        match made.map_err(aws_sdk_scheduler::error::SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(CreateScheduleError::ConflictException(_)) => Ok(false),
            Err(error) => Err(failed("a timer was not set", &error)),
        }
    }

    /// `false` if it is gone.
    async fn update(&self, schedule: &NewSchedule) -> Result<bool, Unavailable> {
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
        match updated.map_err(aws_sdk_scheduler::error::SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateScheduleError::ResourceNotFoundException(_)) => Ok(false),
            Err(error) => Err(failed("a timer was not set again", &error)),
        }
    }

    fn target(&self, schedule: &NewSchedule) -> Result<Target, Unavailable> {
        let dead_letters = DeadLetterConfig::builder().arn(&self.schedules.dead_letters).build();
        Target::builder()
            .arn(&self.schedules.target)
            .role_arn(&self.schedules.role)
            .input(&schedule.input)
            .dead_letter_config(dead_letters)
            .build()
            .map_err(|error| failed("no schedule", &error))
    }
}

fn on_time() -> Result<FlexibleTimeWindow, Unavailable> {
    FlexibleTimeWindow::builder()
        .mode(FlexibleTimeWindowMode::Off)
        .build()
        .map_err(|error| failed("no schedule", &error))
}
