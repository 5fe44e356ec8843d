//! The functions: which there are, what each sends, and what it consumes.
//!
//! This is the only place that says it. What a function reads of its environment follows from here
//! (`variables`, `OutboxSettings`), and so does where its orders go (`outbox`). Tests compare
//! `template.yaml` and `docs/settings.md` with it.

use dacapo_platform::ports::Queue;

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Accepts posts from outside.
    Webhook,
    /// Answers the rest of the API.
    Api,
    /// Decides what follows from changes of contacts.
    TagChange,
    /// Performs what was decided.
    Effects,
    /// Continues enrollments whose timers are due.
    Timer,
    /// Does the steps of jobs.
    StopCampaign,
    /// Sends mail and calls webhooks.
    Deliver,
    /// Receives the reports of the mail service.
    Feedback,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Webhook,
        Self::Api,
        Self::TagChange,
        Self::Effects,
        Self::Timer,
        Self::StopCampaign,
        Self::Deliver,
        Self::Feedback,
    ];

    /// Its name: that of its folder, its bootstrap and its block in the template.
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Api => "api",
            Self::TagChange => "tag-change",
            Self::Effects => "effects",
            Self::Timer => "timer",
            Self::StopCampaign => "stop-campaign",
            Self::Deliver => "deliver",
            Self::Feedback => "feedback",
        }
    }

    /// The queues that it sends to.
    pub fn orders(self) -> &'static [Queue] {
        use Queue::{Calls, Jobs, Marketing, Timers, Transactional};
        match self {
            // A test mail is sent at once.
            Self::Api => &[Timers, Transactional, Jobs],
            Self::Effects | Self::StopCampaign => &[Timers, Transactional, Marketing, Calls, Jobs],
            // A pause that ends opens jobs (R26).
            Self::Timer => &[Jobs],
            Self::Webhook | Self::TagChange | Self::Deliver | Self::Feedback => &[],
        }
    }

    /// The queues that it consumes. [`Queue::takes`] says what each queue takes.
    pub fn works_off(self) -> &'static [Queue] {
        match self {
            Self::Timer => &[Queue::Timers],
            Self::StopCampaign => &[Queue::Jobs],
            Self::Deliver => &[Queue::Transactional, Queue::Marketing, Queue::Calls],
            Self::Webhook | Self::Api | Self::TagChange | Self::Effects | Self::Feedback => &[],
        }
    }

    /// Whether it sets timers: the Scheduler puts what is ordered for later into their queue. The
    /// timers of `api` are set by who works off [`Queue::Jobs`], so that answering calls needs no
    /// right to make schedules.
    pub fn sets_timers(self) -> bool {
        self.orders().contains(&Queue::Timers) && self != Self::Api
    }

    /// Whether it has to know the URL of a queue.
    pub fn knows(self, queue: Queue) -> bool {
        self.orders().contains(&queue) || self.works_off().contains(&queue)
    }
}
