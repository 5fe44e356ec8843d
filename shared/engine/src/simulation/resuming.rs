//! A world that begins where a server stands: with a campaign as it was published, a subject and
//! its enrollment.
//!
//! What an enrollment at rest waits for follows from its state alone ([`outstanding`]), so that it
//! goes on here as it would there.

use super::{SimulatedWork, World};
use crate::campaign::{Campaign, Reached};
use crate::contact::Contact;
use crate::decide::{Event, outstanding};
use crate::enrollment::{Enrollment, Status};
use crate::ids::{CampaignId, ContactId};

impl World {
    /// A campaign with its versions and milestones. `catalog` is the revision of the server's
    /// catalog: what is published here comes later.
    pub fn take_over(&mut self, campaign: Campaign, catalog: u64) {
        self.catalog = self.catalog.max(catalog);
        self.campaigns.insert(campaign.id.clone(), campaign);
    }

    /// A contact, or an object of one that is there, as it is. No campaign reacts to that.
    pub fn place(&mut self, contact: Contact) {
        self.contacts.insert(contact.id.clone(), contact);
    }

    /// The enrollment of a subject as it is. What it waits for is ordered again; changes and
    /// milestones that it has not seen come next.
    pub fn enroll(&mut self, subject: &ContactId, campaign: &CampaignId, enrollment: Enrollment) {
        let graph = self.campaigns.get(campaign).map(|campaign| &campaign.versions);
        let graph = graph.and_then(|versions| versions.get(&enrollment.version));
        let effects = graph.map(|graph| outstanding(&enrollment, graph)).unwrap_or_default();
        let (subject, campaign, rev) = (subject.clone(), campaign.clone(), enrollment.rev);
        self.enrollments.insert((subject.clone(), campaign.clone()), enrollment);
        let waiting = SimulatedWork::Effects {
            contact: subject.clone(),
            campaign: campaign.clone(),
            rev,
            effects,
        };
        self.waiting.push(waiting);
        self.waiting.push(SimulatedWork::Event(subject, campaign, Event::Changed));
    }

    /// The status that everybody has in a campaign that is not in this world.
    pub fn stands_elsewhere(&mut self, campaign: CampaignId, status: Status) {
        self.elsewhere.insert(campaign, status);
    }

    /// Something that happened to a campaign that is there with all its versions.
    pub fn reaches(&mut self, campaign: &CampaignId, what: Reached) {
        self.reach(campaign, what);
        self.apply_milestones_to_all(campaign);
    }
}
