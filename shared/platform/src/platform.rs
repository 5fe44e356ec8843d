//! The platform: one account's parts, put together only here.
//!
//! A part is a struct whose fields are all that it touches: ports, and parts below it. The parts
//! form layers: those that know no campaign (`Base`), those that decide (`Deciding`), and those
//! that people and queues call.

use std::sync::Arc;

use dacapo_engine::ids::AccountId;

use crate::blocking::Blocking;
use crate::call_ledger::CallLedger;
use crate::campaigns::Campaigns;
use crate::catalog::{CatalogCache, CatalogStore};
use crate::channels::{Channels, EmailChannel};
use crate::connections::{Connections, KnownUrls};
use crate::contacts::Contacts;
use crate::dead_letters::DeadLetters;
use crate::enrollments::Decisions;
use crate::erasure::Erasure;
use crate::expiry::Expiry;
use crate::handlers::{
    ContactChanges, EffectHandler, EnrollmentEvents, Feedback, History, MessageDelivery,
    PersonChanges, Quarantine, Traces, Webhooks,
};
use crate::jobs::{AccountErasure, JobWorker, Jobs, PageParts, PageWork, Pages, Reconciler};
use crate::keys::Keys;
use crate::last_id::LastId;
use crate::mail::MailRenderer;
use crate::messages::MessageLedger;
use crate::objects::Objects;
use crate::orders::Orders;
use crate::ports::{BlockingWork, Inline};
use crate::queues::QueueHandler;
use crate::rate_limited_log::RateLimitedLog;
use crate::redriving::{DeadLetterReaders, Redriving};
use crate::refusals::Refusals;
use crate::store::Store;
use crate::tags::{KnownTags, Tags};
use crate::test_mails::TestMails;

pub use crate::campaigns::Defaults;
pub use crate::ports::Ports;

/// What a platform is made from.
#[derive(Clone)]
pub struct Setup {
    /// The ports.
    pub ports: Ports,
    /// The keys of the account.
    pub keys: Keys,
    /// The public URL of the API, without a slash at the end: for unsubscribe links.
    pub public_url: String,
    /// The defaults of the operator.
    pub defaults: Defaults,
    /// Whether no other process writes to the table: then this one knows the newest revision of the
    /// catalog without reading it.
    pub alone: bool,
    /// Where busy work is done.
    pub blocking_work: Arc<dyn BlockingWork>,
    /// Where busy work of API calls is done: mail and webhooks do not wait for it.
    pub blocking_calls: Arc<dyn BlockingWork>,
    /// How dead letters are read.
    pub reading: DeadLetterReaders,
}

impl Setup {
    /// A setup without defaults, beside other processes.
    pub fn new(account: AccountId, ports: Ports, public_url: String) -> Self {
        Self {
            ports,
            keys: Keys::of(account),
            public_url,
            defaults: Defaults::default(),
            alone: false,
            blocking_work: Arc::new(Inline),
            blocking_calls: Arc::new(Inline),
            reading: DeadLetterReaders::default(),
        }
    }
}

/// The caches of a process: shared by a platform and all that are made from it.
#[derive(Clone, Default)]
struct Memory {
    catalog: Arc<CatalogCache>,
    known_tags: Arc<KnownTags>,
    last_id: Arc<LastId>,
    connections: Arc<KnownUrls>,
    mail_warned: Arc<RateLimitedLog>,
    webhooks_warned: Arc<RateLimitedLog>,
}

/// The parts that know no campaign.
#[derive(Clone)]
struct Base {
    setup: Arc<Setup>,
    memory: Memory,
    store: Arc<Store>,
    tags: Arc<Tags>,
    messages: Arc<MessageLedger>,
    orders: Arc<Orders>,
    calls: Arc<CallLedger>,
    dead_letters: Arc<DeadLetters>,
    redriving: Arc<Redriving>,
    history: Arc<History>,
    blocking: Arc<Blocking>,
    mail: Arc<MailRenderer>,
}

