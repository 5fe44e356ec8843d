//! Errors as text.

use std::error::Error;

use hyper_util::client::legacy;

/// An error as text, with its causes.
pub(crate) fn text_of(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in chain(error) {
        let said = cause.to_string();
        if words.last() != Some(&said) {
            words.push(said);
        }
    }
    words.join(": ")
}

/// Whether a request certainly did not reach the server: there was no connection, or it ended
/// before the first byte of the request was written. hyper then hands the request back
/// (`canceled`), or never takes it (`closed`).
pub(crate) fn never_sent(error: &(dyn Error + 'static)) -> bool {
    let client = chain(error).find_map(|cause| cause.downcast_ref::<legacy::Error>());
    let hyper = chain(error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    client.is_some_and(legacy::Error::is_connect)
        || hyper.is_some_and(|hyper| hyper.is_canceled() || hyper.is_closed())
}

/// An error and its causes.
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
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::testing::{PreparedAnswer, Server, clients, unused_address};

    #[tokio::test]
    async fn a_request_that_nobody_heard_is_told_from_one_that_was_lost() {
        let refused =
            clients(&unused_address().await).ses().get_account().send().await.unwrap_err();
        assert!(never_sent(&refused), "{}", text_of(&refused));
        let server = Server::answering([PreparedAnswer::HangsUp]).await;
        let lost = clients(&server.url).ses().get_account().send().await.unwrap_err();
        assert!(!never_sent(&lost), "{}", text_of(&lost));
    }

    #[tokio::test]
    async fn a_request_whose_connection_ended_before_it_was_written_was_heard_by_nobody() {
        let (here, _there) = tokio::io::duplex(1024);
        let io = hyper_util::rt::TokioIo::new(here);
        let opened = hyper::client::conn::http1::handshake::<_, SdkBody>(io).await;
        let (mut sender, connection) = opened.unwrap();
        let request = axum::http::Request::post("/").body(SdkBody::empty()).unwrap();
        let sending = sender.send_request(request);
        drop(connection);
        let canceled = sending.await.unwrap_err();
        assert!(never_sent(&canceled), "{}", text_of(&canceled));
        let request = axum::http::Request::post("/").body(SdkBody::empty()).unwrap();
        let closed = sender.send_request(request).await.unwrap_err();
        assert!(never_sent(&closed), "{}", text_of(&closed));
    }
}
