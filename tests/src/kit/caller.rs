//! Webhooks in an environment without a network.

use async_trait::async_trait;
use dacapo_platform::ports::{Caller, Request, Unavailable};

/// A caller whose calls all fail, as if the network were down. Stands for HTTPS calls of webhooks.
#[derive(Debug, Default, Clone, Copy)]
pub struct UnreachableCaller;

#[async_trait]
impl Caller for UnreachableCaller {
    async fn call(&self, _: &Request) -> Result<u16, Unavailable> {
        Err(Unavailable("the tests reach no network".to_owned()))
    }
}
