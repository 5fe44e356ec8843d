//! What an enrollment at rest waits for from outside: the effects that have to be under way for it,
//! and no others.
//!
//! It follows from the state alone, whichever decisions led there. So lost timers and messages can
//! be ordered again. One that still exists has the same name, so this is idempotent.

use super::Effect;
use crate::campaign::channel::Channel;
use crate::campaign::format::Purpose;
use crate::campaign::graph::Graph;
use crate::enrollment::{Enrollment, MessageRest, Rest};
use crate::ids::ElementId;

/// The timers, the recheck and the messages that an enrollment waits for. `graph` is the version
/// that its tokens are on.
pub fn outstanding(enrollment: &Enrollment, graph: &Graph) -> Vec<Effect> {
    let run = enrollment.run;
    let mut effects = Vec::new();
    for token in &enrollment.tokens {
        let step = token.step;
        effects.extend(token.due().map(|due| Effect::Schedule { run, step, due }));
        match token.rest {
            Rest::Message(MessageRest::Queued) => {
                effects.push(deliver(graph, &token.element, run, step));
            }
            Rest::Message(MessageRest::Window(_) | MessageRest::Settled)
            | Rest::Wait(_)
            | Rest::Date(_)
            | Rest::Event
            | Rest::Goal => {}
        }
    }
    if let (Some(_), Some(due)) = (&enrollment.parked, enrollment.eligible_at) {
        effects.push(Effect::Recheck { run, due });
    }
    effects
}

/// The effect that queues the message of an element. An unknown element sends a marketing e-mail.
pub(super) fn deliver(graph: &Graph, element: &ElementId, run: u32, step: u32) -> Effect {
    let (channel, purpose) = match graph.message(element) {
        Some(message) => (message.channel, message.purpose(&graph.document)),
        None => (Channel::Email, Purpose::Marketing),
    };
    Effect::Deliver { run, step, channel, purpose }
}
