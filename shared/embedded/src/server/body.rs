//! A request body with bounds: how long it may pause, and how long it may take as a whole.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// See the module.
pub(super) struct Timed {
    body: Incoming,
    pause: Duration,
    halted: Pin<Box<Sleep>>,
    over: Pin<Box<Sleep>>,
    too_slow: Arc<AtomicBool>,
}

impl Timed {
    /// Sets `too_slow` if it exceeded a bound.
    pub(super) fn new(
        body: Incoming,
        pause: Duration,
        whole: Duration,
        too_slow: Arc<AtomicBool>,
    ) -> Self {
        let (halted, over) = (Box::pin(sleep(pause)), Box::pin(sleep(whole)));
        Self { body, pause, halted, over, too_slow }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let pause = self.pause;
            self.halted = Box::pin(sleep(pause));
            if self.over.as_mut().poll(context).is_pending() || frame.is_none() {
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
            }
        } else if self.halted.as_mut().poll(context).is_pending()
            && self.over.as_mut().poll(context).is_pending()
        {
            return Poll::Pending;
        }
        self.too_slow.store(true, Ordering::SeqCst);
        Poll::Ready(Some(Err("the body came too slowly".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
