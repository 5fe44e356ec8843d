//! Calls that were kept and not ended are done: the process was killed, or the table did not answer.
//!
//! What is kept was answered with success, or the tool has heard nothing. Neither is reason to wait
//! for the tool to send it again: many send once. So every few minutes the calls of the last hour
//! are looked at, once an hour those of the last day, and after a start of one process all that are
//! kept.
//!
//! | a call | is |
//! |---|---|
//! | of which a contact was written | known by the pointer that is written with it, and not written again |
//! | that says when it happened | as good as new: nothing older overwrites it |
//! | that cannot be done for half an hour | counted among the troubles (`calls_unfinished`) |
//! | that cannot be done for nearly a day | failed, and can be replayed |
//! | of which three attempts never ended | failed: it is what ends the process each time |
//!
//! Who ends it first ends it. An attempt is counted before it is begun, and counted once more when
//! it ends with an error: the difference is how often a process ended while it worked on the call.

use chrono::{TimeDelta, Timelike as _};

use crate::Instant;
use crate::api::connections::body::parts_of;
use crate::api::connections::incoming::Working;
use crate::connections::{CALLS_KEPT, Connection, Found, Outcome, Place, ReceivedCall};
use crate::error::Error;
use crate::metrics::Metric;
use crate::platform::Platform;

/// How long the door has for a call before it is looked at here: longer than any function may take.
const LEFT_ALONE: TimeDelta = TimeDelta::minutes(2);

/// How long it may take: a function has a little more.
const TAKES: TimeDelta = TimeDelta::seconds(20);

/// How often it is done.
const ROUND: TimeDelta = TimeDelta::minutes(5);

/// From what age on a user should know.
const TROUBLE_FROM: TimeDelta = TimeDelta::minutes(30);

/// From what age on a call is given up: while it is still looked at once an hour.
const GIVEN_UP_FROM: TimeDelta = TimeDelta::hours(23);

/// How often a call is begun again, however old it is: one process may have stood still for days.
const ATTEMPTS: u32 = 3;

/// How many attempts at a call may not have ended: the process was killed each time.
const BROKEN_OFF: u32 = 3;

/// How many calls of a connection are done in one round.
const MOST_AT_ONCE: usize = 200;

/// How far back is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookBack {
    /// An hour, and once an hour a day.
    Usual,
    /// As long as calls are kept: after a start.
    All,
}

impl LookBack {
    fn span(self, now: Instant) -> TimeDelta {
        match self {
            Self::All => CALLS_KEPT,
            Self::Usual if now.minute() < 5 => TimeDelta::days(1),
            Self::Usual => TimeDelta::hours(1),
        }
    }
}

/// Does the calls that were kept and not ended, of every connection. To be called every five minutes.
///
/// # Errors
///
/// What the table answers when connections and calls are listed; those of other connections are done
/// all the same. A call that cannot be done stays for the next round, and does not delay others.
pub async fn do_unfinished_calls(platform: &Platform, back: LookBack) -> Result<(), Error> {
    let platform = platform.at_work();
    let began = platform.store.now();
    let mut done = Ok(());
    let mut connections = platform.connections.list().await?;
    // Each may begin a round, and each has its share of the time: none keeps the others waiting.
    let round = began.timestamp().div_euclid(ROUND.num_seconds());
    let first = round.rem_euclid(i64::try_from(connections.len().max(1)).unwrap_or(1));
    connections.rotate_left(usize::try_from(first).unwrap_or(0));
    let mut others = i32::try_from(connections.len()).unwrap_or(i32::MAX);
    for connection in connections {
        let now = platform.store.now();
        let until = now + (began + TAKES - now) / others;
        others -= 1;
        done = done.and(of_connection(&platform, &connection, back.span(began), until).await);
    }
    done
}

async fn of_connection(
    platform: &Platform,
    connection: &Connection,
    back: TimeDelta,
    until: Instant,
) -> Result<(), Error> {
    let connections = &platform.connections;
    let began = platform.store.now();
    let span = (began - back, began - LEFT_ALONE);
    for (id, found) in connections.unfinished(&connection.id, span, MOST_AT_ONCE).await? {
        if platform.store.now() >= until {
            tracing::warn!(
                connection = connection.id.as_str(),
                "no time is left; received calls wait"
            );
            return Ok(());
        }
        let (at, came) = (Place { connection: &connection.id, id: &id }, found.what.at);
        let attempts = found.what.attempts;
        let why = match given_up(&found.what, began) {
            Some(why) => give_up(platform, at, &found, why).await?,
            None => match begin_again(platform, connection, at, found).await? {
                Some(why) => why,
                None => continue,
            },
        };
        let connection = connection.id.as_str();
        tracing::warn!(connection, call = id, attempts, why, "a received call cannot be done");
        if began - came >= TROUBLE_FROM {
            Metric::CallsUnfinished.emit(1);
        }
    }
    Ok(())
}

/// Begins a call again. Returns why it could not be done, if it could not.
async fn begin_again(
    platform: &Platform,
    connection: &Connection,
    at: Place<'_>,
    found: Found<ReceivedCall>,
) -> Result<Option<String>, Error> {
    let connections = &platform.connections;
    let Some(found) = connections.begin_again(at, found).await? else { return Ok(None) };
    let parts = parts_of(found.what.media.as_deref());
    let working = Working { platform, connection, at, is_continued: true };
    let problem = match connections.body(at).await {
        Ok(None) => return Ok(None),
        Ok(Some(body)) => match working.work(found.clone(), &parts, &body.bytes()).await {
            Ok(_) => return Ok(None),
            Err(problem) => problem,
        },
        Err(error) => error.into(),
    };
    let call = ReceivedCall { errors: found.what.errors + 1, ..found.what.clone() };
    connections.settle(at, &found, &call).await?;
    Ok(Some(problem.detail().to_owned()))
}

/// Why a call is not begun again, if it is not.
fn given_up(call: &ReceivedCall, now: Instant) -> Option<String> {
    let broken_off = call.attempts.saturating_sub(call.errors);
    if broken_off >= BROKEN_OFF {
        let why = format!(
            "the process ended {broken_off} times while it worked on this call, so it is not begun again; the log and \
             the system's messages say why: replay it when that is mended"
        );
        return Some(why);
    }
    let is_old = now - call.at >= GIVEN_UP_FROM;
    (is_old && call.attempts >= ATTEMPTS).then(|| {
        format!(
            "it was begun again {} times and could not be ended; the log says why: replay it when that is mended",
            call.attempts
        )
    })
}

/// Ends a call that is not begun again. Returns why.
async fn give_up(
    platform: &Platform,
    at: Place<'_>,
    found: &Found<ReceivedCall>,
    why: String,
) -> Result<String, Error> {
    let (outcome, told) = (Outcome::Failed, Some(why.clone()));
    let call = ReceivedCall { outcome, why: told, ..found.what.clone() };
    platform.connections.settle(at, found, &call).await?;
    Metric::CallsFailed.emit(1);
    Ok(why)
}
