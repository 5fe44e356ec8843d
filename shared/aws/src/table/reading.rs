//! Reads: items, batches of them, and pages.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{ConsumedCapacity, KeysAndAttributes};
use dacapo_platform::table::{
    Consistency, Cursor, Direction, Item, Key, LARGEST_PAGE, LONGEST_SK, Query, QueryPage, Range,
    TableError, size, size_at_most,
};

use super::attributes::{self, Attributes, INDEX_PK, INDEX_SK, PK, SK, of_key, text, to_item};
use super::failure::{of_read, of_unreadable, throttled};
use super::units::Verb;
use super::{DynamoTable, INDEX};

/// How many items a batch may ask for.
const BATCH: usize = 100;

/// How often the rest of a batch is asked for again.
const ROUNDS: u32 = 9;

/// How long the first backoff is.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);

impl DynamoTable {
    pub(super) async fn get_one(
        &self,
        key: &Key,
        consistency: Consistency,
    ) -> Result<Option<Item>, TableError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(of_key(key)))
            .consistent_read(is_strong(consistency))
            .set_return_consumed_capacity(self.units())
            .send()
            .await
            .map_err(|error| of_read(&error))?;
        self.note_read(Verb::Get, [key], answer.consumed_capacity.as_ref());
        answer.item.map(to_item).transpose().map_err(|error| of_unreadable(&error))
    }

    pub(super) async fn get_all(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        let mut seen = HashSet::new();
        let different: Vec<&Key> = keys.iter().filter(|key| seen.insert(*key)).collect();
        let batches = different.chunks(BATCH).map(|batch| self.batch(batch, consistency));
        let mut found: HashMap<Key, Item> = HashMap::new();
        for batch in futures_util::future::try_join_all(batches).await? {
            found.extend(batch.into_iter().map(|item| (item.key.clone(), item)));
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn batch(
        &self,
        keys: &[&Key],
        consistency: Consistency,
    ) -> Result<Vec<Item>, TableError> {
        let mut wanted: Vec<Attributes> = keys.iter().map(|key| of_key(key)).collect();
        let mut found = Vec::new();
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(pause(round)).await;
            }
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(is_strong(consistency))
                .build()
                .map_err(|error| TableError::Invalid(error.to_string()))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .set_return_consumed_capacity(self.units())
                .send()
                .await
                .map_err(|error| of_read(&error))?;
            let capacity = answer.consumed_capacity.as_ref().and_then(|all| all.first());
            self.note_read(Verb::GetMany, keys.iter().copied(), capacity);
            for items in answer.responses.into_iter().flat_map(HashMap::into_values) {
                for item in items {
                    found.push(to_item(item).map_err(|error| of_unreadable(&error))?);
                }
            }
            let left = answer.unprocessed_keys.unwrap_or_default();
            wanted = left.into_values().flat_map(|left| left.keys).collect();
            if wanted.is_empty() {
                return Ok(found);
            }
        }
        Err(throttled())
    }

    pub(super) async fn page(&self, query: &Query<'_>) -> Result<QueryPage<Item>, TableError> {
        let from = match &query.cursor {
            Some(cursor) => {
                let [pk, sk] = cursor.parts(query.pk)?;
                Some(of_key(&Key { pk, sk }))
            }
            None => None,
        };
        let Some(request) = self.ask(query, PK, SK) else { return Ok(nothing()) };
        let answer = request
            .consistent_read(is_strong(query.consistency))
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| of_read(&error))?;
        self.note_read(Verb::Query, [&asked(query)], answer.consumed_capacity.as_ref());
        let cursor = match answer.last_evaluated_key {
            Some(mut last) => {
                let last = part(&mut last, PK, SK)?;
                Some(Cursor::at(&[&last.pk, &last.sk]))
            }
            None => None,
        };
        let items = answer.items.unwrap_or_default().into_iter().map(to_item).collect();
        let items: Result<Vec<_>, _> = items;
        Ok(within_bounds(query.pk, items.map_err(|error| of_unreadable(&error))?, cursor))
    }

    pub(super) async fn index_page(
        &self,
        query: &Query<'_>,
    ) -> Result<QueryPage<(Key, Key)>, TableError> {
        let from = match &query.cursor {
            Some(cursor) => {
                let [index_pk, index_sk, pk, sk] = cursor.parts(query.pk)?;
                let mut from = of_key(&Key { pk, sk });
                from.insert(INDEX_PK.to_owned(), text(&index_pk));
                from.insert(INDEX_SK.to_owned(), text(&index_sk));
                Some(from)
            }
            None => None,
        };
        let Some(request) = self.ask(query, INDEX_PK, INDEX_SK) else { return Ok(nothing()) };
        let answer = request
            .index_name(INDEX)
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| of_read(&error))?;
        self.note_read(Verb::QueryIndex, [&asked(query)], answer.consumed_capacity.as_ref());
        let entry = |mut attributes: Attributes| {
            let index = part(&mut attributes, INDEX_PK, INDEX_SK)?;
            Ok((index, part(&mut attributes, PK, SK)?))
        };
        let cursor = match answer.last_evaluated_key.map(entry).transpose()? {
            Some((index, item)) => Some(Cursor::at(&[&index.pk, &index.sk, &item.pk, &item.sk])),
            None => None,
        };
        let items: Result<_, TableError> =
            answer.items.unwrap_or_default().into_iter().map(entry).collect();
        Ok(QueryPage { items: items?, cursor })
    }

    /// The request of a query; none if nothing can be found.
    fn ask(&self, query: &Query<'_>, pk: &str, sk: &str) -> Option<QueryFluentBuilder> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .scan_index_forward(query.order == Direction::Ascending)
            .set_limit(i32::try_from(query.limit).ok())
            .set_return_consumed_capacity(self.units())
            .expression_attribute_values(":pk", text(query.pk));
        // DynamoDB accepts no empty text as a bound, nor bounds in the wrong order.
        let (condition, bounds) = match query.range {
            Range::All | Range::Prefix("") | Range::From("") => (None, [None, None]),
            Range::Prefix(prefix) if prefix.len() > LONGEST_SK => return None,
            Range::Prefix(prefix) => {
                (Some(format!("begins_with({sk}, :from)")), [Some(prefix), None])
            }
            Range::From(from) => (Some(format!("{sk} >= :from")), [Some(from), None]),
            Range::Between(from, to) if from > to || to.is_empty() => return None,
            Range::Between("", to) => (Some(format!("{sk} <= :to")), [None, Some(to)]),
            Range::Between(from, to) => {
                (Some(format!("{sk} BETWEEN :from AND :to")), [Some(from), Some(to)])
            }
        };
        let expression = match condition {
            Some(condition) => format!("{pk} = :pk AND {condition}"),
            None => format!("{pk} = :pk"),
        };
        let request = request.key_condition_expression(expression);
        Some([":from", ":to"].into_iter().zip(bounds).fold(request, |request, (name, bound)| {
            match bound {
                Some(bound) => request.expression_attribute_values(name, text(bound)),
                None => request,
            }
        }))
    }

    fn note_read<'a>(
        &self,
        verb: Verb,
        keys: impl IntoIterator<Item = &'a Key>,
        capacity: Option<&ConsumedCapacity>,
    ) {
        if let Some(meter) = &self.meter {
            meter.note_read(verb, keys, capacity);
        }
    }
}

