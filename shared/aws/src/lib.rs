//! The ports on DynamoDB, EventBridge Scheduler, SQS and SES, and what the functions run.

pub mod admin;
pub mod caller;
pub mod clients;
pub mod clock;
pub mod entropy;
mod error_text;
pub mod functions;
mod https;
pub mod logging;
pub mod mailer;
pub mod metrics;
pub mod outbox;
pub mod settings;
pub mod table;
#[cfg(test)]
mod testing;
mod tls;
