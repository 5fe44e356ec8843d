//! The signal that the process is being stopped, for everything that waits for other servers.

use tokio::sync::watch;

/// The phase of the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Nothing new is begun; what is in progress may end.
    Ending,
    /// What is in progress is handed back.
    CutOff,
}

/// The sender of the signal.
pub(crate) struct Stop(watch::Sender<Phase>);

/// A receiver of the signal.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<Phase>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    pub(crate) fn listener(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }

    /// From here on nothing new is begun.
    pub(crate) fn end(&self) {
        self.0.send_replace(Phase::Ending);
    }

    /// What is still in progress is handed back.
    pub(crate) fn cut_off(&self) {
        self.0.send_replace(Phase::CutOff);
    }
}

impl Stopping {
    /// Whether the signal was given.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.borrow() >= Phase::Ending
    }

    /// Waits for the signal.
    pub(crate) async fn begun(&self) {
        self.reached(Phase::Ending).await;
    }

    /// Waits until what is still in progress is to be handed back.
    pub(crate) async fn cut_off(&self) {
        self.reached(Phase::CutOff).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut phases = self.0.clone();
        if phases.wait_for(|phase| *phase >= wanted).await.is_err() {
            // No sender is left.
            std::future::pending::<()>().await;
        }
    }
}
