//! Calls that were kept and not ended are done: the process was killed, or the table did not
//! answer.
//!
//! What is kept was answered with success, or the tool has heard nothing. Neither is reason to wait
//! for the tool to send it again: many send once. So every few minutes the calls of the last hour
//! are looked at, once an hour those of the last day, once a day those of three days, and after a
//! start of one process all that are kept.
//!
//! | a call | is |
//! |---|---|
//! | of which a contact was written | known by the pointer written with it, and not written again |
//! | that says when it happened | as good as new: nothing older overwrites it |
//! | that cannot be done for half an hour | counted among the troubles (`calls_unfinished`) |
//! | that cannot be done for nearly a day | failed, and can be replayed |
//! | of which three attempts in turn never ended | failed: it is what ends the process each time |
//!
//! Who ends it first ends it. An attempt is noted before it is begun, and that note is taken back
//! when the attempt ends, also with an error. What is left says that a process ended while it
//! worked on the call. Then the call waits before it is begun again, each time longer: a
//! disturbance of some minutes breaks off one attempt, not three.

use chrono::{TimeDelta, Timelike as _};

use crate::Instant;
use crate::api::connections::body::parts_of;
use crate::api::connections::incoming::Working;
use crate::connections::{
    CALLS_KEPT, CallOutcome, CallPlace, Connection, ReceivedCall, WithRevision,
};
use crate::error::Error;
use crate::metrics::Metric;
use crate::platform::Platform;

/// How long the door has for a call before it is looked at here: longer than any function may take.
const LEFT_ALONE: TimeDelta = TimeDelta::minutes(2);

/// How long it may take: a function has a little more.
const TAKES: TimeDelta = TimeDelta::seconds(20);

/// How often it is done.
const ROUND: TimeDelta = TimeDelta::minutes(5);
const ROUNDS_AN_HOUR: i64 = 12;

/// From what age on a user should know.
const TROUBLE_FROM: TimeDelta = TimeDelta::minutes(30);

/// From what age on a call is given up: while it is still looked at once an hour.
const GIVEN_UP_FROM: TimeDelta = TimeDelta::hours(23);

/// How often a call is begun again, however old it is: one process may have stood still for days.
const ATTEMPTS: u32 = 3;

/// For how long a call is left alone after its first, second and third attempt that did not end.
/// After the third it is given up.
const WAITS: [TimeDelta; 3] =
    [TimeDelta::minutes(5), TimeDelta::minutes(15), TimeDelta::minutes(15)];

/// How many calls of a connection are done in one round.
const MOST_AT_ONCE: usize = 200;

/// How far back is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookBack {
    /// An hour, once an hour a day, and once a day three days.
    Usual,
    /// As long as calls are kept: after a start.
    All,
}

impl LookBack {
    fn span(self, now: Instant) -> TimeDelta {
        match self {
            Self::All => CALLS_KEPT,
            Self::Usual if now.minute() < 5 && now.hour() == 0 => TimeDelta::days(3),
            Self::Usual if now.minute() < 5 => TimeDelta::days(1),
            Self::Usual => TimeDelta::hours(1),
        }
    }
}

