//! The admin key, kept as a secret of the stack.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::api::{AdminKeeper, AdminKey};
use dacapo_platform::ports::{Clock, Unavailable};
use tokio::sync::Mutex;

use crate::clients::LazyClient;

/// How long a secret that was read is used before it is read again.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(5);

/// Reads the admin key from Secrets Manager, when a key is presented that is no other known key.
pub struct SecretKeeper {
    client: LazyClient<Client>,
    arn: String,
    clock: Arc<dyn Clock>,
    read: Mutex<Option<(Instant, AdminKey)>>,
}

impl SecretKeeper {
    /// The key in this secret.
    pub fn new(client: LazyClient<Client>, arn: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, arn, clock, read: Mutex::new(None) }
    }
}

#[async_trait]
impl AdminKeeper for SecretKeeper {
    async fn admin_key(&self) -> Result<Option<AdminKey>, Unavailable> {
        // Others who need it wait while it is being read.
        let mut read = self.read.lock().await;
        let now = self.clock.now();
        if let Some((at, key)) = read.as_ref()
            && now - *at < KEPT_FOR
        {
            return Ok(Some(key.clone()));
        }
        let secret = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let secret = secret.map_err(|error| {
            let words = crate::error_text::text_of(&error.into_service_error());
            Unavailable(format!("the admin key was not read: {words}"))
        })?;
        let key = secret.secret_string().map(|text| AdminKey::of(text.trim()));
        *read = key.clone().map(|key| (now, key));
        Ok(key)
    }
}
