//! Writes: one item by a plain request, several by a transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ConsumedCapacity, Delete, Put,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_smithy_types::retry::RetryConfig;
use dacapo_platform::table::{Condition, Consistency, Item, Key, TableError, Write};

use super::DynamoTable;
use super::attributes::{Attributes, INDEX_PK, INDEX_SK, of_item, of_key, text, to_item};
use super::failure::{Lost, of_unreadable, of_write, throttled};

/// With a failed condition comes the item as it is.
const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

impl DynamoTable {
    pub(super) async fn write_one(&self, write: &Write) -> Result<(), TableError> {
        let lost = Lost::default();
        match write {
            Write::Put { item, condition } => {
                let ConditionExpression { expression, values } =
                    ConditionExpression::of(*condition);
                let answer = self
                    .client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(attributes_of(item)?))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(ALL_OLD)
                    .set_return_consumed_capacity(self.units())
                    .customize()
                    .interceptor(lost.clone())
                    .send()
                    .await;
                match answer {
                    Ok(answer) => self.written(write, answer.consumed_capacity.as_ref()),
                    Err(error) => match error.as_service_error() {
                        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                            self.refused(write, failed.item.clone())
                        }
                        _ => Err(of_write(&error, &lost)),
                    },
                }
            }
            Write::Delete { key, condition } => {
                let ConditionExpression { expression, values } =
                    ConditionExpression::of(*condition);
                let answer = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(of_key(key)))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(ALL_OLD)
                    .set_return_consumed_capacity(self.units())
                    .customize()
                    .interceptor(lost.clone())
                    .send()
                    .await;
                match answer {
                    Ok(answer) => self.written(write, answer.consumed_capacity.as_ref()),
                    Err(error) => match error.as_service_error() {
                        Some(DeleteItemError::ConditionalCheckFailedException(failed)) => {
                            self.refused(write, failed.item.clone())
                        }
                        _ => Err(of_write(&error, &lost)),
                    },
                }
            }
            Write::Add { key, index, counters } => {
                let Sum { expression, names, values } = Sum::of(index.as_ref(), counters);
                let answer = self
                    .client
                    .update_item()
                    .table_name(&self.name)
                    .set_key(Some(of_key(key)))
                    .update_expression(expression)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(Some(values))
                    .set_return_consumed_capacity(self.units())
                    .customize()
                    // A second attempt would add twice if only the answer to the first was lost.
                    .config_override(Config::builder().retry_config(RetryConfig::disabled()))
                    .interceptor(lost.clone())
                    .send()
                    .await
                    .map_err(|error| of_write(&error, &lost))?;
                self.written(write, answer.consumed_capacity.as_ref())
            }
            // Nothing is written: it is only a check.
            Write::Check { key, condition } => {
                let current = self.get_one(key, Consistency::Strong).await?;
                if condition.holds(current.as_ref()) {
                    return Ok(());
                }
                Err(TableError::Conflict { which: 0, current: current.map(Box::new) })
            }
        }
    }

    pub(super) async fn write_together(
        &self,
        writes: &[Write],
        token: Option<&str>,
    ) -> Result<(), TableError> {
        let actions = writes.iter().map(|write| self.action(write));
        let actions = actions.collect::<Result<Vec<_>, _>>()?;
        let lost = Lost::default();
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .set_client_request_token(token.map(str::to_owned))
            .set_return_consumed_capacity(self.units())
            .customize()
            .interceptor(lost.clone())
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let capacity = answer.consumed_capacity.as_ref().and_then(|all| all.first());
                if let Some(meter) = &self.meter {
                    meter.note_writes(writes, capacity);
                }
                Ok(())
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    if let Some(meter) = &self.meter {
                        meter.note_refused(writes, None);
                    }
                    Err(of_cancelled(cancelled))
                }
                _ => Err(of_write(&error, &lost)),
            },
        }
    }

    fn written(
        &self,
        write: &Write,
        capacity: Option<&ConsumedCapacity>,
    ) -> Result<(), TableError> {
        if let Some(meter) = &self.meter {
            meter.note_writes(std::slice::from_ref(write), capacity);
        }
        Ok(())
    }

    /// The condition of a plain write failed.
    fn refused(&self, write: &Write, current: Option<Attributes>) -> Result<(), TableError> {
        let current = current_item(current)?;
        if let Some(meter) = &self.meter {
            meter.note_refused(std::slice::from_ref(write), current.as_deref());
        }
        Err(TableError::Conflict { which: 0, current })
    }

    /// A write as a part of a transaction.
    fn action(&self, write: &Write) -> Result<TransactWriteItem, TableError> {
        let action = TransactWriteItem::builder();
        let built = match write {
            Write::Put { item, condition } => {
                let ConditionExpression { expression, values } =
                    ConditionExpression::of(*condition);
                Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(attributes_of(item)?))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(ALL_OLD)
                    .build()
                    .map(|put| action.put(put))
            }
            Write::Delete { key, condition } => {
                let ConditionExpression { expression, values } =
                    ConditionExpression::of(*condition);
                Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(of_key(key)))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(ALL_OLD)
                    .build()
                    .map(|delete| action.delete(delete))
            }
            Write::Check { key, condition } => {
                let ConditionExpression { expression, values } =
                    ConditionExpression::of(*condition);
                ConditionCheck::builder()
                    .table_name(&self.name)
                    .set_key(Some(of_key(key)))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(ALL_OLD)
                    .build()
                    .map(|check| action.condition_check(check))
            }
            Write::Add { key, index, counters } => {
                let Sum { expression, names, values } = Sum::of(index.as_ref(), counters);
                Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(of_key(key)))
                    .update_expression(expression)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(Some(values))
                    .build()
                    .map(|update| action.update(update))
            }
        };
        Ok(built.map_err(|error| TableError::Invalid(error.to_string()))?.build())
    }
}

