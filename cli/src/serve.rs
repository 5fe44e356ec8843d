//! `dacapo serve`: everything in one process.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use dacapo_embedded::server::{self, Limits};
use dacapo_embedded::{Embedded, Options, SystemEntropy};
use dacapo_platform::api::AdminKey;
use dacapo_platform::ports::Entropy as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::out;
use crate::settings::Serve;

/// Shorter admin keys than this are warned about.
const SHORT: usize = 20;

/// Listens until it is told to stop, and then ends within the time for that, whatever is
/// unfinished.
pub(crate) fn run(serve: Serve) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(listen(serve));
    // Name resolution, for example, cannot be cancelled, and is not waited for.
    runtime.shutdown_background();
    done
}

async fn listen(serve: Serve) -> Result<ExitCode, Box<dyn Error>> {
    let listener = TcpListener::bind((serve.host.as_str(), serve.port)).await.map_err(|error| {
        format!("cannot listen on {}:{}: {error}; choose another --port", serve.host, serve.port)
    })?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}");
    let public_url = links(serve.public_url, serve.smtp.is_some(), address)?;
    if serve.smtp.is_none() {
        tracing::warn!(
            "mail is captured and not sent: GET /dev/messages shows it; say --smtp URL, and it is \
             sent"
        );
    }
    if serve.api_key.as_ref().is_some_and(|key| key.trim().is_empty()) {
        let why = "the admin key is empty (--api-key or DACAPO_API_KEY); give one, or leave it out \
                   and one is made";
        return Err(why.into());
    }
    if let Some(key) = &serve.api_key
        && key.chars().count() < SHORT
    {
        let characters = key.chars().count();
        tracing::warn!(
            characters,
            "the admin key is short and can be guessed: fine for a try, but give it {SHORT} random \
             characters or more, or none, so that one is made"
        );
    }
    let embedded = Embedded::start(Options {
        directory: serve.data_dir,
        clock: serve.clock,
        time_zone: serve.time_zone,
        locale: serve.locale,
        smtp: serve.smtp,
        public_url,
        local: address.ip().is_loopback(),
    })
    .await?;
    let key = serve.api_key.unwrap_or_else(|| format!("dk_{}", SystemEntropy.text(40)));
    let router = embedded.router(Some(AdminKey::of(&key)));
    let ready = json!({ "ready": true, "url": url, "api_key": key });
    out::line(ready)?;
    let within = serve.stop_timeout;
    let told = async {
        told_to_stop().await;
        end_at_the_latest(within);
    };
    let limits = Limits { connections: serve.max_connections.get(), ..Limits::default() };
    // Half of the time is for calls in progress, most of the rest for what waits for other servers.
    server::serve(listener, router, limits, told, within * 5 / 10).await;
    embedded.stop_within(within * 4 / 10).await;
    Ok(ExitCode::SUCCESS)
}

/// The beginning of links in mail.
fn links(
    public_url: Option<String>,
    mail_is_sent: bool,
    address: SocketAddr,
) -> Result<String, String> {
    if let Some(public_url) = public_url {
        return Ok(public_url);
    }
    let url = format!("http://{address}");
    if address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            url,
            "links in mail and the URLs of connections lead to this machine, where nobody else \
             comes; say --public-url, such as --public-url https://dacapo.example.com"
        );
        return Ok(url);
    }
    if mail_is_sent && address.ip().to_canonical().is_unspecified() {
        return Err(format!(
            "links in mail would begin with {url}, which leads nowhere; say --public-url, such as \
             --public-url https://mail.example"
        ));
    }
    tracing::warn!(
        links = url,
        "links in mail begin with the address that is listened on; say --public-url if people \
         reach it by another"
    );
    Ok(url)
}

/// Waits for Control-C, or the signal of a supervisor.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupted.await;
        }
    }
}

/// Ends the process when the time to stop is over: what was acknowledged is on disk. A second
/// Control-C ends it at once.
fn end_at_the_latest(within: Duration) {
    tokio::spawn(async {
        told_to_stop().await;
        tracing::warn!("told to stop twice: ended at once");
        std::process::exit(1);
    });
    std::thread::spawn(move || {
        std::thread::sleep(within);
        tracing::warn!(
            "the time to stop is over: ended with work left, which goes on with the next start"
        );
        std::process::exit(1);
    });
}
