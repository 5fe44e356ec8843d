//! Random interleavings of jobs, changes, timers and repeats end with exact counters.

use std::collections::BTreeSet;

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_platform::campaigns::{OnlyIf, Pause, Publish, Resume, alone};
use dacapo_platform::handlers::timer_name;
use dacapo_platform::jobs::{JobKind, JobStatus, Members, Progress, Requested, Selection};
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::cloud::Cloud;
use crate::counts::{counters_are_exact, done_by, enrolled};

const PEOPLE: u64 = 14;
const TAGS: [&str; 3] = ["Lead", "Reader", "Lost"];

const LOOP: &str = "
id: circle
sender: { address: a@example.com }
settings: { max_runs_per_day: 2, max_messages_per_day: 3 }
elements:
  lead:  { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello, next: hour }
  hour:  { type: wait, for: 1 hour, next: bye }
  bye:   { type: email, email: hello }
  lost:  { type: event, on: { tag_added: Lost }, next: again }
  again: { type: reset, next: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
";

const NEWS: &str = "
id: news
sender: { address: a@example.com }
elements:
  reader: { type: start, when: { tag: Reader }, next: days }
  days:   { type: wait, for: 2 days, next: off }
  off:    { type: stop_campaign, campaign: circle }
";

/// A contact in a campaign.
type Pair = (ContactId, CampaignId);

struct Story {
    cloud: Cloud,
    jobs: Vec<(u64, BTreeSet<Pair>)>,
    /// Whether jobs may be cancelled: then one may be overtaken by the next, and counts what that
    /// one did.
    cancels: bool,
}

impl Story {
    async fn begin(seed: u64, cancels: bool) -> Self {
        let mut cloud = Cloud::new(seed).await;
        for (id, text) in [("circle", LOOP), ("news", NEWS)] {
            let id = CampaignId::new(id).unwrap();
            let saved = cloud
                .bench
                .platform
                .campaigns
                .put_draft(&id, text, "test", &OnlyIf::default())
                .await
                .unwrap();
            let published = cloud
                .bench
                .platform
                .campaigns
                .publish(&id, Publish::default(), "test", alone)
                .await;
            assert!(published.is_ok(), "{published:?} {:?}", saved.problems);
        }
        cloud.settle().await;
        Self { cloud, jobs: Vec::new(), cancels }
    }

    async fn step(&mut self) {
        match self.cloud.random.below(20) {
            0..=4 => self.change().await,
            5 => Box::pin(self.stop()).await,
            6 => self.campaign().await,
            7 => {
                let seconds = i64::try_from(self.cloud.random.below(3_000)).unwrap();
                self.cloud.pass(seconds).await;
            }
            _ => {
                for _ in 0..self.cloud.random.below(12) {
                    self.cloud.work().await;
                }
            }
        }
    }

    async fn change(&mut self) {
        let name = self.cloud.random.below(PEOPLE);
        let tag = Tag::new(TAGS[usize::try_from(self.cloud.random.below(3)).unwrap()]).unwrap();
        let patch = if self.cloud.random.one_in(4) {
            Patch { remove: vec![tag], ..Patch::default() }
        } else {
            Patch { add: vec![tag], ..Patch::default() }
        };
        let by = Author::ApiKey("test".to_owned());
        let address = format!("p{name}@example.com");
        // Whether it was written or not: the caller may receive no answer.
        let alone = &dacapo_platform::contacts::alone;
        let _ = self.cloud.bench.platform.contacts.upsert(&address, &patch, &by, alone).await;
    }

    async fn stop(&mut self) {
        let platform = self.cloud.bench.platform.clone();
        let contacts = self.cloud.contacts().await;
        let mut there = BTreeSet::new();
        for id in ["circle", "news"] {
            let id = CampaignId::new(id).unwrap();
            let enrolled = enrolled(&self.cloud, &contacts, &id).await;
            there.extend(enrolled.into_keys().map(|contact| (contact, id.clone())));
        }
        let random = &mut self.cloud.random;
        let all = [CampaignId::new("circle").unwrap(), CampaignId::new("news").unwrap()];
        let campaigns = match random.below(3) {
            0 => vec![all[0].clone()],
            1 => vec![all[1].clone()],
            _ => all.to_vec(),
        };
        let mut named = Vec::new();
        let selection = match random.below(4) {
            0 => Selection::Enrolled,
            1 => Selection::Tag(Tag::new(TAGS[0]).unwrap()),
            2 => {
                let status = [Status::Active, Status::Completed, Status::Stopped, Status::Held];
                let status = status[usize::try_from(random.below(4)).unwrap()];
                Selection::Members(Members { object_type: None, status: Some(status) })
            }
            _ => {
                named = contacts.iter().filter(|_| random.one_in(2)).cloned().collect();
                Selection::Named { there: named.len() as u64, missing: 1 }
            }
        };
        let kind = match random.below(4) {
            0 => JobKind::Release,
            _ => JobKind::StopCampaign {
                reset_contacts: random.one_in(2),
                reset_statistics: random.one_in(2),
            },
        };
        let cancelled = self.cancels && random.one_in(3);
        let by = "test".to_owned();
        let requested = Requested {
            kind,
            selection,
            named,
            campaigns,
            all: false,
            by,
            estimate: 0,
            estimate_is_a_minimum: false,
        };
        let begun = platform.jobs.begin(&requested, alone).await;
        let seq = begun.map(|job| job.seq);
        self.jobs.extend(seq.as_ref().ok().map(|seq| (*seq, there)));
        if let (Ok(seq), true) = (seq, cancelled) {
            for _ in 0..self.cloud.random.below(12) {
                self.cloud.work().await;
            }
            let _ = platform.jobs.cancel(seq).await;
        }
    }

    async fn campaign(&mut self) {
        let platform = self.cloud.bench.platform.clone();
        let id = CampaignId::new("circle").unwrap();
        let random = &mut self.cloud.random;
        let (one, other) = (random.one_in(2), random.one_in(2));
        let _ = match random.below(3) {
            0 => {
                let how = Publish { enroll_existing: one, migrate: other, ..Publish::default() };
                platform.campaigns.publish(&id, how, "test", alone).await.map(|_| ())
            }
            1 => platform.campaigns.pause(&id, &Pause::default(), alone).await.map(|_| ()),
            _ => {
                let how = Resume { skip: one, enroll_existing: other };
                platform.campaigns.resume(&id, how, "test", alone).await.map(|_| ())
            }
        };
    }

    async fn end(&mut self) {
        let id = CampaignId::new("circle").unwrap();
        self.cloud.rough(false);
        let platform = self.cloud.bench.platform.clone();
        platform.campaigns.resume(&id, Resume::default(), "test", alone).await.unwrap();
        platform.jobs.dispatch_pending().await.unwrap();
        self.cloud.settle_jobs().await;
        assert_eq!(platform.catalog.current().await.unwrap().catalog.open, [], "a job is left");
        let contacts = self.cloud.contacts().await;
        for name in ["circle", "news"] {
            let id = CampaignId::new(name).unwrap();
            let enrollments = enrolled(&self.cloud, &contacts, &id).await;
            counters_are_exact(&self.cloud, &id, &enrollments).await;
        }
        for (job, there) in &self.jobs {
            let progress = platform.jobs.progress(*job).await.unwrap().expect("the job is kept");
            self.check(&progress, &contacts, there).await;
        }
    }

    /// A job's counts agree with what it did.
    async fn check(
        &self,
        progress: &Progress,
        contacts: &BTreeSet<ContactId>,
        there: &BTreeSet<Pair>,
    ) {
        let Progress { job, status, total, total_is_a_minimum: _, counts, failures } = progress;
        assert!(failures.is_empty() && counts.failed == 0, "{progress:?}");
        let done = done_by(&self.cloud, contacts, &job.id()).await;
        assert!(done.values().all(|times| *times == 1), "done twice: {done:?}");
        if *status == JobStatus::Cancelled {
            return;
        }
        assert_eq!(*status, JobStatus::Completed, "{progress:?}");
        assert_eq!(*total, counts.sum());
        if let Selection::Named { there, missing } = job.selection {
            assert_eq!(*total, (there + missing) * job.campaigns.len() as u64, "{progress:?}");
        }
        if self.cancels {
            return;
        }
        assert_eq!(counts.done, done.len() as u64, "{progress:?}\n{done:?}");
        // No contact that existed when it was ordered is left out, and no later one is changed.
        let stops = matches!(job.kind, JobKind::StopCampaign { .. });
        for campaign in &job.campaigns {
            for (contact, enrollment) in enrolled(&self.cloud, contacts, campaign).await {
                let pair = (contact, campaign.clone());
                let came_later = enrollment.created.is_none_or(|created| created > job.at);
                assert!(!came_later || !done.contains_key(&pair), "{pair:?} {progress:?}");
                if stops && job.selection == Selection::Enrolled && there.contains(&pair) {
                    assert!(done.contains_key(&pair), "{pair:?} {progress:?}");
                }
            }
        }
    }
}

async fn told(seed: u64, cancels: bool) {
    let mut story = Story::begin(seed, cancels).await;
    story.cloud.rough(true);
    for _ in 0..90 {
        Box::pin(story.step()).await;
    }
    story.end().await;
    // Finally every contact is taken off the statistics.
    let kind = JobKind::StopCampaign { reset_contacts: true, reset_statistics: true };
    let campaigns = ["circle", "news"].map(|id| CampaignId::new(id).unwrap()).to_vec();
    let (selection, named, by) = (Selection::Enrolled, Vec::new(), "test".to_owned());
    let requested = Requested {
        kind,
        selection,
        named,
        campaigns,
        all: true,
        by,
        estimate: 0,
        estimate_is_a_minimum: false,
    };
    let platform = story.cloud.bench.platform.clone();
    let begun = platform.jobs.begin(&requested, alone).await;
    story.jobs.push((begun.unwrap().seq, BTreeSet::new()));
    story.end().await;
    let contacts = story.cloud.contacts().await;
    for id in &requested.campaigns {
        for enrollment in enrolled(&story.cloud, &contacts, id).await.values() {
            assert!(enrollment.tally.is_empty(), "{enrollment:?}");
        }
    }
}

/// Queues and timers are lost during the work; two jobs order them again though writes fail and
/// workers die.
async fn lost(seed: u64) {
    let mut story = Story::begin(seed, false).await;
    for _ in 0..60 {
        match story.cloud.random.below(12) {
            0..=4 => story.change().await,
            5 => Box::pin(story.stop()).await,
            6 => story.cloud.pass(900).await,
            _ => story.cloud.work().await,
        }
    }
    story.cloud.loses_queues_and_timers().await;
    story.cloud.rough(true);
    let kind = JobKind::Reconcile { restored_to: None, sent_until: None };
    let (selection, named, by) = (Selection::Everybody, Vec::new(), "test".to_owned());
    let campaigns = Vec::new();
    let requested = Requested {
        kind,
        selection,
        named,
        campaigns,
        all: true,
        by,
        estimate: 0,
        estimate_is_a_minimum: false,
    };
    let platform = story.cloud.bench.platform.clone();
    let mut begun = Vec::new();
    while begun.len() < 2 {
        // The caller receives an error, and tries again.
        begun.extend(platform.jobs.begin(&requested, alone).await.ok().map(|job| job.seq));
        for _ in 0..10 {
            story.cloud.work().await;
        }
    }
    for _ in 0..60 {
        story.cloud.work().await;
    }
    story.cloud.rough(false);
    platform.jobs.dispatch_pending().await.unwrap();
    story.cloud.settle_jobs().await;
    for seq in begun {
        let progress = platform.jobs.progress(seq).await.unwrap().unwrap();
        assert_eq!(progress.status, JobStatus::Completed, "{progress:?}");
        assert_eq!(progress.counts.failed, 0, "{progress:?}");
    }
    nobody_is_stranded(&mut story.cloud).await;
    // The jobs that were running have ended too, with exact counts, and days later every contact
    // has gone on.
    story.cloud.pass(3 * 86_400).await;
    story.end().await;
    nobody_is_stranded(&mut story.cloud).await;
}

/// Every waiting token has a future timer, and every unsettled message is in a queue.
async fn nobody_is_stranded(cloud: &mut Cloud) {
    let (contacts, timers) = (cloud.contacts().await, cloud.timers());
    let now = cloud.bench.platform.store.now();
    for name in ["circle", "news"] {
        let id = CampaignId::new(name).unwrap();
        for (contact, enrollment) in enrolled(cloud, &contacts, &id).await {
            for token in &enrollment.tokens {
                let due = token.due().unwrap_or_else(|| panic!("{name} {contact}: {token:?}"));
                assert!(due > now, "{name} {contact} at {now}: {token:?}");
                let timer = timer_name(&contact, &id, "t", enrollment.run, token.step, due);
                assert!(timers.contains(&timer), "{name} {contact}: {token:?}");
            }
        }
    }
}

fn check(cancels: bool) {
    check_told(|seed| told(seed, cancels));
}

fn check_told<F: Future<Output = ()>>(told: impl Fn(u64) -> F) {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0xDA_CA_90),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    let cases = (given.cases / 4).max(1);
    let config = Config { cases, rng_seed, failure_persistence: None, ..given };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let told = |seed| {
        runtime.block_on(told(seed));
        Ok(())
    };
    if let Err(error) = TestRunner::new(config).run(&any::<u64>(), told) {
        panic!("{error}");
    }
}

#[test]
fn r16_r53_jobs_count_exactly_what_they_did_and_the_counters_are_what_the_enrollments_say() {
    check(false);
}

#[test]
fn r53_jobs_that_are_cancelled_leave_exact_counters() {
    check(true);
}

#[test]
fn queues_and_timers_that_were_lost_are_made_anew_whatever_dies_meanwhile() {
    check_told(lost);
}