fn is_strong(consistency: Consistency) -> bool {
    consistency == Consistency::Strong
}

fn nothing<T>() -> QueryPage<T> {
    QueryPage { items: Vec::new(), cursor: None }
}

/// DynamoDB Local ends a page after the item that exceeds a megabyte, the port before it.
fn within_bounds(pk: &str, mut items: Vec<Item>, cursor: Option<Cursor>) -> QueryPage<Item> {
    if items.iter().map(size_at_most).sum::<usize>() <= LARGEST_PAGE {
        return QueryPage { items, cursor };
    }
    let mut bytes = 0;
    let fit = items.iter().take_while(|item| {
        bytes += size(item);
        bytes <= LARGEST_PAGE
    });
    let fit = fit.count().max(1);
    if fit == items.len() {
        return QueryPage { items, cursor };
    }
    items.truncate(fit);
    let cursor = items.last().map(|last| Cursor::at(&[pk, &last.key.sk]));
    QueryPage { items, cursor }
}

/// A query as a key: the partition, and how its sort keys begin.
fn asked(query: &Query<'_>) -> Key {
    let sk = match query.range {
        Range::All => "",
        Range::Prefix(from) | Range::From(from) | Range::Between(from, _) => from,
    };
    Key::new(query.pk, sk)
}

fn part(attributes: &mut Attributes, pk: &str, sk: &str) -> Result<Key, TableError> {
    attributes::key(attributes, pk, sk)
        .and_then(|key| key.ok_or_else(|| attributes::unreadable("an entry without a key")))
        .map_err(|error| of_unreadable(&error))
}

/// Between a half and the whole of a time that doubles: requests that were refused together do not
/// come back together.
pub(super) fn pause(round: u32) -> Duration {
    let longest = FIRST_BACKOFF * 2_u32.pow(round);
    let mut entropy = [0];
    // Without entropy it is a half.
    let _ = getrandom::fill(&mut entropy);
    longest / 2 + longest / 2 * u32::from(entropy[0]) / 256
}
