//! Running: logs and figures are set up, then every event is answered, one after the other, as long as Lambda sends some.

use std::time::Duration;

use dacapo_platform::ports::Clock as _;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tracing::Instrument as _;

use super::Failure;
use crate::clock::SystemClock;
use crate::logging;
use crate::metrics::Figures;
use crate::settings::{Incomplete, Settings};

/// How long whoever has cut the line may take to end this process: as the emulator of `sam local` does when its container is
/// stopped, with SIGKILL. Lambda ends it by SIGTERM or SIGKILL ("Understanding the Lambda execution environment lifecycle",
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>).
const BEING_ENDED: Duration = Duration::from_secs(1);

/// Why a function does not run. It is shown as a line of the log.
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

impl From<Failure> for Diagnostic {
    fn from(Failure(error_message): Failure) -> Self {
        Self { error_type: "Failure".to_owned(), error_message }
    }
}

/// A function that is about to run.
pub struct Running {
    figures: Figures,
    clock: SystemClock,
}

impl Running {
    /// Sets up logs and figures.
    pub fn begin<S: Settings>(settings: &S) -> Self {
        let common = settings.common();
        let figures = Figures::of(S::FUNCTION, &common.table);
        logging::start(&common.log, &figures);
        Self { figures, clock: SystemClock::default() }
    }

    /// Answers events until the process is ended, which it says nothing about.
    ///
    /// # Errors
    ///
    /// If Lambda cannot be reached, and the process is not being ended.
    pub async fn serve(
        self,
        handler: impl AsyncFn(&Value) -> Result<Value, Failure>,
    ) -> Result<(), Stopped> {
        let (handler, figures, clock) = (&handler, &self.figures, &self.clock);
        let handled = service_fn(|event: LambdaEvent<Value>| {
            let span = tracing::error_span!("invocation", request.id = event.context.request_id);
            let answered = async move {
                let answer = handler(&event.payload).await;
                if let Err(error) = &answer {
                    tracing::warn!(%error, "the event comes again");
                }
                figures.tell(clock.now());
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
