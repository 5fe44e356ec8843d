//! `dacapo serve`: what Zapier posts comes out as mail, and everything is there after a restart.

use serde_json::{Value, json};

use crate::support::{KEY, Serve};

fn subjects(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["subject"].as_str().unwrap_or_default()).collect()
}

#[test]
fn the_appointment_loop_by_http() {
    let serve =
        Serve::start(None, &["--clock", "2026-12-01T08:00:00Z", "--time-zone", "Europe/Berlin"]);
    assert_eq!(serve.publish("appointment-loop")["version"], 1);
    let posted = serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "Ann@Example.com", "first_name": "Ann", "tags": ["Appointment made"],
                 "appointment": "2026-12-02 14:00" }),
    );
    assert_eq!(posted["created"], true);
    assert_eq!(posted["rev"], 1);
    assert_eq!(posted["changed"]["tags_added"], json!(["Appointment made"]));
    assert_eq!(subjects(&serve.messages()), ["See you on Wednesday, December 2, 2026 at 2:00 PM"]);

    serve.clock_to("2026-12-02T12:59:59Z");
    let reminded = serve.messages();
    assert_eq!(subjects(&reminded)[1..], ["In an hour: 2:00 PM"]);
    assert_eq!(reminded[1]["at"], "2026-12-02T12:00:00Z", "r23: an hour before, not earlier");

    serve.clock_to("2026-12-02T13:30:00Z");
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": "Not reached" }));
    let messages = serve.messages();
    assert_eq!(subjects(&messages)[2..], ["We could not reach you"]);
    assert_eq!(messages[2]["run"], 2);
    let contact = serve.get("/v1/contacts/email:ann@example.com");
    assert_eq!(contact["tags"], json!({}), "both tags were withdrawn");
    let enrollments = serve.get("/v1/contacts/email:ann@example.com/enrollments");
    assert_eq!(enrollments["items"][0]["run"], 2);
    assert_eq!(enrollments["items"][0]["tokens"][0]["element"], "booked");

    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ann@example.com", "tags": "Appointment made",
                 "appointment": "2026-12-04T09:00:00Z" }),
    );
    serve.clock_to("2026-12-04T10:00:00Z");
    assert_eq!(serve.messages().len(), 5);
    let statistics = serve.get("/v1/campaigns/appointment-loop/statistics");
    assert_eq!(statistics["entered"], 2);
    assert_eq!(statistics["completed"], 2);
    assert_eq!(statistics["restarted"], 1);
    assert_eq!(statistics["messages"]["sent"], 5);
    assert_eq!(statistics["active"], 0);
}

#[test]
fn r60_the_history_says_what_and_why() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("webinar");
    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ben@example.com", "webinar_date": "2026-12-10T18:00:00Z" }),
    );
    serve.post("/dev/idle", &json!({}));
    let history = serve.get("/v1/contacts/email:ben@example.com/history");
    let entered = history["items"].as_array().unwrap().last().unwrap();
    assert_eq!(entered["kind"], "entered");
    assert_eq!(entered["element"], "registered");
    assert_eq!(entered["run"], 1);
    let cause = entered["cause"].as_str().unwrap();
    assert!(cause.contains("by API key admin"), "{cause}");
}

#[test]
fn everything_is_there_after_a_restart_and_timers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let serve = Serve::standing(Some(directory.path()), "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ann@example.com", "tags": ["Appointment made"],
                 "appointment": "2026-12-02T14:00:00Z" }),
    );
    serve.clock_to("2026-12-01T09:00:00Z");
    serve.kill();
    // The clock never falls, whatever the next start says.
    let serve = Serve::standing(Some(directory.path()), "2026-12-01T08:00:00Z");
    assert_eq!(serve.get("/dev/clock")["now"], "2026-12-01T09:00:00Z");
    serve.clock_to("2026-12-02T13:00:00Z");
    assert_eq!(serve.messages().len(), 2, "confirmed before, reminded after");
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Serve::standing(Some(directory.path()), "2026-12-01T08:00:00Z");
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_dacapo"))
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(directory.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&directory.path().display().to_string()), "{said}");
}

/// Whoever tries it is told at once what does not leave, and who cannot come.
#[test]
fn at_the_start_it_says_that_mail_is_captured_and_that_nobody_else_reaches_it() {
    let log = |arguments: &[&str], until: &dyn Fn(&Serve)| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log");
        let serve = Serve::logging(None, arguments, std::fs::File::create(&file).unwrap().into());
        until(&serve);
        serve.kill();
        std::fs::read_to_string(&file).unwrap()
    };
    let said = log(&[], &|serve| {
        // Of what came through a connection and was not written the log says where, and never what.
        let form = json!({ "kind": "form", "map": { "mail": "email", "n": "score" } });
        serve.call("PUT", "/v1/fields/score", &json!({ "type": "number" }));
        let made = serve.call("PUT", "/v1/connections/form", &form);
        assert_eq!(made["warnings"][0]["code"], "out_of_reach", "{made:#}");
        let path = made["url"].as_str().unwrap().strip_prefix(serve.url()).unwrap().to_owned();
        for body in [json!({ "mail": "ann@example.com", "n": "many-secrets" }), json!({ "n": 1 })] {
            serve
                .try_call("POST", &path, &[("content-type", "application/json")], &body.to_string())
                .unwrap();
        }
    });
    for part in [
        "--smtp",
        "/dev/messages",
        "--public-url",
        "could not be read and was left out",
        "could not be used",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("ann@example.com") && !said.contains("many-secrets"), "{said}");
    let quiet =
        log(&["--smtp", "smtp://localhost:1", "--public-url", "https://a.example"], &|_| {});
    assert!(!quiet.contains("captured") && !quiet.contains("--public-url"), "{quiet}");
}

#[test]
fn with_a_real_clock_there_is_no_clock_to_move() {
    let serve = Serve::start(None, &[]);
    let (status, _) = serve.try_call("GET", "/dev/clock", &[], "").unwrap();
    assert_eq!(status, 404);
    let (status, _) = serve.try_call("GET", "/dev/messages", &[], "").unwrap();
    assert_eq!(status, 200, "mail is captured");
    assert!(serve.url().starts_with("http://127.0.0.1:"));
    assert!(!KEY.is_empty());
}

#[test]
fn r23_on_a_real_clock_a_timer_fires_when_it_is_due() {
    let serve = Serve::start(None, &[]);
    let document = "
id: soon
name: Soon
sender: { address: a@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: pause }
  pause: { type: wait, for: 1 second, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
";
    serve.publish_text("soon", document);
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": "Go" }));
    let waits = || serve.get("/dev/messages")["items"].as_array().unwrap().is_empty();
    let mut looks = 0;
    while waits() {
        looks += 1;
        assert!(looks < 600, "a minute has gone by");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
