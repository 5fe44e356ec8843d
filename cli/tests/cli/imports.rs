//! An import over a server that is killed with `kill -9`: sent again under its key it goes on, and
//! in the end every row has been read once and every contact, or object, is there once (R1, R70).

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::Serve;

const ROWS: usize = 6_000;

/// The line of a row that is unreadable.
const WRONG: usize = 100;

/// What is imported, and where a row's can be read.
struct Imported {
    path: &'static str,
    head: &'static str,
    row: fn(usize, &str) -> String,
    read_at: fn(usize) -> String,
}

#[test]
fn r01_an_import_that_broke_off_goes_on_under_its_key() {
    goes_on(&Imported {
        path: "/v1/contacts/import",
        head: "email,first_name",
        row: |_, email| format!("{email},Ann\n"),
        read_at: |n| format!("/v1/contacts/email:contact{n}@example.com"),
    });
}

#[test]
fn r70_an_import_of_objects_that_broke_off_goes_on_under_its_key() {
    goes_on(&Imported {
        path: "/v1/object-types/appointment/import",
        head: "key,email,place",
        row: |n, email| format!("k{n},{email},Oslo\n"),
        read_at: |n| format!("/v1/objects/appointment/k{n}"),
    });
}

fn goes_on(imported: &Imported) {
    let Imported { path, head, row, read_at } = *imported;
    let directory = tempfile::tempdir().unwrap();
    let at = "2026-12-01T08:00:00Z";
    let start = || Serve::standing(Some(directory.path()), at);
    let line = |n: usize| match n {
        WRONG => row(n, "no address"),
        n => row(n, &format!("contact{n}@example.com")),
    };
    let file = format!("{head}\n{}", (0..ROWS).map(line).collect::<String>());
    let headers = [("Content-Type", "text/csv"), ("Idempotency-Key", "import-1")];

    let serve = start();
    let fields = r#"{"fields": {"place": {"type": "text"}}}"#;
    let json = [("Content-Type", "application/json")];
    let made = serve.try_call("PUT", "/v1/object-types/appointment", &json, fields);
    assert!(made.is_some_and(|(status, _)| status == 200));
    let broken = std::thread::scope(|scope| {
        let import = scope.spawn(|| serve.try_call("POST", path, &headers, &file));
        // Far enough for a checkpoint, but not to the end.
        let is_there = |n: usize| {
            serve.try_call("GET", &read_at(n), &[], "").is_some_and(|(status, _)| status == 200)
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
    let (status, answer) = serve.try_call("POST", path, &headers, &file).unwrap();
    assert_eq!((status, &answer["complete"]), (200, &json!(true)), "{answer:#}");
    let count = |name: &str| answer[name].as_u64().unwrap();
    let written = count("created") + count("changed") + count("unchanged");
    assert_eq!((count("rows"), written), (ROWS as u64, ROWS as u64 - 1), "{answer:#}");
    assert_eq!((count("refused"), &answer["errors"][0]["line"]), (1, &json!(WRONG + 2)));
    assert_eq!(serve.get(&read_at(7))["rev"], 1, "one change");
    assert_eq!(serve.get(&read_at(ROWS - 1))["rev"], 1);
}
