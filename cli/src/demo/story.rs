//! What happens in the demo, and when.

/// One thing that happens.
pub(crate) struct StoryStep {
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
    /// Something is posted to a webhook.
    Posted {
        /// Its path.
        hook: &'static str,
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
const CLEO: &str = "cleo@example.com";

/// The hook for contacts.
const CONTACT: &str = "/v1/hooks/contact";
/// The hook for appointments, each an object of its contact.
const APPOINTMENT: &str = "/v1/hooks/object/appointment";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The appointment loop, then the webinar, then two appointments of one person.
pub(crate) const STORY: &[StoryStep] = &[
    StoryStep {
        at: "2026-12-01T08:00:00Z",
        about: None,
        tells: "Studio Nord publishes its appointment campaign.",
        what: What::Publish {
            id: "appointment-loop",
            document: include_str!("../../../examples/appointment-loop.yaml"),
        },
    },
    StoryStep {
        at: "2026-12-01T08:05:00Z",
        about: Some(ANN),
        tells: "Ann leaves her address on the web page; the form posts it.",
        what: What::Posted {
            hook: CONTACT,
            kind: JSON,
            body: include_str!("../../../examples/payloads/lead.json"),
        },
    },
    StoryStep {
        at: "2026-12-01T10:30:00Z",
        about: Some(ANN),
        tells: "Ann books in Calendly; Zapier posts the appointment. The invitations end.",
        what: What::Posted {
            hook: CONTACT,
            kind: FORM,
            body: include_str!("../../../examples/payloads/zapier-booked.form"),
        },
    },
    StoryStep {
        at: "2026-12-02T13:30:00Z",
        about: Some(ANN),
        tells: "Ann was reminded an hour before, but nobody could reach her: she is tagged \"Not \
                reached\". The campaign is reset and she goes through again.",
        what: What::Posted {
            hook: CONTACT,
            kind: JSON,
            body: include_str!("../../../examples/payloads/not-reached.json"),
        },
    },
    StoryStep {
        at: "2026-12-03T07:00:00Z",
        about: Some(ANN),
        tells: "Ann books again: the confirmation and the reminder come again, in run 2.",
        what: What::Posted {
            hook: CONTACT,
            kind: JSON,
            body: include_str!("../../../examples/payloads/calendly-rebooked.json"),
        },
    },
    StoryStep {
        at: "2026-12-04T10:00:00Z",
        about: Some(ANN),
        tells: "This time they met.",
        what: What::Waits,
    },
    StoryStep {
        at: "2026-12-05T09:00:00Z",
        about: None,
        tells: "Studio Nord publishes its webinar campaign.",
        what: What::Publish {
            id: "webinar",
            document: include_str!("../../../examples/webinar.yaml"),
        },
    },
    StoryStep {
        at: "2026-12-05T09:05:00Z",
        about: Some(BEN),
        tells: "Ben, in New York, registers.",
        what: What::Posted {
            hook: CONTACT,
            kind: JSON,
            body: include_str!("../../../examples/payloads/webinar-registered.json"),
        },
    },
    StoryStep {
        at: "2026-12-11T00:30:00Z",
        about: Some(BEN),
        tells: "Ben was reminded a day before, and attended. He is thanked, and the campaign \
                restarts.",
        what: What::Posted {
            hook: CONTACT,
            kind: JSON,
            body: include_str!("../../../examples/payloads/webinar-attended.json"),
        },
    },
    StoryStep {
        at: "2026-12-11T00:32:00Z",
        about: Some(BEN),
        tells: "Two minutes later Ben registers for the next webinar. That is too early for a \
                restart: the trigger is parked, not lost.",
        what: What::Posted {
            hook: CONTACT,
            kind: JSON,
            body: r#"{ "email": "ben@example.com", "webinar_date": "2027-01-14 18:00" }"#,
        },
    },
    StoryStep {
        at: "2026-12-11T00:36:00Z",
        about: Some(BEN),
        tells: "Five minutes after the restart it was rechecked, and Ben was welcomed again.",
        what: What::Waits,
    },
    StoryStep {
        at: "2026-12-14T08:00:00Z",
        about: None,
        tells: "Studio Nord publishes a campaign that every appointment runs through by itself.",
        what: What::Publish {
            id: "appointments",
            document: include_str!("../../../examples/appointments.yaml"),
        },
    },
    StoryStep {
        at: "2026-12-14T08:10:00Z",
        about: Some(CLEO),
        tells: "Cleo books a first talk. The appointment is an object of hers, and is confirmed.",
        what: What::Posted {
            hook: APPOINTMENT,
            kind: JSON,
            body: r#"{ "email": "cleo@example.com", "first_name": "Cleo", "time_zone": "Europe/Berlin",
  "key": "talk-1", "status": "booked", "starts_at": "2026-12-16T09:00:00Z", "place": "Studio 1" }"#,
        },
    },
    StoryStep {
        at: "2026-12-14T08:20:00Z",
        about: Some(CLEO),
        tells: "Cleo books a second appointment. It is confirmed too; the first goes on as it was.",
        what: What::Posted {
            hook: APPOINTMENT,
            kind: JSON,
            body: r#"{ "email": "cleo@example.com", "key": "photo-2", "status": "booked", "starts_at": "2026-12-17T13:00:00Z", "place": "Studio 2" }"#,
        },
    },
    StoryStep {
        at: "2026-12-15T12:00:00Z",
        about: Some(CLEO),
        tells: "Cleo moves the talk. Its reminder moves along, and that of the other stays.",
        what: What::Posted {
            hook: APPOINTMENT,
            kind: JSON,
            body: r#"{ "key": "talk-1", "starts_at": "2026-12-18T09:00:00Z" }"#,
        },
    },
    StoryStep {
        at: "2026-12-17T13:15:00Z",
        about: Some(CLEO),
        tells: "Cleo was reminded an hour before, but did not come to the second one.",
        what: What::Posted {
            hook: APPOINTMENT,
            kind: JSON,
            body: r#"{ "key": "photo-2", "status": "no_show" }"#,
        },
    },
    StoryStep {
        at: "2026-12-18T09:40:00Z",
        about: Some(CLEO),
        tells: "After ten minutes Studio Nord was sorry about that one. The talk, of which she was \
                reminded at its new time, was kept.",
        what: What::Posted {
            hook: APPOINTMENT,
            kind: JSON,
            body: r#"{ "key": "talk-1", "status": "kept" }"#,
        },
    },
];
