//! Ports that a function does not have. Nothing it does uses them; if it did, it would get an
//! error.

use std::time::Duration;

use async_trait::async_trait;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{
    Caller, Declined, Mailer, MessageService, NotTaken, Order, Outbox, Request, SendError,
    SendMode, Unavailable,
};

/// No timers, no queues, no mail, no webhooks.
pub struct UnsupportedPort;

#[async_trait]
impl Outbox for UnsupportedPort {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let why = Declined::Retryable("this function has neither timers nor queues".to_owned());
        orders.into_iter().map(|order| NotTaken { order, why: why.clone() }).collect()
    }
}

#[async_trait]
impl MessageService for UnsupportedPort {
    fn mode(&self) -> SendMode {
        SendMode::Sent
    }

    async fn pause(&self, _: Duration) {}
}

#[async_trait]
impl Mailer for UnsupportedPort {
    async fn send(&self, _: &Mail) -> Result<String, SendError> {
        Err(SendError::NotNow("this function sends no mail".to_owned()))
    }
}

#[async_trait]
impl Caller for UnsupportedPort {
    async fn call(&self, _: &Request) -> Result<u16, Unavailable> {
        Err(Unavailable("this function calls no webhooks".to_owned()))
    }
}
