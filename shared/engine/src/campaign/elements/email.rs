//! `email`: sends an e-mail and goes on once its message is settled (R25, R30 to R34).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Arrival, Channel, EdgeKey, ElementMessage, ElementType, Otherwise, WhenMissed, Window,
};
use crate::campaign::checks::{At, Findings, Surroundings};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// Sends an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendEmail {
    /// The key under `emails`.
    pub email: String,
    #[doc = "When it may leave, whatever its purpose (R25); `email_time` does not hold for it \
             then."]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Where the token goes once the message is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl SendEmail {
    /// The message that it sends.
    pub(crate) fn message(&self) -> ElementMessage<'_> {
        ElementMessage {
            channel: Channel::Email,
            content_key: &self.email,
            window: self.window,
            next: self.next.as_ref(),
        }
    }
}

impl ElementType for SendEmail {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::BelongsToTheMoment
    }

    fn check(&self, path: &Path, _: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if self.window.is_some_and(|window| window.otherwise == Otherwise::Earlier) {
            findings.error(
                "earlier_on_an_email",
                &At::Value(&path.key("window").key("else")),
                "an e-mail cannot leave earlier than its path reaches it",
                "write `later` or `skip`, or put the window on the `date_timer` before it, whose \
                 moment is known ahead",
            );
        }
    }
}
