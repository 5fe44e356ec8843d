//! E-mail: rendered from the version's templates and the latest contact, sent by the mail service.

use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::campaign::format::{Document, Email, Sender};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::ContactId;
use dacapo_engine::merge::merge_values;
use dacapo_engine::template::MergeValues;

use super::{MessageChannel, MessageSources, PreparedMessage, ReadyMessage, RenderedMessage};
use crate::catalog::{CatalogStore, Loaded};
use crate::error::Error;
use crate::mail::{Envelope, MailRenderer, NO_SENDER, sender_of};
use crate::messages::MessageRecord;
use crate::ports::{Mail, Mailer, MessageName, MessageService, SendError};
use crate::unsubscribe::{test_url, unsubscribe_url};

/// E-mail.
pub(crate) struct EmailChannel {
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) mail: Arc<MailRenderer>,
    /// The mail service.
    pub(crate) mailer: Arc<dyn Mailer>,
    /// The sender where neither campaign nor account has one.
    pub(crate) sender: Option<Sender>,
    /// The public URL of the API: for unsubscribe links.
    pub(crate) public_url: String,
}

/// A mail with the service that sends it.
struct ReadyMail {
    mail: Mail,
    mailer: Arc<dyn Mailer>,
}

#[async_trait]
impl ReadyMessage for ReadyMail {
    async fn send(&self) -> Result<String, SendError> {
        self.mailer.send(&self.mail).await
    }
}

#[async_trait]
impl MessageChannel for EmailChannel {
    fn service(&self) -> &dyn MessageService {
        &*self.mailer
    }

    async fn prepare(&self, sources: &MessageSources<'_>) -> PreparedMessage {
        let MessageSources { loaded, graph, delivery, contact, person } = *sources;
        let (document, recipient) = (&graph.document, sources.recipient());
        let Some(email) = document.emails.get(&delivery.content_key) else {
            return PreparedMessage::failed(format!(
                "the campaign has no e-mail {}",
                delivery.content_key
            ));
        };
        let Some(to) = recipient.address() else {
            return PreparedMessage::failed("the contact has no address");
        };
        let Some(sender) = self.sender_of(email, document, loaded) else {
            return PreparedMessage::failed(NO_SENDER);
        };
        let url = unsubscribe_url(&self.public_url, &loaded.catalog.secret, &recipient.id);
        let all =
            merge_values(&loaded.account, document, contact, person, delivery.run, Some(&url));
        let read = self.catalog.read_by(graph, &delivery.content_key, email);
        let values = MergeValues {
            values: all
                .values
                .into_iter()
                .filter(|(path, _)| read.contains(path))
                .collect_compactly(),
            ..all
        };
        let message = MessageName {
            contact: contact.id.clone(),
            campaign: document.id.clone(),
            run: delivery.run,
            step: delivery.step,
        };
        let envelope = Envelope { sender, to, unsubscribe_url: url, message };
        let mail = self.mail.mail(email, &values, envelope).await;
        PreparedMessage {
            to: Some(to.to_owned()),
            values: Some(values),
            message: mail.map(|mail| self.ready(mail)),
        }
    }

    async fn rendered(&self, record: &MessageRecord) -> Result<RenderedMessage, Error> {
        let Some(values) = &record.values else { return Ok(RenderedMessage::default()) };
        // The version that it came from never changes.
        let version = match record.test {
            None => Some(self.catalog.version(&record.campaign, record.version).await?),
            Some(_) => None,
        };
        let of_version =
            version.as_ref().and_then(|it| it.document.emails.get(&record.content_key));
        let Some(email) = record.test.as_ref().map(|test| &test.email).or(of_version) else {
            return Ok(RenderedMessage::default());
        };
        let (said, text) = match self.mail.rendered(email, values, true).await {
            Ok((said, text)) => (Some(said), Some(text)),
            // HTML that cannot be turned into text is still shown.
            Err(_) => match self.mail.rendered(email, values, false).await {
                Ok((mut said, _)) => {
                    let text = said.text.take();
                    (Some(said), text)
                }
                Err(_) => (None, None),
            },
        };
        Ok(said.map_or_else(RenderedMessage::default, |said| RenderedMessage {
            subject: Some(said.subject),
            text,
            html: said.html,
        }))
    }
}

impl EmailChannel {
    /// Who sends an e-mail.
    pub(crate) fn sender_of<'a>(
        &'a self,
        email: &'a Email,
        document: &'a Document,
        loaded: &'a Loaded,
    ) -> Option<&'a Sender> {
        let of_account = loaded.catalog.settings.sender.as_ref();
        sender_of(email, document, of_account, self.sender.as_ref())
    }

    /// Where a test mail unsubscribes.
    pub(crate) fn test_url(&self) -> String {
        test_url(&self.public_url)
    }

    fn ready(&self, mail: Mail) -> Box<dyn ReadyMessage> {
        Box::new(ReadyMail { mail, mailer: Arc::clone(&self.mailer) })
    }

    /// The test mail of a record; else why there is none. Its name leads to no message: no contact
    /// has such an id, and no run has its number.
    pub(crate) async fn prepare_test(
        &self,
        id: &str,
        record: &MessageRecord,
    ) -> Result<Box<dyn ReadyMessage>, String> {
        let (Some(content), Some(to), Some(values)) = (&record.test, &record.to, &record.values)
        else {
            return Err("what it says is not kept any more".to_owned());
        };
        let contact = ContactId::new(format!("test-{id}")).map_err(|why| why.to_string())?;
        let MessageRecord { run, step, .. } = *record;
        let message = MessageName { contact, campaign: record.campaign.clone(), run, step };
        let unsubscribe_url = self.test_url();
        let envelope = Envelope { sender: &content.sender, to, unsubscribe_url, message };
        self.mail.mail(&content.email, values, envelope).await.map(|mail| self.ready(mail))
    }
}
