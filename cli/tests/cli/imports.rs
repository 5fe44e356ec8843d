//! An import over a server that is killed with `kill -9`: sent again under its key it goes on, and
//! in the end every row has been read once and every contact is there once (R1).

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::Serve;

const ROWS: usize = 6_000;

/// The line of a row that is unreadable.
const WRONG: usize = 100;

#[test]
fn r01_an_import_that_broke_off_goes_on_under_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let at = "2026-12-01T08:00:00Z";
    let start = || Serve::standing(Some(directory.path()), at);
    let row = |n: usize| match n {
        WRONG => "no address,Ann\n".to_owned(),
        n => format!("contact{n}@example.com,Ann\n"),
    };
    let file = format!("email,first_name\n{}", (0..ROWS).map(row).collect::<String>());
    let headers = [("Content-Type", "text/csv"), ("Idempotency-Key", "import-1")];

    let serve = start();
    let broken = std::thread::scope(|scope| {
        let import = scope.spawn(|| serve.try_call("POST", "/v1/contacts/import", &headers, &file));
        // Far enough for a checkpoint, but not to the end.
        let is_there = |n: usize| {
            let path = format!("/v1/contacts/email:contact{n}@example.com");
            serve.try_call("GET", &path, &[], "").is_some_and(|(status, _)| status == 200)
        };
        while !is_there(ROWS / 2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let killed = Command::new("kill").args(["-9", &serve.pid().to_string()]).status();
        assert!(killed.unwrap().success());
        import.join().unwrap()
    });
    assert_eq!(broken, None, "the import was over before the server was killed");
    serve.kill();

    let serve = start();
    let (status, answer) = serve.try_call("POST", "/v1/contacts/import", &headers, &file).unwrap();
    assert_eq!((status, &answer["complete"]), (200, &json!(true)), "{answer:#}");
    let count = |name: &str| answer[name].as_u64().unwrap();
    let written = count("created") + count("changed") + count("unchanged");
    assert_eq!((count("rows"), written), (ROWS as u64, ROWS as u64 - 1), "{answer:#}");
    assert_eq!((count("refused"), &answer["errors"][0]["line"]), (1, &json!(WRONG + 2)));
    assert_eq!(serve.get("/v1/contacts/email:contact7@example.com")["rev"], 1, "one change");
    let last = format!("/v1/contacts/email:contact{}@example.com", ROWS - 1);
    assert_eq!(serve.get(&last)["rev"], 1);
}
