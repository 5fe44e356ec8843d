//! The meaning of DynamoDB's refusals and failures, as errors of the port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::display::DisplayErrorContext;
use dacapo_platform::metrics::Metric;
use dacapo_platform::table::{TableError, Unreadable};

/// A read that was not answered.
pub(super) fn of_read<E, R>(error: &SdkError<E, R>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    said(error).unwrap_or_else(|| TableError::Failed(DisplayErrorContext(error).to_string()))
}

/// A write that was not acknowledged.
pub(super) fn of_write<E, R>(error: &SdkError<E, R>, lost: &Lost) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let unknown = || TableError::Unknown(DisplayErrorContext(error).to_string());
    match error {
        SdkError::ConstructionFailure(_) => {
            TableError::Invalid(DisplayErrorContext(error).to_string())
        }
        _ if lost.any() => unknown(),
        SdkError::ServiceError(_) => match said(error) {
            Some(said) => said,
            None if error.code() == Some("TransactionInProgressException") => unknown(),
            None => TableError::Failed(DisplayErrorContext(error).to_string()),
        },
        _ => unknown(),
    }
}

/// Errors with a clear meaning.
fn said<E, R>(error: &SdkError<E, R>) -> Option<TableError>
where
    E: ProvideErrorMetadata,
{
    let message = || error.message().unwrap_or("no reason was given").to_owned();
    match error.code()? {
        "TransactionConflictException" => Some(TableError::Contended),
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => Some(throttled()),
        "ValidationException"
        | "SerializationException"
        | "IdempotentParameterMismatchException" => Some(TableError::Invalid(message())),
        _ => None,
    }
}

/// The table, or an index of it, accepts no more for now. It is counted as a figure, because the
/// table's own metric leaves out what an index throttles (Amazon DynamoDB Developer Guide,
/// *DynamoDB metrics and dimensions*, `WriteThrottleEvents`:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>).
pub(super) fn throttled() -> TableError {
    Metric::Throttled.emit(1);
    TableError::Throttled
}

/// A stored item that Dacapo did not write. It is not retryable.
pub(super) fn of_unreadable(error: &Unreadable) -> TableError {
    TableError::Invalid(error.to_string())
}

/// Whether the answer to any attempt at a request was lost: the connection broke, it timed out, or
/// the service failed in the middle. The result of that attempt is unknown.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost(Arc<AtomicBool>);

impl Lost {
    fn any(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Intercept for Lost {
    fn name(&self) -> &'static str {
        "Lost"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answered = context.response().is_some_and(|answer| answer.status().as_u16() < 500);
        if !answered {
            self.0.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}
