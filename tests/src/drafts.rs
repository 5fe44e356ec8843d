//! Many writers of one draft, on any table: of those who have seen the same draft one is taken, and
//! what a writer has added is never overwritten by another that has not seen it.

use std::sync::Arc;

use dacapo_engine::ids::CampaignId;
use dacapo_platform::campaigns::{CampaignError, Draft, Drafts, OnlyIf, Publish, Saved, alone};
use dacapo_platform::error::Error;
use dacapo_platform::platform::Platform;
use tokio::task::JoinSet;

use crate::contract::Shared;
use crate::kit::TestBench;

/// The writers, and how often each of them writes.
const WRITERS: usize = 6;
const ROUNDS: usize = 4;

/// A writer gives up after so many refusals: far more than there are writes.
const MOST_TRIES: usize = 400;

const SHARED: &str = "\
id: shared
name: A draft of many
elements:
  lead: { type: start, when: { tag: Lead }, next: done }
  done: { type: end }
";

/// The whole test, in its own account.
///
/// # Panics
///
/// If two writers are taken who have seen the same draft, or what one has added is lost.
pub async fn one_draft_of_many_writers(table: Shared, account: &str) {
    let platform = Arc::new(TestBench::in_account(account, table).platform);
    let id = CampaignId::new("shared").expect("an id");
    let made = together(WRITERS, |nth| {
        let (platform, id) = (Arc::clone(&platform), id.clone());
        async move {
            let only_if = OnlyIf { absent: Some(Drafts::Any), ..OnlyIf::default() };
            let by = format!("writer {nth}");
            platform.campaigns.put_draft(&id, SHARED, &by, &only_if).await
        }
    });
    assert_eq!(taken(made.await).len(), 1, "one makes it");

    for round in 0..ROUNDS {
        let seen = platform.campaigns.draft(&id).await.expect("a draft");
        let saved = together(WRITERS, |nth| {
            let (platform, id, seen) = (Arc::clone(&platform), id.clone(), seen.clone());
            async move { add(&platform, &id, &seen, &format!("round {round}, writer {nth}")).await }
        });
        let taken = taken(saved.await);
        let there = platform.campaigns.draft(&id).await.expect("a draft");
        assert_eq!(taken, [there.identity], "one is taken in round {round}, and it is there");
    }

    let publishing = platform.campaigns.draft(&id).await.expect("a draft");
    let only_if = only_if(&publishing);
    let how = Publish { only_if: only_if.clone(), ..Publish::default() };
    let late = add(&platform, &id, &publishing, "before it is published").await;
    late.expect("it is saved");
    let refused = platform.campaigns.publish(&id, how, "test", alone).await;
    assert!(matches!(refused, Err(CampaignError::Changed(_))), "{refused:?}");
    let refused = platform.campaigns.delete(&id, &only_if).await;
    assert!(matches!(refused, Err(CampaignError::Changed(_))), "{refused:?}");

    // A writer that is refused reads again and adds to what is there: everything is in it in the
    // end.
    let all = together(WRITERS, |nth| {
        let (platform, id) = (Arc::clone(&platform), id.clone());
        async move {
            for line in 0..ROUNDS {
                added(&platform, &id, &format!("line {line} of writer {nth}")).await;
            }
        }
    });
    all.await;
    let text = platform.campaigns.draft(&id).await.expect("a draft").source;
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("# line")).collect();
    assert_eq!(lines.len(), WRITERS * ROUNDS, "{text}");
}

fn only_if(seen: &Draft) -> OnlyIf {
    let there = Some(Drafts::Of(vec![seen.identity.clone()]));
    OnlyIf { there, ..OnlyIf::default() }
}

/// Adds a line to a draft that was read.
async fn add(
    platform: &Platform,
    id: &CampaignId,
    seen: &Draft,
    line: &str,
) -> Result<Saved, CampaignError> {
    let text = format!("{}# {line}\n", seen.source);
    platform.campaigns.put_draft(id, &text, line, &only_if(seen)).await
}

/// Adds a line, however often another writer comes first.
async fn added(platform: &Platform, id: &CampaignId, line: &str) {
    for _ in 0..MOST_TRIES {
        let seen = platform.campaigns.draft(id).await.expect("a draft");
        match add(platform, id, &seen, line).await {
            Ok(_) => return,
            Err(CampaignError::Changed(changed)) => {
                let there = changed.draft.expect("it is not deleted");
                assert_ne!(there.identity, seen.identity, "it is another one");
                assert!(there.by.is_some(), "it says who wrote it");
            }
            Err(CampaignError::Failed(Error::Contended(_))) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("{line} was never taken");
}

/// The identities of those that were saved. The others were refused for the right reason.
fn taken(results: Vec<Result<Saved, CampaignError>>) -> Vec<String> {
    let mut taken = Vec::new();
    for result in results {
        match result {
            Ok(saved) => taken.push(saved.identity),
            Err(CampaignError::Changed(_) | CampaignError::Failed(Error::Contended(_))) => {}
            Err(other) => panic!("{other}"),
        }
    }
    taken
}

async fn together<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut all = JoinSet::new();
    for nth in 0..count {
        all.spawn(work(nth));
    }
    all.join_all().await
}