impl Base {
    fn new(setup: Setup, memory: Memory) -> Self {
        let Ports { table, clock, entropy, outbox, .. } = setup.ports.clone();
        let last_id = Arc::clone(&memory.last_id);
        let keys = setup.keys.clone();
        let store = Arc::new(Store { table, keys, clock, entropy, last_id });
        let known = Arc::clone(&memory.known_tags);
        let tags = Arc::new(Tags { store: Arc::clone(&store), known });
        let messages = Arc::new(MessageLedger { store: Arc::clone(&store) });
        let calls = CallLedger { store: Arc::clone(&store), outbox: Arc::clone(&outbox) };
        let orders = Arc::new(Orders { store: Arc::clone(&store), outbox });
        let dead_letters = Arc::new(DeadLetters { store: Arc::clone(&store) });
        let redriving = Arc::new(Redriving {
            store: Arc::clone(&store),
            orders: Arc::clone(&orders),
            dead_letters: Arc::clone(&dead_letters),
            reading: setup.reading,
        });
        let history = Arc::new(History { store: Arc::clone(&store) });
        let blocking = Arc::new(Blocking { work: Arc::clone(&setup.blocking_work) });
        let mail = Arc::new(MailRenderer { blocking: Arc::clone(&blocking) });
        Self {
            setup: Arc::new(setup),
            memory,
            store,
            tags,
            messages,
            orders,
            calls: Arc::new(calls),
            dead_letters,
            redriving,
            history,
            blocking,
            mail,
        }
    }

    fn catalog(&self) -> CatalogStore {
        CatalogStore {
            store: Arc::clone(&self.store),
            cache: Arc::clone(&self.memory.catalog),
            alone: self.setup.alone,
            pinned: None,
        }
    }
}

/// The parts that know campaigns, and the handlers of the change feed.
struct Deciding {
    catalog: Arc<CatalogStore>,
    refusals: Arc<Refusals>,
    contacts: Arc<Contacts>,
    decisions: Arc<Decisions>,
    quarantine: Arc<Quarantine>,
    traces: Arc<Traces>,
    contact_changes: Arc<ContactChanges>,
    effects: Arc<EffectHandler>,
}

impl Deciding {
    fn new(base: &Base, catalog: CatalogStore) -> Self {
        let (store, catalog) = (|| Arc::clone(&base.store), Arc::new(catalog));
        let refusals = Refusals { store: store(), catalog: Arc::clone(&catalog) };
        let refusals = Arc::new(refusals);
        let contacts = Arc::new(Contacts {
            store: store(),
            catalog: Arc::clone(&catalog),
            refusals: Arc::clone(&refusals),
        });
        let decisions = Arc::new(Decisions {
            store: store(),
            catalog: Arc::clone(&catalog),
            contacts: Arc::clone(&contacts),
        });
        let quarantine = Arc::new(Quarantine {
            store: store(),
            catalog: Arc::clone(&catalog),
            decisions: Arc::clone(&decisions),
        });
        let traces = Arc::new(Traces {
            store: store(),
            catalog: Arc::clone(&catalog),
            decisions: Arc::clone(&decisions),
        });
        let person_changes = Arc::new(PersonChanges {
            store: store(),
            contacts: Arc::clone(&contacts),
            decisions: Arc::clone(&decisions),
        });
        let contact_changes = Arc::new(ContactChanges {
            store: store(),
            catalog: Arc::clone(&catalog),
            tags: Arc::clone(&base.tags),
            decisions: Arc::clone(&decisions),
            quarantine: Arc::clone(&quarantine),
            traces: Arc::clone(&traces),
            person_changes,
        });
        let effects = Arc::new(EffectHandler {
            store: store(),
            catalog: Arc::clone(&catalog),
            messages: Arc::clone(&base.messages),
            calls: Arc::clone(&base.calls),
            orders: Arc::clone(&base.orders),
            decisions: Arc::clone(&decisions),
            quarantine: Arc::clone(&quarantine),
            history: Arc::clone(&base.history),
        });
        Self {
            catalog,
            refusals,
            contacts,
            decisions,
            quarantine,
            traces,
            contact_changes,
            effects,
        }
    }

    fn reconciler(&self, base: &Base) -> Reconciler {
        Reconciler {
            store: Arc::clone(&base.store),
            catalog: Arc::clone(&self.catalog),
            contacts: Arc::clone(&self.contacts),
            calls: Arc::clone(&base.calls),
            orders: Arc::clone(&base.orders),
            decisions: Arc::clone(&self.decisions),
            quarantine: Arc::clone(&self.quarantine),
            effects: Arc::clone(&self.effects),
            contact_changes: Arc::clone(&self.contact_changes),
        }
    }
}

