//! What a body means to a connection: by its kind, its map, and the type of its objects.

use crate::Instant;
use crate::connections::incoming::{Booking, Misfit, Understood};
use crate::connections::stored::{Connection, Kind};
use crate::connections::tree::Body;
use crate::connections::{calcom, calendly, form, mapping};

/// What a body means to a connection. `at` is when it came first, for a body that says no time.
///
/// # Errors
///
/// Everything that is missing or cannot be used.
pub(crate) fn understand(
    connection: &Connection,
    body: &Body,
    at: Instant,
) -> Result<Understood, Vec<Misfit>> {
    let object = connection.object.as_deref();
    let of_tool = match connection.kind {
        Kind::Calendly => calendly::understand(&body.value, at),
        Kind::Calcom => calcom::understand(&body.value, at),
        Kind::Form => return form::understand((&connection.map, &connection.set), object, body),
    };
    let mut understood = of_tool.map_err(|mut missing| {
        missing.extend(body.twice.iter().cloned());
        missing
    })?;
    understood.left_out.extend(body.twice.iter().cloned());
    for incoming in understood.what.iter_mut().flatten() {
        incoming.lasting = incoming.contact.clone();
        mapping::apply(&connection.map, &body.value, incoming);
        match (&mut incoming.object, object) {
            (Some(there), Some(kind)) => kind.clone_into(&mut there.kind),
            (there, _) => {
                incoming.booking = there.take().zip(incoming.told).map(|(object, told)| Booking {
                    key: object.key,
                    replaces: object.replaces,
                    status: told.status,
                });
            }
        }
    }
    Ok(understood)
}

/// Whether a call says itself that it is older than what is kept of earlier ones: it may be a copy
/// of one of these. A kind whose signature has a time is judged by that.
pub(crate) fn is_outdated(kind: Kind, body: &Body, now: Instant) -> bool {
    kind == Kind::Calcom && calcom::is_outdated(&body.value, now)
}
