//! Calls that were kept and not ended are done: the process was killed, or the table did not answer.
//!
//! What is kept was answered with success, or the tool has heard nothing. Neither is reason to wait
//! for the tool to send it again: many send once. So every few minutes the calls of the last hour
//! are looked at. Doing one again is idempotent, and who ends it first ends it.

use chrono::TimeDelta;

use crate::api::connections::body::parts_of;
use crate::api::connections::incoming::Working;
use crate::connections::{Connection, Place};
use crate::error::Error;
use crate::metrics::Metric;
use crate::platform::Platform;

/// How long the door has for a call before it is looked at here: longer than any function may take.
const LEFT_ALONE: TimeDelta = TimeDelta::minutes(2);

/// How far back is looked.
const LOOKED_BACK: TimeDelta = TimeDelta::hours(1);

/// From what age on a person should know.
const TROUBLE_FROM: TimeDelta = TimeDelta::minutes(30);

/// How many calls of a connection are done in one round.
const MOST_AT_ONCE: usize = 200;

/// Does the calls that were kept and not ended, of every connection. To be called every few minutes.
///
/// # Errors
///
/// What the table answers when connections and calls are listed; those of other connections are done
/// all the same. A call that cannot be done stays for the next round, and does not delay others.
pub async fn do_unfinished_calls(platform: &Platform) -> Result<(), Error> {
    let platform = platform.at_work();
    let mut done = Ok(());
    for connection in platform.connections.list().await? {
        done = done.and(of_connection(&platform, &connection).await);
    }
    done
}

async fn of_connection(platform: &Platform, connection: &Connection) -> Result<(), Error> {
    let (connections, now) = (&platform.connections, platform.store.now());
    let span = (now - LOOKED_BACK, now - LEFT_ALONE);
    for (id, found) in connections.unfinished(&connection.id, span, MOST_AT_ONCE).await? {
        let (at, came) = (Place { connection: &connection.id, id: &id }, found.what.at);
        let Some(body) = connections.body(at).await? else { continue };
        let parts = parts_of(found.what.media.as_deref());
        let working = Working { platform, connection, at };
        let Err(problem) = working.work(found, &parts, &body.bytes()).await else { continue };
        let (connection, why) = (connection.id.as_str(), problem.detail());
        tracing::warn!(connection, call = id, why, "a received call cannot be done");
        if now - came >= TROUBLE_FROM {
            Metric::CallsUnfinished.tell(1);
        }
    }
    Ok(())
}
