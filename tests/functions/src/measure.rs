//! The size, the start time and the memory of the bootstraps, compared with an empty function in
//! the same run.
//!
//! The start is measured without the warming of connections: nothing listens at the addresses to
//! which the function would connect, and it reads one root certificate instead of all. The start
//! with all of them is shown too. The quickest of several starts counts, because other load on the
//! machine can only make one slower. The functions are started alternately, so that a slow minute
//! affects all of them.

use std::fmt;

use dacapo_aws::settings::{Function, read_by};

use crate::rie::{Rie, zipped};

/// Where systems keep the certificates that they trust.
const TRUSTED: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The largest archive, in bytes.
const LARGEST: usize = 3_500_000;

/// The largest archive of the HTTP API, for whose start callers wait, in bytes.
const LARGEST_API: usize = 5_000_000;

/// The largest archive, in bytes, of a function that nobody waits for and that does more: `deliver`
/// makes the text of mail that has HTML alone, `stop-campaign` does every kind of job.
const LARGEST_WORKER: usize = 4_000_000;

/// The slowest start, in starts of the empty function.
const SLOWEST: f64 = 1.5;

/// The most memory, in bytes.
const MOST_MEMORY: u64 = 30 * 1024 * 1024;

/// How often each is started, with one certificate and with all.
const STARTS: usize = 25;

/// How often a start is repeated that came before the emulator listened.
const TRIES: usize = 5;

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The empty function.
    pub empty: Figures,
    /// The others.
    pub functions: Vec<Figures>,
}

/// The figures of a function.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Its name.
    pub name: &'static str,
    /// Its archive, in bytes.
    pub zipped: usize,
    /// Its quickest start without the warming of connections, in milliseconds.
    pub init: f64,
    /// The same when it has read all certificates.
    pub with_certificates: f64,
    /// The most memory it has had, in bytes.
    pub memory: u64,
}

/// Measures all of them.
///
/// # Panics
///
/// If the system has no trusted certificates.
pub async fn all() -> Measured {
    let one = OneCertificate::write();
    let mut empty = (Figures::of("empty"), Vec::new());
    let mut functions: Vec<_> = Function::ALL
        .into_iter()
        .map(|function| {
            let settings = read_by(function).map(|variable| (variable.name, value(variable.name)));
            (Figures::of(function.name()), settings.collect())
        })
        .collect();
    for _ in 0..STARTS {
        for (figures, settings) in std::iter::once(&mut empty).chain(&mut functions) {
            figures.start(settings, &one).await;
        }
    }
    let functions = functions.into_iter().map(|(figures, _)| figures).collect();
    Measured { empty: empty.0, functions }
}

fn value(name: &str) -> &'static str {
    match name {
        // Nothing listens at the discard port: connections are refused at once.
        "AWS_ENDPOINT_URL" => "http://127.0.0.1:9",
        "DACAPO_SENDER" => "sender@example.com",
        "DACAPO_RESTART_DELAY_SECONDS" => "300",
        "DACAPO_MAIL_CONCURRENCY" => "10",
        "DACAPO_LOG" => "error",
        _ => "x",
    }
}

impl Figures {
    /// Those of a function that has not been started yet.
    fn of(name: &'static str) -> Self {
        let (init, with_certificates) = (f64::MAX, f64::MAX);
        Self { name, zipped: zipped(name), init, with_certificates, memory: 0 }
    }

    /// Starts the function with one certificate, and with all.
    async fn start(&mut self, settings: &[(&str, &str)], one: &OneCertificate) {
        let Self { name, init, with_certificates, memory, .. } = self;
        let unwarmed = [settings, &[("SSL_CERT_FILE", one.0.as_str())]].concat();
        for (settings, quickest) in [(&unwarmed[..], init), (settings, with_certificates)] {
            let rie = started(name, settings).await;
            let took = rie.init().unwrap_or_else(|| panic!("{name} told no start:\n{}", rie.log()));
            *quickest = quickest.min(took);
            *memory = (*memory)
                .max(rie.memory().unwrap_or_else(|| panic!("{name} runs no more:\n{}", rie.log())));
        }
    }
}