/// A condition as DynamoDB's expression.
struct ConditionExpression {
    expression: Option<String>,
    values: Option<Attributes>,
}

impl ConditionExpression {
    fn of(condition: Condition) -> Self {
        let (expression, values) = match condition {
            Condition::Always => (None, None),
            Condition::Absent => (Some("attribute_not_exists(PK)"), None),
            Condition::Present => (Some("attribute_exists(PK)"), None),
            Condition::Rev(rev) => {
                let rev = AttributeValue::N(rev.to_string());
                (Some("rev = :rev"), Some(HashMap::from([(":rev".to_owned(), rev)])))
            }
        };
        Self { expression: expression.map(str::to_owned), values }
    }
}

/// An addition as DynamoDB's expression.
struct Sum {
    expression: String,
    names: Option<HashMap<String, String>>,
    values: Attributes,
}

impl Sum {
    fn of(index: Option<&Key>, counters: &std::collections::BTreeMap<String, i64>) -> Self {
        let (mut names, mut values, mut sums) = (HashMap::new(), Attributes::new(), Vec::new());
        for (nth, (name, amount)) in counters.iter().enumerate() {
            names.insert(format!("#{nth}"), name.clone());
            values.insert(format!(":{nth}"), AttributeValue::N(amount.to_string()));
            sums.push(format!("#{nth} :{nth}"));
        }
        let mut clauses = Vec::new();
        if !sums.is_empty() {
            clauses.push(format!("ADD {}", sums.join(", ")));
        }
        if let Some(index) = index {
            values.insert(":ip".to_owned(), text(&index.pk));
            values.insert(":is".to_owned(), text(&index.sk));
            clauses.push(format!("SET {INDEX_PK} = :ip, {INDEX_SK} = :is"));
        }
        let names = Some(names).filter(|names| !names.is_empty());
        Self { expression: clauses.join(" "), names, values }
    }
}

/// Why a transaction was cancelled. A failed condition comes before all other reasons, since a
/// retry would not help.
fn of_cancelled(cancelled: &TransactionCanceledException) -> TableError {
    let reasons = cancelled.cancellation_reasons();
    let code = |wanted: &str| reasons.iter().find(|reason| reason.code() == Some(wanted));
    let failed = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"));
    if let Some(which) = failed {
        return match current_item(reasons[which].item.clone()) {
            Ok(current) => TableError::Conflict { which, current },
            Err(error) => error,
        };
    }
    if let Some(invalid) = code("ValidationError") {
        return TableError::Invalid(invalid.message().unwrap_or("no reason was given").to_owned());
    }
    if code("ThrottlingError").or(code("ProvisionedThroughputExceeded")).is_some() {
        return throttled();
    }
    if code("TransactionConflict").is_some() {
        return TableError::Contended;
    }
    TableError::Failed(cancelled.message().unwrap_or("the transaction was cancelled").to_owned())
}

fn current_item(current: Option<Attributes>) -> Result<Option<Box<Item>>, TableError> {
    let current = current.filter(|attributes| !attributes.is_empty());
    let item = current.map(to_item).transpose().map_err(|error| of_unreadable(&error))?;
    Ok(item.map(Box::new))
}

fn attributes_of(item: &Item) -> Result<Attributes, TableError> {
    of_item(item).map_err(|error| TableError::Invalid(error.to_string()))
}
