//! Prints the size, the start time and the memory of the bootstraps: for `make bench`.

use std::process::ExitCode;

use dacapo_functions_tests::measure;

#[tokio::main]
async fn main() -> ExitCode {
    let measured = measure::all().await;
    println!("{measured}");
    let wrong = measured.over_their_bounds();
    for one in &wrong {
        println!("over its bound: {one}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
