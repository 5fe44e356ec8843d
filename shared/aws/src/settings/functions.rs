//! The functions: which there are, what each orders, and what it works off.
//!
//! Nothing else says it. What a function reads of its environment follows from here (`variables`,
//! `OutboxSettings`), and so does where its orders go (`outbox`); tests hold `template.yaml` and
//! `docs/settings.md` to it.

use dacapo_platform::ports::Queue;

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Takes posts from outside.
    Webhook,
    /// Answers the rest of the API.
    Api,
    /// Decides what follows from changes of contacts.
    TagChange,
    /// Performs what was decided.
    Effects,
    /// Wakes enrollments whose timers are due.
    Timer,
    /// Works on many contacts, page by page.
    StopCampaign,
    /// Sends mail and calls webhooks.
    Deliver,
    /// Hears from the mail service.
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

    /// The queues that it sends to. Whoever sends to the queue of timers sets timers, too: what is
    /// ordered for later is put into that queue by the Scheduler.
    pub fn orders(self) -> &'static [Queue] {
        use Queue::{Calls, Jobs, Marketing, Timers, Transactional};
        match self {
            Self::Api => &[Timers, Jobs],
            Self::Effects | Self::StopCampaign => &[Timers, Transactional, Marketing, Calls, Jobs],
            Self::Webhook | Self::TagChange | Self::Timer | Self::Deliver | Self::Feedback => &[],
        }
    }

    /// The queues that it works off. What each queue takes says [`Queue::takes`].
    pub fn works_off(self) -> &'static [Queue] {
        match self {
            Self::Timer => &[Queue::Timers],
            Self::StopCampaign => &[Queue::Jobs],
            Self::Deliver => &[Queue::Transactional, Queue::Marketing, Queue::Calls],
            Self::Webhook | Self::Api | Self::TagChange | Self::Effects | Self::Feedback => &[],
        }
    }

    /// Whether it sets timers.
    pub fn sets_timers(self) -> bool {
        self.orders().contains(&Queue::Timers)
    }

    /// Whether it has to know where a queue is.
    pub fn knows(self, queue: Queue) -> bool {
        self.orders().contains(&queue) || self.works_off().contains(&queue)
    }
}
