//! Dead letters and the erasure of a person, on any table: none that names the person is left, on
//! any page, and none is added later.

use chrono::TimeDelta;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::ContactId;
use dacapo_platform::contacts::alone;
use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::Clock as _;
use dacapo_platform::table::{Consistency, Item, Query};
use serde_json::json;

use crate::contract::Shared;
use crate::kit::TestBench;

/// Ann's address, as it is kept.
const ANN: &str = "ann.lindqvist@example.com";

/// The number of dead letters that name no person, and their length: together they fill several
/// pages.
const OTHERS: usize = 20;
const LENGTH: usize = 60_000;

/// The whole test, in its own account.
///
/// # Panics
///
/// If a dead letter is left that names the erased person, or one is gone that does not.
pub async fn an_erasure_leaves_none(table: Shared, account: &str) {
    let bench = TestBench::in_account(account, table);
    let platform = &bench.platform;
    let (ann, ben) = (created(platform, ANN).await, created(platform, "ben@example.com").await);

    for nth in 0..OTHERS {
        keep_dead_letter(platform, &format!("effects/{nth:03}"), &"x".repeat(LENGTH)).await;
        // Ann's stand between them, in every way in which a dead letter can name her.
        let enrollment_event = json!({ "wake": { "c": ann, "p": "hello" } });
        let body = enrollment_event.to_string();
        let told =
            json!({ "bouncedRecipients": [{ "emailAddress": "Ann.Lindqvist@Example.com" }] });
        let notice = json!({ "Sns": { "Message": told.to_string() } }).to_string();
        let refused = "550 5.1.1 <ANN.LINDQVIST@example.com>: no such user";
        let raw = [body.as_str(), notice.as_str(), refused][nth % 3];
        keep_dead_letter(platform, &format!("effects/{nth:03}-ann"), raw).await;
    }
    keep_dead_letter(
        platform,
        "timer/ben",
        &json!({ "wake": { "c": ben, "p": "hello" } }).to_string(),
    )
    .await;
    assert_eq!(dead_letters(platform).await.len(), 2 * OTHERS + 1);
    assert!(pages(platform).await > 1, "all of them fit on one page");

    assert!(platform.erasure.erase(&ann).await.expect("erased"));
    let names_ann = |item: &Item| {
        let text = item.body.as_str().to_lowercase();
        text.contains(ANN) || text.contains(ann.as_str())
    };
    let left = dead_letters(platform).await;
    assert_eq!(left.iter().filter(|item| names_ann(item)).count(), 0);
    assert_eq!(left.len(), OTHERS + 1, "those of others are still there");

    // A late worker has unreadable work about her: it is not kept at all, however late.
    let key = platform.store.keys.contact(&ann);
    let record = json!({ "dynamodb": { "Keys": { "PK": { "S": key.pk } }, "x": "Ann" } });
    keep_dead_letter(platform, "tag-change/late", &record.to_string()).await;
    assert_eq!(dead_letters(platform).await.len(), OTHERS + 1);

    // What names her by her address alone is deleted by the next erasure pass, and by the last.
    let tombstone = platform.store.keys.tombstone(&ann);
    for hours in [0, 25] {
        bench.clock.set(bench.clock.now() + TimeDelta::hours(hours));
        keep_dead_letter(platform, "feedback/late", &format!("{{\"to\": \"{ANN}\"}}")).await;
        assert_eq!(dead_letters(platform).await.len(), OTHERS + 2);
        platform.erasure.erase_remains(&ann).await.expect("erased");
        assert_eq!(dead_letters(platform).await.len(), OTHERS + 1, "after {hours} hours");
        let left = platform.store.table.get(&tombstone, Consistency::Strong).await;
        let left = left.expect("an answer").expect("a tombstone");
        assert!(!left.body.as_str().contains('@'), "{left:?}");
        let knows = left.body.as_str().contains("address");
        assert_eq!(
            knows,
            hours == 0,
            "the last erasure pass takes what the tombstone knew: {left:?}"
        );
    }
}

async fn created(platform: &Platform, address: &str) -> ContactId {
    let by = Author::ApiKey("test".to_owned());
    let written = platform.contacts.upsert(address, &Patch::default(), &by, &alone).await;
    written.expect("a contact").contact.id
}

async fn keep_dead_letter(platform: &Platform, name: &str, raw: &str) {
    let why = "nobody can read it";
    let found = NewDeadLetter { name, kind: DeadLetterKind::Message, by: "test", why, raw };
    platform.dead_letters.keep(found).await.expect("it is kept");
}

async fn dead_letters(platform: &Platform) -> Vec<Item> {
    let partition = platform.store.keys.dead_letters_listed();
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = platform.store.table.query(Query::of(&partition).after(cursor).strong()).await;
        let page = page.expect("a page");
        found.extend(page.items);
        cursor = page.cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

async fn pages(platform: &Platform) -> usize {
    let partition = platform.store.keys.dead_letters_listed();
    let (mut pages, mut cursor) = (0, None);
    loop {
        let page = platform.store.table.query(Query::of(&partition).after(cursor).strong()).await;
        pages += 1;
        cursor = page.expect("a page").cursor;
        if cursor.is_none() {
            return pages;
        }
    }
}
