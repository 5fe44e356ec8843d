//! The main loop of a function: it sets up logs and figures, then answers one event after the
//! other.

use std::time::Duration;

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::ports::Clock as _;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tracing::Instrument as _;

use super::FunctionError;
use super::start::Started;
use crate::clock::SystemClock;
use crate::logging;
use crate::metrics::Figures;
use crate::settings::{Environment, Incomplete, OwnSettings, Settings};

/// How long the process may live after its connection to Lambda was closed: the emulator of `sam
/// local` ends it with SIGKILL when its container is stopped. Lambda ends it by SIGTERM or SIGKILL
/// ("Understanding the Lambda execution environment lifecycle",
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>).
const BEING_ENDED: Duration = Duration::from_secs(1);

/// The longest that a function may take ("Lambda quotas",
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const LONGEST_INVOCATION: TimeDelta = TimeDelta::minutes(15);

/// Why a function does not run, as a line of the log.
pub struct Stopped(String);

impl std::fmt::Debug for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Incomplete> for Stopped {
    fn from(incomplete: Incomplete) -> Self {
        Self(incomplete.to_string())
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(FunctionError(error_message): FunctionError) -> Self {
        Self { error_type: "Failure".to_owned(), error_message }
    }
}

/// A function that is about to run.
pub struct Running {
    figures: Figures,
    clock: SystemClock,
}

impl Running {
    /// Reads the settings of a function, sets up logs and figures, and starts it.
    ///
    /// # Errors
    ///
    /// Every setting that is missing or wrong.
    pub fn begin<S: OwnSettings>(
        start: fn(&Settings<S>) -> Started,
    ) -> Result<(Self, Started), Stopped> {
        let settings = Settings::from_environment(&Environment::of_process())?;
        let Settings { common, .. } = &settings;
        let figures = Figures::of(S::FUNCTION, &common.table);
        logging::start(&common.log, &figures);
        let running = Self { figures, clock: SystemClock::default() };
        Ok((running, start(&settings)))
    }

    /// Answers events until the process is ended, which is no error.
    ///
    /// # Errors
    ///
    /// If Lambda cannot be reached, and the process is not being ended.
    pub async fn serve(
        self,
        handler: impl AsyncFn(&Value) -> Result<Value, FunctionError>,
    ) -> Result<(), Stopped> {
        self.serve_until(async |event: &Value, _| handler(event).await).await
    }

    /// The same, and passes with each event until when it has to be answered; nothing if that is
    /// not known.
    ///
    /// # Errors
    ///
    /// See [`serve`](Self::serve).
    pub async fn serve_until(
        self,
        handler: impl AsyncFn(&Value, Option<Instant>) -> Result<Value, FunctionError>,
    ) -> Result<(), Stopped> {
        let (handler, figures, clock) = (&handler, &self.figures, &self.clock);
        let handled = service_fn(|event: LambdaEvent<Value>| {
            let span = tracing::error_span!("invocation", request.id = event.context.request_id);
            let answered = async move {
                let until = ends(event.context.deadline, clock.now());
                let answer = handler(&event.payload, until).await;
                if let Err(error) = &answer {
                    tracing::warn!(%error, "the event comes again");
                }
                figures.write(clock.now());
                answer
            };
            answered.instrument(span)
        });
        let ended = Runtime::new(handled).run().await;
        if ended.is_err() {
            tokio::time::sleep(BEING_ENDED).await;
        }
        ended.map_err(|error| Stopped(error.to_string()))
    }
}

/// When an invocation ends, by Lambda's header in milliseconds since 1970
/// (`Lambda-Runtime-Deadline-Ms`, *Using the Lambda runtime API for custom runtimes*,
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>). An instant that has passed,
/// or is further away than any function may take, comes from another clock, as an emulator's may
/// be, and is ignored.
fn ends(deadline: u64, now: Instant) -> Option<Instant> {
    let ends = Instant::from_timestamp_millis(i64::try_from(deadline).ok()?)?;
    let left = ends - now;
    (left > TimeDelta::zero() && left <= LONGEST_INVOCATION).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_ends_when_lambda_says_so_and_no_other_clock_is_believed() {
        let now = Instant::from_timestamp_millis(1_800_000_000_000).unwrap();
        let at =
            |seconds: i64| ends((now + TimeDelta::seconds(seconds)).timestamp_millis() as u64, now);
        assert_eq!(at(60), Some(now + TimeDelta::seconds(60)));
        assert_eq!(at(900), Some(now + TimeDelta::minutes(15)));
        for other in [-1, 0, 901] {
            assert_eq!(at(other), None, "{other}");
        }
        assert_eq!((ends(0, now), ends(u64::MAX, now)), (None, None));
    }
}
