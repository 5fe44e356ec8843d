//! Answers HTTP on a listener, within bounds that no client can exceed.
//!
//! | bound | what happens there |
//! |---|---|
//! | [`Limits::connections`] | one more is answered 503 with `Retry-After`, and closed |
//! | [`Limits::header`] | a connection without a complete header is closed |
//! | [`Limits::body_pause`], [`Limits::body`] | 408, and it is closed |
//! | [`Limits::write_pause`] | a connection whose other end reads nothing is closed |
//! | open files of the process | a line in the log, and the next connection waits |
//!
//! A connection carries one call at a time, so the bound of connections is also that of calls in
//! progress.

mod body;
mod stall;
mod wrong_keys;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::api::{Problem, key_of};
use dacapo_platform::rate_limited_log::RateLimitedLog;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::clock::uptime;
use body::Timed;
use stall::Stalling;
use wrong_keys::{Verdict, WrongKeys};

/// The bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// How long a header may take, from the moment at which it is waited for. So it is also how
    /// long a connection may be idle.
    pub header: Duration,
    /// How long a body may pause.
    pub body_pause: Duration,
    /// How long a body may take.
    pub body: Duration,
    /// For how long the other end may read nothing.
    pub write_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            header: Duration::from_secs(30),
            body_pause: Duration::from_secs(20),
            body: Duration::from_secs(300),
            write_pause: Duration::from_secs(30),
        }
    }
}

/// This many connections beyond the bound get an answer that says so; more are closed without one.
const REFUSALS_AT_ONCE: usize = 64;

/// How long the sending of that answer may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the server waits when the process has no file left for another connection.
const NO_FILES_BACKOFF: Duration = Duration::from_millis(250);

/// How long a connection without a call in progress stays open when the server stops.
const IDLE_CLOSE_DELAY: Duration = Duration::from_millis(300);

/// Answers until `told`. Then it accepts no more, and calls in progress may take until `within`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    told: impl Future<Output = ()>,
    within: Duration,
) {
    let server = Arc::new(Server {
        router,
        limits,
        wrong_keys: WrongKeys::default(),
        stopping: watch::Sender::new(false),
        full: RateLimitedLog::default(),
        no_files: RateLimitedLog::default(),
    });
    let places = Arc::new(Semaphore::new(limits.connections));
    let turned_away = Arc::new(Semaphore::new(REFUSALS_AT_ONCE));
    let mut connections = JoinSet::new();
    let mut told = pin!(told);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut told => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                server.not_accepted(&error).await;
                continue;
            }
        };
        let server = Arc::clone(&server);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            connections.spawn(async move {
                server.connection(stream, peer).await;
                drop(place);
            });
        } else {
            server.say_full();
            if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                connections.spawn(async move {
                    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, turn_away(stream)).await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    server.stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(within, ended).await.is_err() {
        let cut = connections.len();
        tracing::warn!(cut, "calls in progress were cut off: the time to stop was over");
        connections.shutdown().await;
    }
}

/// What the connections share.
struct Server {
    router: Router,
    limits: Limits,
    wrong_keys: WrongKeys,
    stopping: watch::Sender<bool>,
    full: RateLimitedLog,
    no_files: RateLimitedLog,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let in_progress = Arc::new(AtomicBool::new(false));
        let mut stopping = self.stopping.subscribe();
        let io = TokioIo::new(Stalling::new(stream, self.limits.write_pause));
        let service = service_fn(|request| {
            let (server, in_progress) = (Arc::clone(&self), Arc::clone(&in_progress));
            async move {
                let call = InProgress::begin(in_progress);
                let response = server.answer(request, peer).await;
                // In progress until the answer is written, which then drops this guard.
                Ok::<_, Infallible>(response.map(|body| {
                    body.map_frame(move |frame| {
                        let _in_progress = &call;
                        frame
                    })
                }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .serve_connection(io, service);
        let mut connection = pin!(connection);
        tokio::select! {
            // Whatever the result is, the other end knows it too.
            _ = connection.as_mut() => return,
            _ = stopping.wait_for(|stopping| *stopping) => connection.as_mut().graceful_shutdown(),
        }
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = tokio::time::sleep(IDLE_CLOSE_DELAY) => {
                    if !in_progress.load(Ordering::SeqCst) {
                        return;
                    }
                }
            }
        }
    }

    async fn answer(&self, request: hyper::Request<Incoming>, peer: SocketAddr) -> Response {
        let has_key = key_of(request.headers()).is_some();
        let too_slow = Arc::new(AtomicBool::new(false));
        let request = request.map(|body| {
            let (pause, whole) = (self.limits.body_pause, self.limits.body);
            Body::new(Timed::new(body, pause, whole, Arc::clone(&too_slow)))
        });
        let Ok(response) = self.router.clone().oneshot(request).await;
        if too_slow.load(Ordering::SeqCst) {
            let pause = self.limits.body_pause.as_secs();
            return closing(Problem::too_slow(format!(
                "the body came to a halt for {pause} seconds, or took too long as a whole; nothing \
                 was changed: send it again"
            )));
        }
        if response.status() != 401 || !has_key {
            return response;
        }
        match self.wrong_keys.one_from(peer.ip(), uptime()) {
            Verdict::Now => response,
            Verdict::After(wait, place) => {
                tokio::time::sleep(wait).await;
                drop(place);
                response
            }
            Verdict::TooMany(seconds) => closing(Problem::too_many(
                "too many wrong API keys came from there; a right one is let through at any time",
                seconds,
            )),
        }
    }

    /// Logs that there is no room for a connection.
    fn say_full(&self) {
        if let Some(others) = self.full.due(up()) {
            let connections = self.limits.connections;
            tracing::warn!(
                connections,
                others,
                "as many connections as there may be (--max-connections): one more was turned away"
            );
        }
    }

    /// What to do when a connection could not be accepted. The server goes on in any case.
    async fn not_accepted(&self, error: &std::io::Error) {
        // Too many files are open: by this process, or by all.
        let (of_process, of_all) = (24, 23);
        match error.raw_os_error() {
            Some(code) if code == of_process || code == of_all => {
                if let Some(others) = self.no_files.due(up()) {
                    tracing::error!(
                        %error,
                        others,
                        "the limit of open files is reached, and connections wait: raise it \
                         (`ulimit -n`), or lower --max-connections"
                    );
                }
                tokio::time::sleep(NO_FILES_BACKOFF).await;
            }
            // The other end closed it before it was accepted.
            _ => tracing::debug!(%error, "a connection was not accepted"),
        }
    }
}

/// Guard: a call is in progress on a connection.
struct InProgress(Arc<AtomicBool>);

impl InProgress {
    fn begin(is: Arc<AtomicBool>) -> Self {
        is.store(true, Ordering::SeqCst);
        Self(is)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// For how long the process has run, as an instant.
fn up() -> Instant {
    Instant::UNIX_EPOCH + TimeDelta::from_std(uptime()).unwrap_or_default()
}

/// The last answer on its connection.
fn closing(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Answers one call: there is no room.
async fn turn_away(stream: TcpStream) {
    let answer = service_fn(|_: hyper::Request<Incoming>| async {
        let problem = Problem::not_now("as many connections are open as there may be; try again");
        Ok::<_, Infallible>(closing(problem))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REFUSAL_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    let _ = connection.await;
}
