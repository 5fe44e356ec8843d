//! The table port on DynamoDB.
//!
//! Keys `PK` and `SK`, one index `GSI1` on `GSI1PK` and `GSI1SK` that projects keys only, expiry
//! `ttl`. `attributes.rs` tells how an item is written in attributes; [`item_of_image`] reads an
//! image of the stream.
//!
//! - A write of one item is a plain request with its condition. Several are one transaction with a
//!   token, which is generated if the caller has none, so that the SDK's own retries never apply it
//!   twice.
//! - The answer to a failed condition holds the item as it is: it need not be read.
//! - A plain put or delete is idempotent. A plain add is attempted once.
//! - If the answer to any attempt at a write was lost and no later attempt succeeded, the outcome
//!   is [`TableError::Unknown`], whatever the last attempt answered. The exception is a conflict:
//!   the caller recognises its own write in it.
//! - Keys that a batch leaves unread are asked for again, with a growing backoff.

mod attributes;
mod failure;
mod image;
mod reading;
mod units;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use dacapo_platform::table::{
    Consistency, Item, Key, Query, QueryPage, Table, TableError, Write, check, check_key,
    check_query, check_token,
};

use crate::clients::LazyClient;
use reading::pause;

pub use image::{Image, item_of_image};
pub use units::{Meter, Spent, Verb};

/// The name of the index.
pub const INDEX: &str = "GSI1";

/// How often a write is retried that conflicted with a transaction, with a growing, random backoff;
/// then the caller gets the error. The SDK does not retry these by itself (Amazon DynamoDB
/// Developer Guide, Transaction conflict handling:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>).
const CONTENTIONS: u32 = 3;

/// A table of DynamoDB. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DynamoTable {
    client: LazyClient<Client>,
    name: String,
    meter: Option<Arc<Meter>>,
}

impl DynamoTable {
    /// The table of this name.
    #[must_use]
    pub fn new(client: impl Into<LazyClient<Client>>, name: impl Into<String>) -> Self {
        Self { client: client.into(), name: name.into(), meter: None }
    }

    /// The same, and notes the units that every request takes.
    #[must_use]
    pub fn metered(mut self, meter: Arc<Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    async fn write_once(&self, writes: &[Write], token: Option<&str>) -> Result<(), TableError> {
        match writes {
            [] => Ok(()),
            [write] => self.write_one(write).await,
            several => self.write_together(several, token).await,
        }
    }

    /// What a request asks for about units: nothing, if they are not counted.
    fn units(&self) -> Option<ReturnConsumedCapacity> {
        self.meter.as_ref().map(|_| ReturnConsumedCapacity::Indexes)
    }
}

#[async_trait]
impl Table for DynamoTable {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        check_key(key)?;
        self.get_one(key, consistency).await
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        keys.iter().try_for_each(check_key)?;
        self.get_all(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        check_query(&query, false)?;
        self.page(&query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        check_query(&query, true)?;
        self.index_page(&query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        token.map_or(Ok(()), check_token)?;
        check(&writes)?;
        for round in 0..CONTENTIONS {
            match self.write_once(&writes, token).await {
                Err(TableError::Contended) => tokio::time::sleep(pause(round)).await,
                other => return other,
            }
        }
        self.write_once(&writes, token).await
    }
}
