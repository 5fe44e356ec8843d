//! The test kit: one stand-in for each port of the platform, and what drives them.
//!
//! Nothing here reads the clock, draws entropy or reaches a network, so tests are deterministic.
//!
//! | stand-in | port | stands for | does not imitate |
//! |---|---|---|---|
//! | [`ManualClock`] | `Clock` | the system clock | time that passes by itself |
//! | [`CountingEntropy`] | `Entropy` | the system's source of randomness | unpredictable values |
//! | [`RecordingOutbox`] | `Outbox` | SQS and EventBridge Scheduler | delivery: orders are kept, and [`Pending`] performs them |
//! | [`CapturingMailer`] | `Mailer` | SES | limits of an account, bounces, complaints |
//! | [`UnreachableCaller`] | `Caller` | HTTPS calls of webhooks | answers: every call fails |
//! | [`EventuallyConsistent`] | `Table` | DynamoDB, with its eventual reads | throttling, time that passes |
//! | [`AtLeastOnceFeed`] | none; it feeds handlers | DynamoDB Streams | shards, records that expire |
//! | [`FailingTable`] | `Table` | DynamoDB that throttles, and answers that are lost | reads that fail |
//! | [`SlowTable`] | `Table` | DynamoDB with lists that take long to read | writes and single reads that take long |
//! | [`MeteredTable`] | `Table` | what DynamoDB bills | burst capacity, storage, the stream's reads |
//! | [`Pending`], [`bring`] | none; they feed handlers | queues, schedules, event source mappings | visibility timeouts, receive counts, the shapes of Lambda's events |
//!
//! A table that stores is `SqliteStore` in memory. [`TestBench`] puts a platform on these ports,
//! [`ManualPump`] adds a feed and a queue that a test advances, and [`request_units`] measures
//! what a campaign consumes of DynamoDB. The events of Lambda, the visibility timeouts of SQS and
//! the limits of SES are in `tests/functions`, on top of this kit.

mod caller;
mod clock;
mod entropy;
mod eventually_consistent;
mod failing_table;
mod mailer;
mod manual_pump;
mod metered_table;
mod outbox;
mod pseudo_random;
mod pump;
pub mod request_units;
mod slow_table;
mod test_bench;

pub use caller::UnreachableCaller;
pub use clock::ManualClock;
pub use entropy::CountingEntropy;
pub use eventually_consistent::{AtLeastOnceFeed, Batch, EventuallyConsistent};
pub use failing_table::{FailingTable, Fails};
pub use mailer::CapturingMailer;
pub use manual_pump::{ADMIN, ManualPump};
pub use metered_table::{MeteredTable, Units};
pub use outbox::RecordingOutbox;
pub use pseudo_random::PseudoRandom;
pub use pump::{Pending, bring};
pub use slow_table::SlowTable;
pub use test_bench::TestBench;
