//! mailer.
