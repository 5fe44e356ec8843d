//! Small ports for tests that need a platform and nothing around it: a clock that is set, ids that
//! come in order, an outbox that remembers its orders and can be shut.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dacapo_engine::hash::stable;
use dacapo_engine::ids::AccountId;
use dacapo_platform::Instant;
use dacapo_platform::handlers::Done;
use dacapo_platform::mail::Mail;
use dacapo_platform::platform::{Platform, Ports};
use dacapo_platform::ports::{
    Caller, Clock, Declined, Entropy, JobStep, MailError, Mailer, Message, NotTaken, Order, Outbox,
    Post, Request, Unavailable,
};
use dacapo_platform::table::Table;

/// A platform on a store, and the ports that a test has a hand on.
pub struct Bench {
    /// The platform.
    pub platform: Platform,
    /// Its clock.
    pub clock: Arc<Standing>,
    /// Its outbox.
    pub outbox: Arc<Remembered>,
}

impl Bench {
    /// At noon of 1 December 2026.
    pub fn on(table: Arc<dyn Table>) -> Self {
        Self::in_account("main", table)
    }

    /// The same in an account of this id: several may share a table.
    pub fn in_account(account: &str, table: Arc<dyn Table>) -> Self {
        let clock = Arc::new(Standing::at_noon());
        let outbox = Arc::new(Remembered::default());
        let ports = Ports {
            table,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(InOrder::default()),
            outbox: Arc::clone(&outbox) as _,
            mailer: Arc::new(Captured),
            caller: Arc::new(Nobody),
        };
        let account = AccountId::new(account).expect("an id");
        let platform = Platform::new(account, ports, "https://dacapo.example".to_owned());
        Self { platform, clock, outbox }
    }

    /// The jobs of which turns have been ordered since the last time.
    pub async fn ordered(&self) -> Vec<(u64, &'static str)> {
        let orders = self.outbox.take();
        let mut jobs = Vec::new();
        for order in orders {
            let Order::Send { message: Message::JobStep(job_step), .. } = order else {
                panic!("{order:?} is no turn of a job")
            };
            jobs.push(self.named(&job_step).await);
        }
        jobs.dedup();
        jobs
    }

    /// Does the jobs that were ordered, and those that waited for them. Answers which.
    pub async fn done(&self) -> Vec<(u64, &'static str)> {
        let mut all = Vec::new();
        let mut orders = self.outbox.take();
        while let Some(order) = orders.pop() {
            if let Order::Send { at, message: Message::JobStep(job_step), .. } = order {
                all.push(self.named(&job_step).await);
                self.clock.advance((at - self.platform.store.now()).num_seconds().max(-1) + 1);
                // The lists have to show everything before the last look at them.
                while let Done::NotBefore(at) =
                    self.platform.job_worker.step(&job_step).await.expect("a turn")
                {
                    let wait = at - self.platform.store.now();
                    self.clock.advance(wait.num_seconds() + 1);
                }
            }
            orders.extend(self.outbox.take());
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    async fn named(&self, job_step: &JobStep) -> (u64, &'static str) {
        let job = self.platform.jobs.get(job_step.job).await.expect("an answer").expect("a job");
        (job_step.job, job.kind.word())
    }
}

/// A clock that stands still until it is moved: milliseconds.
pub struct Standing(AtomicI64);

impl Standing {
    /// At noon of 1 December 2026.
    pub fn at_noon() -> Self {
        Self(AtomicI64::new(1_796_126_400_000))
    }

    /// Sets it.
    pub fn set(&self, to: Instant) {
        self.0.store(to.timestamp_millis(), Ordering::SeqCst);
    }

    /// Moves it.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn now(&self) -> Instant {
        Instant::from_timestamp_millis(self.0.load(Ordering::SeqCst)).expect("an instant")
    }
}

/// No chance: the same in every run of a test, and never the same twice in one.
#[derive(Default)]
pub struct InOrder(AtomicU64);

impl Entropy for InOrder {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let nth = self.0.fetch_add(1, Ordering::SeqCst).to_string();
            let drawn = stable(&["chance", &nth]).to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

/// An outbox that carries out nothing.
#[derive(Default)]
pub struct Remembered {
    orders: Mutex<Vec<Order>>,
    shut: AtomicBool,
    refuses: Mutex<Option<String>>,
    /// Of so many timers one is not taken for now; all are taken if it is 0.
    leaves: AtomicU64,
    timers: AtomicU64,
}

impl Remembered {
    /// The orders since the last time.
    pub fn take(&self) -> Vec<Order> {
        std::mem::take(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on it takes no orders, or takes them again.
    pub fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
    }

    /// From now on one in so many timers is not taken for now; with 0 all are taken again.
    pub fn leaves_timers(&self, every: u64) {
        self.leaves.store(every, Ordering::SeqCst);
    }

    fn leaves(&self, order: &Order) -> bool {
        let every = self.leaves.load(Ordering::SeqCst);
        let is_timer = matches!(order, Order::Schedule { .. });
        is_timer && every > 0 && self.timers.fetch_add(1, Ordering::SeqCst).is_multiple_of(every)
    }

    /// From now on it refuses orders for good in whose words this stands.
    pub fn refuse(&self, words: &str) {
        *self.refuses.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
    }
}

#[async_trait]
impl Outbox for Remembered {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let refuses = self.refuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut not_taken = Vec::new();
        for order in orders {
            let is_refused =
                refuses.as_ref().is_some_and(|words| order.to_string().contains(words));
            let why = if self.shut.load(Ordering::SeqCst) || self.leaves(&order) {
                Declined::ForNow("the outbox is shut".to_owned())
            } else if is_refused {
                Declined::ForGood("the outbox refuses it".to_owned())
            } else {
                self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
                continue;
            };
            not_taken.push(NotTaken { order, why });
        }
        not_taken
    }
}

struct Captured;

#[async_trait]
impl Mailer for Captured {
    fn post(&self) -> Post {
        Post::Captured
    }

    async fn send(&self, _: &Mail) -> Result<String, MailError> {
        Err(MailError::Refused("mail is captured here".to_owned()))
    }
}

struct Nobody;

#[async_trait]
impl Caller for Nobody {
    async fn call(&self, _: &Request) -> Result<u16, Unavailable> {
        Err(Unavailable("nobody is called here".to_owned()))
    }
}
