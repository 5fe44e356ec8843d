//! What errors say.

use std::error::Error;

use hyper_util::client::legacy;

/// An error in words, with what led to it.
pub(crate) fn words_of(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in chain(error) {
        let said = cause.to_string();
        if words.last() != Some(&said) {
            words.push(said);
        }
    }
    words.join(": ")
}

/// Whether a request failed before there was a connection: nobody can have heard it.
pub(crate) fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let client = chain(error).find_map(|cause| cause.downcast_ref::<legacy::Error>());
    client.is_some_and(legacy::Error::is_connect)
}

/// An error, and what led to it.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let now = next?;
        next = now.source();
        Some(now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server, clients, nobody};

    #[tokio::test]
    async fn a_request_that_never_connected_is_told_from_one_that_was_lost() {
        let refused = clients(&nobody().await).ses().get_account().send().await.unwrap_err();
        assert!(never_connected(&refused), "{}", words_of(&refused));
        let server = Server::answering([Answer::HangsUp]).await;
        let lost = clients(&server.url).ses().get_account().send().await.unwrap_err();
        assert!(!never_connected(&lost), "{}", words_of(&lost));
    }
}
