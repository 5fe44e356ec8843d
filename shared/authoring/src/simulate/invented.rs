//! Somebody who is only invented: a contact, and perhaps an object of it, read as a scenario's are.

use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::contact::{Author, Contact};
use dacapo_engine::ids::ContactId;
use dacapo_engine::problem::Problem;
use dacapo_engine::simulation::ObjectKey;
use dacapo_engine::time::Instant;
use serde_json::Value;

use super::{BEGINNING, Surroundings, reading};
use crate::scenario::{Moment, ObjectPost, Post};
use crate::wrong::wrong;

/// The id of the contact, and the key of an object that is not described.
const SOMEBODY: &str = "preview";

/// The address of a contact that has none.
const ADDRESS: &str = "somebody@example.com";

/// Whom a mail may be shown for.
#[derive(Debug, Clone)]
pub struct Invented {
    /// The account.
    pub account: Account,
    /// The contact.
    pub contact: Contact,
    /// Its object, in a campaign about objects.
    pub object: Option<Contact>,
}

/// The contact that is posted so, and the object; what is not described is there without fields.
///
/// # Errors
///
/// What is wrong with them, each with its path, which begins with `contact` or `object`.
pub fn invented(
    document: &Document,
    contact: &Post,
    object: Option<&ObjectPost>,
    surroundings: &Surroundings,
) -> Result<Invented, Problem> {
    let mut around = surroundings.clone();
    around.fields.extend(document.fields.clone());
    around.objects.extend(document.objects.clone());
    let zone = around.account.zone;
    let began: Option<Moment> = BEGINNING.parse().ok();
    let began = began.map_or(Instant::UNIX_EPOCH, |at| at.instant(zone));
    let mut world = around.world(&[], zone, began);
    let mut post = contact.clone();
    post.0.entry("email".to_owned()).or_insert_with(|| Value::from(ADDRESS));
    let patch = reading::patch(&world, &post, "contact", zone)?;
    let person = ContactId::new(SOMEBODY).unwrap_or_else(|_| unreachable!("it is an id"));
    let by = || Author::ApiKey(SOMEBODY.to_owned());
    world.write(&person, &patch, by());
    let key = |kind, key: &str| ObjectKey {
        person: person.clone(),
        kind,
        key: key.to_owned(),
        replaces: None,
    };
    let at = match (&document.per, object) {
        (None, None) => None,
        (None, Some(_)) => {
            let message = format!("the campaign `{}` is about contacts", document.id);
            return Err(wrong("contradiction", "object", message, "leave the object out"));
        }
        (Some(kind), Some(object)) if object.kind != *kind => {
            let message = format!("the campaign `{}` is about each {kind}", document.id);
            let remedy = format!("write `type: {kind}`");
            return Err(wrong("contradiction", "object.type", message, remedy));
        }
        (Some(kind), None) => {
            let at = key(kind.clone(), SOMEBODY);
            world.write_object(&at, &dacapo_engine::contact::Patch::default(), by());
            Some(at)
        }
        (Some(kind), Some(object)) => {
            let zone = world.contact(&person).map_or(zone, |it| world.account.zone_of(it));
            let patch = reading::object_patch(&world, object, "object", zone)?;
            let at = key(kind.clone(), &object.key);
            world.write_object(&at, &patch, by());
            Some(at)
        }
    };
    let object = at.and_then(|at| {
        let subject = world.object(&at.kind, &at.key)?;
        world.contact(subject).cloned()
    });
    let contact = world.contact(&person).cloned();
    let contact = contact.unwrap_or_else(|| unreachable!("it was written, with an address"));
    Ok(Invented { account: world.account.clone(), contact, object })
}
