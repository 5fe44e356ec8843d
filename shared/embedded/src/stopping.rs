//! That the process is being stopped: told once, to everything that waits for others.

use tokio::sync::watch;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Nothing new is begun; what is under way may end.
    Ending,
    /// What is under way is given back.
    CutOff,
}

/// Whoever tells it.
pub(crate) struct Stop(watch::Sender<Phase>);

/// Whoever is told.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<Phase>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    pub(crate) fn listener(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }

    /// Nothing new is begun from here on.
    pub(crate) fn end(&self) {
        self.0.send_replace(Phase::Ending);
    }

    /// What is still under way is given back.
    pub(crate) fn cut_off(&self) {
        self.0.send_replace(Phase::CutOff);
    }
}

impl Stopping {
    /// Whether it was told.
    pub(crate) fn is_told(&self) -> bool {
        *self.0.borrow() >= Phase::Ending
    }

    /// When it is told.
    pub(crate) async fn told(&self) {
        self.reached(Phase::Ending).await;
    }

    /// When what is still under way is to be given back.
    pub(crate) async fn cut_off(&self) {
        self.reached(Phase::CutOff).await;
    }

    async fn reached(&self, wanted: Phase) {
        let mut phases = self.0.clone();
        if phases.wait_for(|phase| *phase >= wanted).await.is_err() {
            // Nobody is left who could tell it.
            std::future::pending::<()>().await;
        }
    }
}
