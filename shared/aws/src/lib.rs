//! The ports on DynamoDB, EventBridge Scheduler, SQS and SES, and what the functions run.

pub mod clients;
pub mod functions;
pub mod mailer;
pub mod outbox;
pub mod settings;
pub mod table;
