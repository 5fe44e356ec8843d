//! The ports in one process: table, feed, timers and queues in one SQLite file; mail captured or
//! sent by SMTP; and a worker that does what the Lambda functions do in the cloud.
//!
//! [`Embedded::start`] puts it together; [`Embedded::router`] answers everything that comes by
//! HTTP.

pub mod clock;
mod dev;
mod outside;
pub mod server;
pub mod smtp;
mod stopping;
pub mod store;
mod webhooks;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dacapo_engine::ids::AccountId;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::error::Error;
use dacapo_platform::keys::is_fed;
use dacapo_platform::platform::{Platform, Ports, Setup};
use dacapo_platform::ports::Mailer;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use clock::{ClockKind, EmbeddedClock};
pub use outside::{Capture, SystemEntropy};
use smtp::Smtp;
use stopping::Stop;
pub use stopping::Stopping;
pub use store::{Change, Derived, Operation, ReceivedMessage, SqliteStore, StoreError, Timer};
use worker::Worker;
pub use worker::WorkerHandle;

/// The settings of an embedded Dacapo.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory in which everything is kept; in memory without it.
    pub directory: Option<PathBuf>,
    /// Which clock.
    pub clock: ClockKind,
    /// The account's zone, if it is to be set.
    pub time_zone: Option<dacapo_engine::time::Zone>,
    /// The account's language, if it is to be set: a BCP 47 tag.
    pub locale: Option<String>,
    /// The SMTP server that mail is sent to; captured without it.
    pub smtp: Option<String>,
    /// The URL at which it is reached from outside, for links in mail.
    pub public_url: String,
    /// Whether only this machine reaches it. If not, captured mail, which needs no key, is not
    /// shown with a real clock.
    pub local: bool,
}

/// Why it could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The platform.
    #[error(transparent)]
    Platform(#[from] Error),
    /// The SMTP URL.
    #[error("{0}")]
    Smtp(String),
}

/// All parts of the process.
pub struct Embedded {
    /// The platform.
    pub platform: Platform,
    /// The store.
    pub store: Arc<SqliteStore>,
    /// The clock.
    pub clock: Arc<EmbeddedClock>,
    /// The way to ask the worker.
    pub worker: WorkerHandle,
    /// Whether `/dev/messages` exists.
    shows_captured: bool,
    /// Whether only this machine reaches it.
    local: bool,
    stop: Stop,
    running: JoinHandle<()>,
}

impl Embedded {
    /// Opens the store and starts the worker, which continues where the last one stopped or was
    /// killed.
    ///
    /// # Errors
    ///
    /// What is wrong with the directory, the SMTP URL or the store.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let store = SqliteStore::open(options.directory.as_deref(), is_fed)?;
        let clock = EmbeddedClock::start(Arc::clone(&store), options.clock).await?;
        let stop = Stop::new();
        let (mailer, mail): (Arc<dyn Mailer>, _) = match &options.smtp {
            Some(url) => {
                let smtp = Smtp::to(url, Arc::clone(&clock), stop.listener());
                let smtp = smtp.map_err(StartError::Smtp)?;
                let server_state = smtp.server_state();
                (Arc::new(smtp), Some(server_state))
            }
            None => (Arc::new(Capture), None),
        };
        let account = AccountId::new("main").unwrap_or_else(|_| unreachable!("`main` is an id"));
        let ports = Ports {
            table: Arc::clone(&store) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            outbox: Arc::new(outside::StoreOutbox(Arc::clone(&store))),
            mailer,
            caller: Arc::new(webhooks::HttpCaller::default()),
        };
        let platform = Platform::of(Setup {
            alone: true,
            blocking_work: Arc::new(outside::OwnThreads::default()),
            blocking_calls: Arc::new(outside::OwnThreads::default()),
            ..Setup::new(account, ports, options.public_url)
        });
        if options.time_zone.is_some() || options.locale.is_some() {
            platform
                .catalog
                .change::<_, Error>(|catalog| {
                    let settings = &mut catalog.settings;
                    if let Some(zone) = options.time_zone {
                        zone.name().clone_into(&mut settings.time_zone);
                    }
                    if let Some(locale) = &options.locale {
                        settings.locale.clone_from(locale);
                    }
                    Ok(((), Vec::new()))
                })
                .await?;
        }
        platform.campaigns.end_pauses().await?;
        platform.jobs.dispatch_pending().await?;
        let (asks, requests) = mpsc::channel(64);
        let mut works = platform.clone();
        if !platform.delivery.channels.any_calls_a_service() {
            // A claim must be on disk before a message is sent; a captured message is not sent.
            works = works.with(|setup| setup.ports.table = Arc::new(Derived(Arc::clone(&store))));
        }
        let (its_store, its_clock) = (Arc::clone(&store), Arc::clone(&clock));
        let worker = Worker::new(works, its_store, its_clock, stop.listener(), mail)
            .await
            .map_err(Error::from)?;
        let running = tokio::spawn(worker.run(requests));
        let shows_captured = options.smtp.is_none() && (options.local || clock.is_manual());
        let (worker, local) = (WorkerHandle(asks), options.local);
        Ok(Self { platform, store, clock, worker, shows_captured, local, stop, running })
    }

    /// The router of all HTTP calls: the API, and `/dev/*` where it exists.
    pub fn router(&self, admin_key: Option<AdminKey>) -> Router {
        let api = router(self.platform.clone(), admin_key.clone());
        dev::with_dev(api, self, admin_key)
    }

    /// Stops within ten seconds: [`Self::stop_within`].
    pub async fn stop(self) {
        self.stop_within(Duration::from_secs(10)).await;
    }

    /// Stops the worker when the work that is there is done, and after this time at the latest.
    /// Nothing new is handed to webhooks and mail servers from here on. A mail that the server has
    /// not asked for yet waits for the next start, and so does a webhook that has not answered by
    /// the end.
    pub async fn stop_within(self, within: Duration) {
        self.stop.end();
        let ended = tokio::time::timeout(within * 7 / 10, self.worker.idle()).await;
        if ended.is_err() {
            self.stop.cut_off();
            if tokio::time::timeout(within * 2 / 10, self.worker.idle()).await.is_err() {
                tracing::warn!("stopped with work left; it goes on with the next start");
            }
        }
        self.running.abort();
        let _ = self.running.await;
    }
}
