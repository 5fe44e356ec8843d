//! A mass action over a server that is killed with `kill -9` again and again: it continues where it
//! was, and counts each contact once (R16).

use serde_json::{Value, json};

use crate::support::Serve;

const CONTACTS: u64 = 5_000;

/// The server is killed each time that this part more has been done, of decisions and of what they
/// count.
const PARTS: u64 = 20;

/// How often it is killed at least: on busy cores two parts may be done before the test looks.
const KILLS: u64 = 5;

const CAMPAIGN: &str = "
id: course
name: Course
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Lead }, next: month }
  month: { type: wait, for: 30 days, next: done }
  done: { type: end }
";

fn restarted(directory: &std::path::Path) -> Serve {
    Serve::standing(Some(directory), "2026-12-01T08:00:00Z")
}

fn import(serve: &Serve) {
    let rows = (0..CONTACTS).map(|n| format!("contact{n}@example.com,Lead\n"));
    let file = format!("email,tags\n{}", rows.collect::<String>());
    let csv = [("Content-Type", "text/csv")];
    let (status, answer) = serve.try_call("POST", "/v1/contacts/import", &csv, &file).unwrap();
    assert_eq!(status, 200, "{answer:#}");
    serve.post("/dev/idle", &json!({}));
}

fn counts(job: &Value) -> [u64; 3] {
    ["done", "failed", "skipped"].map(|name| job[name].as_u64().unwrap())
}

#[test]
fn r16_a_job_survives_kill_9_and_its_counts_are_exact() {
    let directory = tempfile::tempdir().unwrap();
    let mut serve = restarted(directory.path());
    serve.publish_text("course", CAMPAIGN);
    import(&serve);
    let statistics = |serve: &Serve| serve.get("/v1/campaigns/course/statistics");
    assert_eq!(statistics(&serve)["active"], CONTACTS);

    let asked = json!({ "campaigns": ["course"], "contacts": "enrolled", "reset_contacts": true,
                        "reset_statistics": true });
    let job = serve.post("/v1/mass-actions/stop-campaign", &asked);
    let path = format!("/v1/mass-actions/{}", job["id"].as_str().unwrap());
    let (mut kills, mut killed_at) = (0, 0);
    let ended = loop {
        let now = serve.get(&path);
        let [done, ..] = counts(&now);
        let active = statistics(&serve)["active"].as_u64().unwrap();
        if now["status"] == "completed" && active == 0 {
            break now;
        }
        let come_to_pass = done + CONTACTS - active;
        if come_to_pass >= killed_at + 2 * CONTACTS / PARTS {
            serve.kill();
            (kills, killed_at) = (kills + 1, come_to_pass);
            serve = restarted(directory.path());
            let [after, ..] = counts(&serve.get(&path));
            assert!(done <= after, "progress went back from {done} to {after}");
        }
    };
    assert!(kills >= KILLS, "it was over after {kills} kills");
    assert_eq!(counts(&ended), [CONTACTS, 0, 0], "{ended:#}");
    serve.post("/dev/idle", &json!({}));
    let after = statistics(&serve);
    assert_eq!((&after["entered"], &after["active"]), (&json!(0), &json!(0)), "{after:#}");

    // No contact was left out, and none blocks the next run.
    let again = json!({ "email": "contact7@example.com", "tags": ["Lead"] });
    serve.post("/v1/hooks/contact", &again);
    serve.post("/dev/idle", &json!({}));
    let enrollment = serve.get("/v1/contacts/email:contact7@example.com/enrollments");
    assert_eq!(enrollment["items"][0]["run"], 2, "{enrollment:#}");
    assert_eq!(statistics(&serve)["entered"], 1);
}
