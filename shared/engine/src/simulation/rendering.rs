//! What a message of the simulator says.

use super::World;
use crate::campaign::channel::Channel;
use crate::decide::Delivery;
use crate::ids::{CampaignId, ContactId};
use crate::merge::merge_values;
use crate::template::{Escape, one_line, render};

/// A message as it is rendered.
#[derive(Default)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
}

impl World {
    /// A message as its contact would get it; else why it would not leave.
    pub(super) fn render(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        delivery: &Delivery,
    ) -> Result<Rendered, String> {
        let graph = self
            .campaigns
            .get(campaign)
            .and_then(|campaign| campaign.versions.get(&delivery.version))
            .ok_or("the version is gone")?;
        let Channel::Email = delivery.channel;
        let email =
            graph.document.emails.get(&delivery.content_key).ok_or("there is no such e-mail")?;
        let person = self.person_of(contact);
        let contact = self.contacts.get(contact).ok_or("there is no such contact")?;
        let url = "https://dacapo.example/u/token";
        let values =
            merge_values(&self.account, &graph.document, contact, person, delivery.run, Some(url));
        let rendered = |source: &str, escape| {
            render(source, escape, &values).map_err(|error| error.to_string())
        };
        let subject = one_line(&rendered(&email.subject, Escape::Text)?);
        let html = email.html.as_deref().map(|html| rendered(html, Escape::Html)).transpose()?;
        let text = rendered(email.text.as_deref().unwrap_or_default(), Escape::Text)?;
        Ok(Rendered { subject, text, html })
    }
}
