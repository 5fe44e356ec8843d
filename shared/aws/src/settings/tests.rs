//! Settings: everything that is missing is reported at once, no function reads more than the table
//! says, and people see the same table.

use std::collections::BTreeSet;

use super::*;

const COMMON: [(&str, &str); 4] = [
    ("DACAPO_TABLE", "dacapo"),
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "id"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

#[test]
fn all_that_is_missing_or_wrong_is_said_at_once() {
    let given = [("DACAPO_SENDER", "nobody"), ("DACAPO_TABLE", " "), ("AWS_REGION", "eu-west-1")];
    let wrong = Settings::<DeliverSettings>::from_environment(&Environment::of(given)).unwrap_err();
    assert_eq!(
        wrong.missing,
        [
            "DACAPO_TABLE",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "DACAPO_PUBLIC_URL",
            "DACAPO_TRANSACTIONAL_QUEUE_URL",
            "DACAPO_MARKETING_QUEUE_URL",
            "DACAPO_CALLS_QUEUE_URL",
        ]
    );
    assert_eq!(wrong.wrong.len(), 1, "{wrong}");
    let said = wrong.to_string();
    assert!(said.contains("`deliver`") && said.contains("DACAPO_PUBLIC_URL"), "{said}");
}

#[test]
fn what_is_optional_may_be_missing() {
    let settings = Settings::<WebhookSettings>::from_environment(&Environment::of(COMMON)).unwrap();
    assert_eq!(settings.common.log, "info");
    assert_eq!(settings.common.access.endpoint, None);
    assert_eq!(settings.own.admin_key, None);
}

#[test]
fn a_sender_may_have_a_name() {
    assert_eq!(
        sender("Ann Other <ann@example.com>"),
        Ok(Sender { name: Some("Ann Other".to_owned()), address: "ann@example.com".to_owned() })
    );
    assert_eq!(
        sender("ann@example.com"),
        Ok(Sender { name: None, address: "ann@example.com".to_owned() })
    );
    assert!(sender("Ann <>").is_err());
}

#[test]
fn a_secret_is_not_shown() {
    let settings = Settings::<WebhookSettings>::from_environment(&Environment::of(COMMON)).unwrap();
    assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");
}

/// What a function reads of an environment that has everything.
fn asked<S: OwnSettings>() -> BTreeSet<&'static str> {
    let everything = VARIABLES.iter().map(|variable| match variable.name {
        "DACAPO_RESTART_DELAY_SECONDS" => (variable.name, "20"),
        name => (name, "a@example.com"),
    });
    let environment = Environment::of(everything);
    let mut reading = Reading::of(&environment);
    assert!(Settings::<S>::read(&mut reading).is_some());
    reading.asked
}

#[test]
fn every_function_reads_just_what_the_table_says() {
    for (function, asked) in [
        (Function::Webhook, asked::<WebhookSettings>()),
        (Function::Api, asked::<ApiSettings>()),
        (Function::TagChange, asked::<TagChangeSettings>()),
        (Function::Effects, asked::<EffectsSettings>()),
        (Function::Timer, asked::<TimerSettings>()),
        (Function::StopCampaign, asked::<StopCampaignSettings>()),
        (Function::Deliver, asked::<DeliverSettings>()),
        (Function::Feedback, asked::<FeedbackSettings>()),
    ] {
        let listed: BTreeSet<_> = read_by(function).map(|variable| variable.name).collect();
        assert_eq!(asked, listed, "{}: mend settings/variables.rs", function.name());
    }
}

/// The table of `docs/settings.md`.
fn shown() -> String {
    let mut shown = String::from("| variable | read by | is |\n|---|---|---|\n");
    for Variable { name, about, optional, is_read_by } in VARIABLES {
        let readers = Function::ALL.into_iter().filter(|function| is_read_by(*function));
        let readers: Vec<String> =
            readers.map(|function| format!("`{}`", function.name())).collect();
        let readers = match readers.len() {
            all if all == Function::ALL.len() => "every function".to_owned(),
            _ => readers.join(", "),
        };
        let optional = if *optional { " *Optional.*" } else { "" };
        shown += &format!("| `{name}` | {readers} | {about}{optional} |\n");
    }
    shown
}

#[test]
fn people_see_the_same_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let document = std::fs::read_to_string(path).unwrap();
    assert!(document.contains(&shown()), "docs/settings.md is to say:\n\n{}", shown());
}

#[test]
fn who_sets_no_timers_orders_none_or_hands_them_over() {
    for function in Function::ALL {
        let orders = function.orders();
        let sends_to_the_setter = orders.contains(&Queue::Jobs);
        let is_fine = function.sets_timers() || orders.is_empty() || sends_to_the_setter;
        assert!(is_fine, "{}", function.name());
    }
    let setter = Function::ALL.into_iter().find(|it| it.works_off().contains(&Queue::Jobs));
    assert!(setter.is_some_and(Function::sets_timers), "what is handed over is set");
}

#[test]
fn every_queue_is_worked_off_by_one_function() {
    for queue in Queue::ALL {
        let mut workers =
            Function::ALL.into_iter().filter(|function| function.works_off().contains(&queue));
        assert!(workers.next().is_some() && workers.next().is_none(), "{}", queue.name());
    }
}

#[test]
fn a_queue_that_is_missing_is_said_once() {
    let wrong =
        Settings::<StopCampaignSettings>::from_environment(&Environment::of(COMMON)).unwrap_err();
    let stop = wrong.missing.iter().filter(|name| **name == "DACAPO_STOP_QUEUE_URL");
    assert_eq!(stop.count(), 1, "it sends to its own queue, and works it off: {wrong}");
}
