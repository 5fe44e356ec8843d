//! The sample events are what the code makes: `UPDATE_EVENTS=1` writes them again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;

use dacapo_aws::settings::Function;
use dacapo_functions_tests::samples::{all, folder};

#[tokio::test]
async fn the_sample_events_are_what_the_code_makes() {
    let update = std::env::var_os("UPDATE_EVENTS").is_some();
    for sample in all().await {
        if update {
            std::fs::write(sample.path(), sample.text()).unwrap();
        }
        let written = std::fs::read_to_string(sample.path()).unwrap_or_default();
        assert_eq!(written, sample.text(), "{}: UPDATE_EVENTS=1 writes it again", sample.name);
    }
}

#[tokio::test]
async fn every_function_has_a_sample_and_every_sample_a_function() {
    let samples = all().await;
    let for_functions: BTreeSet<&str> = samples.iter().map(|sample| sample.function).collect();
    let functions: BTreeSet<&str> = Function::ALL.iter().map(|function| function.name()).collect();
    assert_eq!(for_functions, functions);
    let made: BTreeSet<_> =
        samples.iter().map(|sample| sample.path().file_name().unwrap().to_owned()).collect();
    let there: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".json"))
        .collect();
    assert_eq!(there, made);
    for sample in samples {
        assert!(!sample.table.is_empty(), "{}: the table is empty", sample.name);
        let records = sample.event["Records"].as_array();
        assert!(records.is_none_or(|records| !records.is_empty()), "{}: no records", sample.name);
    }
}
