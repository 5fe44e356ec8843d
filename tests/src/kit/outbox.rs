//! An outbox that keeps its orders.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dacapo_platform::ports::{Declined, NotTaken, Order, Outbox};

/// An outbox that keeps orders and performs none. A test can make it refuse some. Stands for SQS
/// and EventBridge Scheduler. [`Pending`](super::Pending) performs the kept orders.
#[derive(Debug, Default)]
pub struct RecordingOutbox {
    orders: Mutex<Vec<Order>>,
    shut: AtomicBool,
    refuses: Mutex<Option<String>>,
    /// One of so many timers is not accepted for now; all are accepted if it is 0.
    leaves: AtomicU64,
    timers: AtomicU64,
}

impl RecordingOutbox {
    /// The orders since the last time.
    pub fn take(&self) -> Vec<Order> {
        std::mem::take(&mut locked(&self.orders))
    }

    /// From now on it accepts no orders, or accepts them again.
    pub fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
    }

    /// From now on one in so many timers is not accepted for now; with 0 all are accepted again.
    pub fn leaves_timers(&self, every: u64) {
        self.leaves.store(every, Ordering::SeqCst);
    }

    /// From now on it permanently refuses each order whose text contains these words.
    pub fn refuse(&self, words: &str) {
        *locked(&self.refuses) = Some(words.to_owned());
    }

    fn leaves(&self, order: &Order) -> bool {
        let every = self.leaves.load(Ordering::SeqCst);
        let is_timer = matches!(order, Order::Schedule { .. });
        is_timer && every > 0 && self.timers.fetch_add(1, Ordering::SeqCst).is_multiple_of(every)
    }
}

#[async_trait]
impl Outbox for RecordingOutbox {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let refuses = locked(&self.refuses).clone();
        let mut not_taken = Vec::new();
        for order in orders {
            let is_refused =
                refuses.as_ref().is_some_and(|words| order.to_string().contains(words));
            let why = if self.shut.load(Ordering::SeqCst) || self.leaves(&order) {
                Declined::Retryable("the outbox is shut".to_owned())
            } else if is_refused {
                Declined::Permanent("the outbox refuses it".to_owned())
            } else {
                locked(&self.orders).push(order);
                continue;
            };
            not_taken.push(NotTaken { order, why });
        }
        not_taken
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
