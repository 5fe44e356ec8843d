//! A platform on the ports of the kit, for tests that need nothing around it.

use std::sync::Arc;

use dacapo_engine::ids::AccountId;
use dacapo_platform::handlers::Done;
use dacapo_platform::platform::{Platform, Ports};
use dacapo_platform::ports::{JobStep, Order, QueueMessage, SendMode};
use dacapo_platform::table::Table;

use super::{CapturingMailer, CountingEntropy, ManualClock, RecordingOutbox, UnreachableCaller};

/// A platform on a store, and the ports that a test controls.
pub struct TestBench {
    /// The platform.
    pub platform: Platform,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its outbox.
    pub outbox: Arc<RecordingOutbox>,
}

impl TestBench {
    /// At noon of 1 December 2026.
    pub fn on(table: Arc<dyn Table>) -> Self {
        Self::in_account("main", table)
    }

    /// The same in an account of this id: several may share a table.
    pub fn in_account(account: &str, table: Arc<dyn Table>) -> Self {
        let clock = Arc::new(ManualClock::at_noon());
        let outbox = Arc::new(RecordingOutbox::default());
        let ports = Ports {
            table,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(CountingEntropy::default()),
            outbox: Arc::clone(&outbox) as _,
            mailer: Arc::new(CapturingMailer::new(SendMode::Captured)),
            caller: Arc::new(UnreachableCaller),
        };
        let account = AccountId::new(account).expect("an id");
        let platform = Platform::new(account, ports, "https://dacapo.example".to_owned());
        Self { platform, clock, outbox }
    }

    /// The jobs whose steps have been ordered since the last time.
    pub async fn ordered(&self) -> Vec<(u64, &'static str)> {
        let orders = self.outbox.take();
        let mut jobs = Vec::new();
        for order in orders {
            let Order::Send { message: QueueMessage::JobStep(job_step), .. } = order else {
                panic!("{order:?} is no job step")
            };
            jobs.push(self.named(&job_step).await);
        }
        jobs.dedup();
        jobs
    }

    /// Does the jobs that were ordered, and those that waited for them. Returns which.
    pub async fn done(&self) -> Vec<(u64, &'static str)> {
        let mut all = Vec::new();
        let mut orders = self.outbox.take();
        while let Some(order) = orders.pop() {
            if let Order::Send { at, message: QueueMessage::JobStep(job_step), .. } = order {
                all.push(self.named(&job_step).await);
                self.clock.advance((at - self.platform.store.now()).num_seconds().max(-1) + 1);
                // The lists must be up to date before they are read for the last time.
                while let Done::NotBefore(at) =
                    self.platform.job_worker.step(&job_step).await.expect("a job step")
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
