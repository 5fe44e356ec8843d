//! Every script under `tests/journeys` comes out as it is written.
//!
//! `UPDATE_JOURNEYS=1 cargo test -p dacapo-tests --test journeys` writes down what came out instead; read the
//! difference before you commit it.

use std::path::Path;

use dacapo_tests::journey;

#[test]
fn every_journey_comes_out_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = root.join("../examples");
    let update = std::env::var_os("UPDATE_JOURNEYS").is_some();
    let mut scripts: Vec<_> = std::fs::read_dir(root.join("journeys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "journey"))
        .collect();
    scripts.sort();
    let mut wrong = Vec::new();
    for path in &scripts {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let script = std::fs::read_to_string(path).unwrap();
        match journey::run(&script, &examples) {
            Ok(came_out) if came_out == script => {}
            Ok(came_out) if update => std::fs::write(path, came_out).unwrap(),
            Ok(came_out) => wrong.push(format!("{name}\n{}", difference(&script, &came_out))),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(scripts.len() >= 60, "only {} journeys were found", scripts.len());
    assert!(
        wrong.is_empty(),
        "{} journeys came out differently:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The first lines that differ.
fn difference(written: &str, came_out: &str) -> String {
    let mut a = written.lines();
    let mut b = came_out.lines();
    let mut nth = 0;
    loop {
        nth += 1;
        match (a.next(), b.next()) {
            (None, None) => return "only in line ends".to_owned(),
            (a, b) if a == b => {}
            (a, b) => {
                return format!(
                    "  line {nth}\n  written:  {}\n  came out: {}",
                    a.unwrap_or("(nothing)"),
                    b.unwrap_or("(nothing)")
                );
            }
        }
    }
}
