//! What happens in the demo, and when.

/// One thing that happens.
pub(crate) struct Step {
    /// The instant, in UTC.
    pub(crate) at: &'static str,
    /// The address of the contact that it is about.
    pub(crate) about: Option<&'static str>,
    /// The words of the narrator.
    pub(crate) tells: &'static str,
    /// The action.
    pub(crate) what: What,
}

/// An action.
pub(crate) enum What {
    /// A campaign is published.
    Publish {
        /// Its id.
        id: &'static str,
        /// The document.
        document: &'static str,
    },
    /// Something is posted to the webhook.
    Posted {
        /// The content type.
        kind: &'static str,
        /// The body.
        body: &'static str,
    },
    /// Time passes.
    Waits,
}

const ANN: &str = "ann@example.com";
const BEN: &str = "ben@example.com";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The appointment loop, then the webinar.
pub(crate) const STORY: &[Step] = &[
    Step {
        at: "2026-12-01T08:00:00Z",
        about: None,
        tells: "Studio Nord publishes its appointment campaign.",
        what: What::Publish {
            id: "appointment-loop",
            document: include_str!("../../../examples/appointment-loop.yaml"),
        },
    },
    Step {
        at: "2026-12-01T08:05:00Z",
        about: Some(ANN),
        tells: "Ann leaves her address on the web page; the form posts it.",
        what: What::Posted {
            kind: JSON,
            body: include_str!("../../../examples/payloads/lead.json"),
        },
    },
    Step {
        at: "2026-12-01T10:30:00Z",
        about: Some(ANN),
        tells: "Ann books in Calendly; Zapier posts the appointment. The invitations end.",
        what: What::Posted {
            kind: FORM,
            body: include_str!("../../../examples/payloads/zapier-booked.form"),
        },
    },
    Step {
        at: "2026-12-02T13:30:00Z",
        about: Some(ANN),
        tells: "Ann was reminded an hour before, but nobody could reach her: she is tagged \"Not reached\". \
                The campaign is reset and she goes through again.",
        what: What::Posted {
            kind: JSON,
            body: include_str!("../../../examples/payloads/not-reached.json"),
        },
    },
    Step {
        at: "2026-12-03T07:00:00Z",
        about: Some(ANN),
        tells: "Ann books again: the confirmation and the reminder come again, in run 2.",
        what: What::Posted {
            kind: JSON,
            body: include_str!("../../../examples/payloads/calendly-rebooked.json"),
        },
    },
    Step {
        at: "2026-12-04T10:00:00Z",
        about: Some(ANN),
        tells: "This time they met.",
        what: What::Waits,
    },
    Step {
        at: "2026-12-05T09:00:00Z",
        about: None,
        tells: "Studio Nord publishes its webinar campaign.",
        what: What::Publish {
            id: "webinar",
            document: include_str!("../../../examples/webinar.yaml"),
        },
    },
    Step {
        at: "2026-12-05T09:05:00Z",
        about: Some(BEN),
        tells: "Ben, in New York, registers.",
        what: What::Posted {
            kind: JSON,
            body: include_str!("../../../examples/payloads/webinar-registered.json"),
        },
    },
    Step {
        at: "2026-12-11T00:30:00Z",
        about: Some(BEN),
        tells: "Ben was reminded a day before, and attended. He is thanked, and the campaign restarts.",
        what: What::Posted {
            kind: JSON,
            body: include_str!("../../../examples/payloads/webinar-attended.json"),
        },
    },
    Step {
        at: "2026-12-11T00:32:00Z",
        about: Some(BEN),
        tells: "Two minutes later Ben registers for the next webinar. That is too early for a restart: \
                the trigger is parked, not lost.",
        what: What::Posted {
            kind: JSON,
            body: r#"{ "email": "ben@example.com", "webinar_date": "2027-01-14 18:00" }"#,
        },
    },
    Step {
        at: "2026-12-11T00:36:00Z",
        about: Some(BEN),
        tells: "Five minutes after the restart it was rechecked, and Ben was welcomed again.",
        what: What::Waits,
    },
];