/// A function that has received an event that it cannot handle.
async fn started(name: &str, settings: &[(&str, &str)]) -> Rie {
    for _ in 0..TRIES {
        let rie = Rie::start(name, settings).await;
        let _ = rie.answer("{}").await;
        if !rie.was_too_early() {
            return rie;
        }
    }
    panic!("{name} was too early {TRIES} times: the machine is too busy to measure anything");
}

/// A file with one of the certificates that the system trusts. It is removed when this is dropped.
struct OneCertificate(String);

impl OneCertificate {
    fn write() -> Self {
        let all = TRUSTED.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let all = all.unwrap_or_else(|| panic!("none of {TRUSTED:?} is there"));
        let end = "-----END CERTIFICATE-----";
        let one = all.split_inclusive(end).next().expect("a certificate");
        let path =
            std::env::temp_dir().join(format!("dacapo-certificate-{}.pem", std::process::id()));
        std::fs::write(&path, one).expect("a file");
        Self(path.to_string_lossy().into_owned())
    }
}

impl Drop for OneCertificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Measured {
    /// What exceeds its limit, in words.
    pub fn over_their_bounds(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for figures in &self.functions {
            let Figures { name, zipped, init, memory, .. } = figures;
            let largest = match *name {
                "api" => LARGEST_API,
                "deliver" | "stop-campaign" => LARGEST_WORKER,
                _ => LARGEST,
            };
            if *zipped > largest {
                wrong.push(format!("{name}: {zipped} bytes zipped, at most {largest}"));
            }
            if *init > SLOWEST * self.empty.init {
                wrong.push(format!(
                    "{name}: starts in {init:.1} ms, the empty one in {:.1}",
                    self.empty.init
                ));
            }
            if *memory > MOST_MEMORY {
                wrong.push(format!("{name}: {memory} bytes of memory, at most {MOST_MEMORY}"));
            }
        }
        wrong
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14} {:>12} {:>9} {:>9} {:>17} {:>10}",
            "function", "zipped", "init", "of empty", "with certificates", "memory"
        )?;
        for figures in std::iter::once(&self.empty).chain(&self.functions) {
            let Figures { name, zipped, init, with_certificates, memory } = figures;
            let (megabytes, of_empty) = (*zipped as f64 / 1e6, init / self.empty.init);
            let memory = *memory as f64 / (1024.0 * 1024.0);
            writeln!(
                f,
                "{name:<14} {megabytes:>9.2} MB {init:>6.1} ms {of_empty:>8.2}x {with_certificates:>14.1} ms {memory:>6.1} MiB"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dacapo_aws::settings::{
        ApiSettings, DeliverSettings, EffectsSettings, Environment, FeedbackSettings, OwnSettings,
        Settings, StopCampaignSettings, TagChangeSettings, TimerSettings, WebhookSettings,
    };

    use super::*;

    fn reads<S: OwnSettings>(function: Function) -> Result<(), String> {
        let given: Vec<_> =
            read_by(function).map(|variable| (variable.name, value(variable.name))).collect();
        Settings::<S>::from_environment(&Environment::of(given))
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_function_is_given_to_be_measured_is_what_it_reads() {
        for function in Function::ALL {
            let read = match function {
                Function::Webhook => reads::<WebhookSettings>(function),
                Function::Api => reads::<ApiSettings>(function),
                Function::TagChange => reads::<TagChangeSettings>(function),
                Function::Effects => reads::<EffectsSettings>(function),
                Function::Timer => reads::<TimerSettings>(function),
                Function::StopCampaign => reads::<StopCampaignSettings>(function),
                Function::Deliver => reads::<DeliverSettings>(function),
                Function::Feedback => reads::<FeedbackSettings>(function),
            };
            assert_eq!(read, Ok(()));
        }
    }
}
