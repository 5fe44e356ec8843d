//! Work on many contacts: a page at a time, each page the same as a contact for itself.

use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId};

use super::Done;
use crate::enrollments::Came;
use crate::error::Error;
use crate::keys::SHARDS;
use crate::platform::Platform;
use crate::ports::{Message, Order, Queue, Sweep, SweepKind, Wake};
use crate::table::Query;

/// How many contacts a page has.
const PAGE: usize = 100;

impl Platform {
    /// The orders that begin a sweep, one for every shard.
    pub(crate) fn sweep_orders(&self, campaign: &CampaignId, what: SweepKind) -> Vec<Order> {
        let at = self.now();
        (0..SHARDS)
            .map(|shard| {
                let sweep = Sweep { campaign: campaign.clone(), what, shard, cursor: None };
                Order::Send { queue: Queue::Sweeps, at, message: Message::Sweep(sweep) }
            })
            .collect()
    }

    /// Does a page of a sweep and orders the next one. A repeat changes nothing.
    ///
    /// # Errors
    ///
    /// What is worth another try.
    pub async fn sweep(&self, sweep: &Sweep) -> Result<Done, Error> {
        let partition = match sweep.what {
            SweepKind::Milestones => self.keys.members_listed(&sweep.campaign, sweep.shard),
            SweepKind::EnrollExisting { .. } => self.keys.contacts_listed(sweep.shard),
        };
        let event = match sweep.what {
            SweepKind::Milestones => Event::Changed,
            SweepKind::EnrollExisting { job } => Event::EnrollExisting { job },
        };
        let query = Query::of(&partition).limit(PAGE).after(sweep.cursor.clone());
        let page = self.ports.table.query_index(query).await?;
        let mut orders = Vec::new();
        for (listed, _) in &page.items {
            let Ok(contact) = ContactId::new(listed.sk.as_str()) else { continue };
            match self.happen(&contact, &sweep.campaign, &event).await {
                Ok(Came::Undecidable(why)) => {
                    self.hold_undecided(&contact, &sweep.campaign, &why).await?;
                }
                Ok(Came::Committed(_) | Came::Deliver(_) | Came::Ignored(_)) => {}
                Err(Error::Behind) => {
                    let campaign = sweep.campaign.clone();
                    let wake = Wake { contact, campaign, event: event.clone() };
                    let (at, message) = (self.now(), Message::Wake(wake));
                    orders.push(Order::Send { queue: Queue::Timers, at, message });
                }
                Err(error) => return Err(error),
            }
        }
        if page.cursor.is_some() {
            let next = Sweep { cursor: page.cursor, ..sweep.clone() };
            let (at, message) = (self.now(), Message::Sweep(next));
            orders.push(Order::Send { queue: Queue::Sweeps, at, message });
        }
        if !orders.is_empty() {
            self.ports.outbox.dispatch(orders).await?;
        }
        Ok(Done::Yes)
    }
}
