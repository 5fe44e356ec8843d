//! How many conditional puts of one item a second the store commits, on disk, for 64 callers that
//! each wait for their answer: `cargo run -p dacapo-embedded --example store_speed --release`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use dacapo_embedded::SqliteStore;
use dacapo_platform::table::{Body, Condition, Item, Key, Table, Write};

const CALLERS: usize = 64;
const PUTS: u64 = 2_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/store_speed"), PathBuf::from);
    for (what, feed) in [("no feed", (|_| false) as fn(&Key) -> bool), ("with the feed", |_| true)]
    {
        // A directory of an earlier run may or may not be there.
        let _ = std::fs::remove_dir_all(&directory);
        let store = SqliteStore::open(Some(&directory), feed)?;
        let begun = Instant::now();
        let callers: Vec<_> =
            (0..CALLERS).map(|caller| tokio::spawn(put_many(Arc::clone(&store), caller))).collect();
        for caller in callers {
            caller.await??;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let puts = CALLERS as f64 * PUTS as f64;
        println!(
            "{what}: {:.0} puts a second in {} commits",
            puts / seconds,
            *store.commit_notifier().borrow()
        );
    }
    Ok(())
}

/// Twenty contacts a caller, each put again and again under the condition of its revision.
async fn put_many(
    store: Arc<SqliteStore>,
    caller: usize,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let text = "x".repeat(700);
    for n in 0..PUTS {
        let (contact, rev) = (n % 20, n / 20);
        let key = Key::new(format!("A#a#C#{caller}-{contact}"), "CONTACT");
        let body = Body::of(&serde_json::json!({ "n": n, "text": text }))?;
        let condition = if rev == 0 { Condition::Absent } else { Condition::Rev(rev - 1) };
        store.write(vec![Write::put(Item::new(key, body).rev(rev), condition)], None).await?;
    }
    Ok(())
}