/// One account: its parts. Cheap to clone.
#[derive(Clone)]
pub struct Platform {
    base: Arc<Base>,
    /// The table, keys, the time and entropy.
    pub store: Arc<Store>,
    /// Settings, fields and heads of campaigns.
    pub catalog: Arc<CatalogStore>,
    /// Contacts.
    pub contacts: Arc<Contacts>,
    /// Objects of contacts.
    pub objects: Arc<Objects>,
    /// Tags, and the lists of contacts by tag.
    pub tags: Arc<Tags>,
    /// The ledger of messages.
    pub messages: Arc<MessageLedger>,
    /// Orders for timers and queues.
    pub orders: Arc<Orders>,
    /// Enrollments and the decisions about them.
    pub decisions: Arc<Decisions>,
    /// The quarantine: changes that could not be decided.
    pub quarantine: Arc<Quarantine>,
    /// Lines of changes and posts without effect.
    pub traces: Arc<Traces>,
    /// The handler of contacts in the change feed.
    pub contact_changes: Arc<ContactChanges>,
    /// The handler of enrollments in the change feed.
    pub effects: Arc<EffectHandler>,
    /// The handler of what is due for one enrollment.
    pub enrollment_events: Arc<EnrollmentEvents>,
    /// Sends messages.
    pub delivery: Arc<MessageDelivery>,
    /// Calls webhooks.
    pub webhooks: Arc<Webhooks>,
    /// The handler of what the mail service reports.
    pub feedback: Arc<Feedback>,
    /// The handler of queues.
    pub queues: Arc<QueueHandler>,
    /// Campaigns as people work on them.
    pub campaigns: Arc<Campaigns>,
    /// Jobs: work on many contacts.
    pub jobs: Arc<Jobs>,
    /// The handler of job steps.
    pub job_worker: Arc<JobWorker>,
    /// Connections, and what came in through them.
    pub connections: Arc<Connections>,
    /// Erasing contacts.
    pub erasure: Arc<Erasure>,
    /// Objects that have been kept long enough.
    pub expiry: Arc<Expiry>,
    /// Dead letters.
    pub dead_letters: Arc<DeadLetters>,
    /// Having dead letters done again.
    pub redriving: Arc<Redriving>,
    pub(crate) email_channel: Arc<EmailChannel>,
    pub(crate) mail: Arc<MailRenderer>,
    pub(crate) blocking: Arc<Blocking>,
    pub(crate) test_mails: Arc<TestMails>,
}

impl Platform {
    /// The platform of an account, with a plain [`Setup`].
    pub fn new(account: AccountId, ports: Ports, public_url: String) -> Self {
        Self::of(Setup::new(account, ports, public_url))
    }

    /// The platform of a setup.
    pub fn of(setup: Setup) -> Self {
        Self::over(Arc::new(Base::new(setup, Memory::default())), None)
    }