/// Does the calls that were kept and not ended, of every connection. To be called every five
/// minutes.
///
/// # Errors
///
/// What the table answers when connections and calls are listed; those of other connections are
/// done all the same. A call that cannot be done stays for the next round, and does not delay
/// others.
pub async fn do_unfinished_calls(platform: &Platform, back: LookBack) -> Result<(), Error> {
    let platform = platform.at_work();
    let began = platform.store.now();
    let mut done = Ok(());
    let mut connections = platform.connections.list().await?;
    // Each may begin a round, also one that looks back a day, and each has its share of the time:
    // none keeps the others waiting.
    let round = began.timestamp().div_euclid(ROUND.num_seconds());
    let round = round + round / ROUNDS_AN_HOUR;
    let first = round.rem_euclid(i64::try_from(connections.len().max(1)).unwrap_or(1));
    connections.rotate_left(usize::try_from(first).unwrap_or(0));
    let mut others = i32::try_from(connections.len()).unwrap_or(i32::MAX);
    for connection in connections {
        let now = platform.store.now();
        if now - began >= TAKES {
            tracing::warn!("no time is left; received calls of {others} connections wait");
            break;
        }
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
    for (id, found) in connections.unfinished(&connection.id, span, (MOST_AT_ONCE, until)).await? {
        if platform.store.now() >= until {
            tracing::warn!(
                connection = connection.id.as_str(),
                "no time is left; received calls wait"
            );
            return Ok(());
        }
        let (at, came) = (CallPlace { connection: &connection.id, id: &id }, found.what.at);
        let attempts = found.what.attempts;
        let why = match next_step(&found.what, began) {
            NextStep::Waits => continue,
            NextStep::GiveUp(why) => give_up(platform, at, &found, why).await?,
            NextStep::BeginAgain => match begin_again(platform, connection, at, found).await? {
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
    at: CallPlace<'_>,
    found: WithRevision<ReceivedCall>,
) -> Result<Option<String>, Error> {
    let connections = &platform.connections;
    let Some(found) = connections.begin_again(at, found).await? else { return Ok(None) };
    let parts = parts_of(found.what.media.as_deref());
    let working = Working { platform, connection, at, is_continued: true };
    let problem = match connections.body(at).await {
        Ok(None) => {
            let why = "its body is no longer kept; have the tool send it again".to_owned();
            return give_up(platform, at, &found, why).await.map(Some);
        }
        Ok(Some(body)) => match working.work(found.clone(), &parts, &body.bytes()).await {
            Ok(_) => return Ok(None),
            Err(problem) => problem,
        },
        Err(error) => error.into(),
    };
    // This attempt has ended.
    let call = ReceivedCall { broken_off: 0, ..found.what.clone() };
    if let Err(error) = connections.settle(at, &found, &call).await {
        tracing::warn!(
            %error, call = at.id, "that an attempt at a received call ended is not noted"
        );
    }
    Ok(Some(problem.detail().to_owned()))
}

/// What is to be done about a call that has not been ended.
enum NextStep {
    /// It is left alone for now.
    Waits,
    /// It is begun again.
    BeginAgain,
    /// It is not begun again, and why.
    GiveUp(String),
}

fn next_step(call: &ReceivedCall, now: Instant) -> NextStep {
    let broken_off = usize::try_from(call.broken_off).unwrap_or(usize::MAX);
    let wait = broken_off.checked_sub(1).map(|nth| WAITS[nth.min(WAITS.len() - 1)]);
    if wait.zip(call.begun).is_some_and(|(wait, begun)| now - begun < wait) {
        return NextStep::Waits;
    }
    let attempts = call.attempts;
    if broken_off >= WAITS.len() {
        return NextStep::GiveUp(format!(
            "{broken_off} attempts in turn ended without a result, mostly because the process \
             ended while it worked on this call, so it is not begun again; the log and the \
             system's messages say why: replay it when that is mended"
        ));
    }
    match now - call.at >= GIVEN_UP_FROM && attempts >= ATTEMPTS {
        true => NextStep::GiveUp(format!(
            "it was begun again {attempts} times and could not be ended; the log says why: replay \
             it when that is mended"
        )),
        false => NextStep::BeginAgain,
    }
}

/// Ends a call that is not begun again. Returns why.
async fn give_up(
    platform: &Platform,
    at: CallPlace<'_>,
    found: &WithRevision<ReceivedCall>,
    why: String,
) -> Result<String, Error> {
    let (outcome, told) = (CallOutcome::Failed, Some(why.clone()));
    let call = ReceivedCall { outcome, why: told, ..found.what.clone() };
    platform.connections.settle(at, found, &call).await?;
    Metric::CallsFailed.emit(1);
    Ok(why)
}