    /// The same with another setup, and the caches of the process.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::clone(&self.base.setup);
        change(&mut setup);
        Self::over(Arc::new(Base::new(setup, self.base.memory.clone())), None)
    }

    /// The platform for the work of one invocation: it reads the catalog once, when it is first
    /// needed, and again only if it meets a change that was made later. To be called when the work
    /// arrives, and dropped after it.
    #[must_use]
    pub fn at_work(&self) -> Self {
        Self::over(Arc::clone(&self.base), Some(self.catalog.at_work()))
    }

    fn over(base: Arc<Base>, catalog: Option<CatalogStore>) -> Self {
        let store = || Arc::clone(&base.store);
        let deciding = Deciding::new(&base, catalog.unwrap_or_else(|| base.catalog()));
        let catalog = || Arc::clone(&deciding.catalog);
        let contacts = || Arc::clone(&deciding.contacts);
        let decisions = || Arc::clone(&deciding.decisions);
        let quarantine = || Arc::clone(&deciding.quarantine);
        let orders = || Arc::clone(&base.orders);
        let Ports { mailer, caller, .. } = base.setup.ports.clone();
        let email_channel = Arc::new(EmailChannel {
            catalog: catalog(),
            mail: Arc::clone(&base.mail),
            mailer,
            sender: base.setup.defaults.sender.clone(),
            public_url: base.setup.public_url.clone(),
        });
        let delivery = Arc::new(MessageDelivery {
            store: store(),
            catalog: catalog(),
            contacts: contacts(),
            messages: Arc::clone(&base.messages),
            channels: Channels { email: Arc::clone(&email_channel) },
            decisions: decisions(),
            quarantine: quarantine(),
            warned: Arc::clone(&base.memory.mail_warned),
        });
        let enrollment_events = Arc::new(EnrollmentEvents {
            store: store(),
            messages: Arc::clone(&base.messages),
            decisions: decisions(),
            quarantine: quarantine(),
            delivery: Arc::clone(&delivery),
        });
        let webhooks = Arc::new(Webhooks {
            store: store(),
            catalog: catalog(),
            contacts: contacts(),
            calls: Arc::clone(&base.calls),
            blocking: Arc::clone(&base.blocking),
            caller,
            warned: Arc::clone(&base.memory.webhooks_warned),
        });
        let feedback = Arc::new(Feedback {
            store: store(),
            refusals: Arc::clone(&deciding.refusals),
            contacts: contacts(),
            messages: Arc::clone(&base.messages),
            decisions: decisions(),
        });
        let erasure = Arc::new(Erasure {
            store: store(),
            catalog: catalog(),
            refusals: Arc::clone(&deciding.refusals),
            contacts: contacts(),
            orders: orders(),
        });
        let connections = Arc::new(Connections {
            store: store(),
            catalog: catalog(),
            known: Arc::clone(&base.memory.connections),
            public_url: base.setup.public_url.clone(),
        });
        let objects = Arc::new(Objects {
            store: store(),
            catalog: catalog(),
            contacts: contacts(),
            erasure: Arc::clone(&erasure),
        });
        let expiry = Arc::new(Expiry {
            store: store(),
            catalog: catalog(),
            contacts: contacts(),
            objects: Arc::clone(&objects),
            orders: orders(),
        });
        let jobs = Arc::new(Jobs { store: store(), catalog: catalog(), orders: orders() });
        let of_page = Arc::clone(&base);
        let page_parts = move || {
            let deciding = Deciding::new(&of_page, of_page.catalog().at_work());
            let reconciler = deciding.reconciler(&of_page);
            PageParts { decisions: deciding.decisions, reconciler }
        };
        let page_work = PageWork {
            quarantine: quarantine(),
            erasure: Arc::clone(&erasure),
            page_parts: Arc::new(page_parts),
        };
        let job_worker = Arc::new(JobWorker {
            store: store(),
            orders: orders(),
            jobs: Arc::clone(&jobs),
            account: AccountErasure { store: store(), catalog: catalog() },
            page_work,
            pages: Pages { store: store(), orders: orders(), jobs: Arc::clone(&jobs) },
        });
        let campaigns = Arc::new(Campaigns {
            store: store(),
            catalog: catalog(),
            jobs: Arc::clone(&jobs),
            orders: orders(),
            defaults: base.setup.defaults.clone(),
        });
        let test_mails = Arc::new(TestMails {
            store: store(),
            catalog: catalog(),
            contacts: contacts(),
            messages: Arc::clone(&base.messages),
            orders: orders(),
        });
        let queues = Arc::new(QueueHandler {
            orders: orders(),
            webhooks: Arc::clone(&webhooks),
            effects: Arc::clone(&deciding.effects),
            enrollment_events: Arc::clone(&enrollment_events),
            delivery: Arc::clone(&delivery),
            feedback: Arc::clone(&feedback),
            contact_changes: Arc::clone(&deciding.contact_changes),
            erasure: Arc::clone(&erasure),
            expiry: Arc::clone(&expiry),
            campaigns: Arc::clone(&campaigns),
            job_worker: Arc::clone(&job_worker),
            redriving: Arc::clone(&base.redriving),
        });
        Self {
            store: store(),
            objects,
            tags: Arc::clone(&base.tags),
            messages: Arc::clone(&base.messages),
            orders: orders(),
            dead_letters: Arc::clone(&base.dead_letters),
            redriving: Arc::clone(&base.redriving),
            mail: Arc::clone(&base.mail),
            blocking: Arc::new(Blocking { work: Arc::clone(&base.setup.blocking_calls) }),
            test_mails,
            catalog: deciding.catalog,
            contacts: deciding.contacts,
            decisions: deciding.decisions,
            quarantine: deciding.quarantine,
            traces: deciding.traces,
            contact_changes: deciding.contact_changes,
            effects: deciding.effects,
            enrollment_events,
            delivery,
            email_channel,
            webhooks,
            feedback,
            queues,
            campaigns,
            jobs,
            connections,
            job_worker,
            erasure,
            expiry,
            base,
        }
    }
}
