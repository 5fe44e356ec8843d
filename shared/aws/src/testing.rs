//! For the tests of this crate: a server with prepared answers, which records the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{Clients, Connection, Credentials};

/// Its answer to one request.
#[derive(Debug, Clone)]
pub(crate) enum PreparedAnswer {
    /// A status, headers (`name: value`, each with its line's end), a body.
    Says(u16, String, String),
    /// Nothing: it hangs up.
    HangsUp,
}

impl PreparedAnswer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Says(status, "content-type: application/json\r\n".to_owned(), body.to_owned())
    }

    /// An error in the JSON protocols. Services spell the name of its message in either way.
    pub(crate) fn error(status: u16, kind: &str, message: &str) -> Self {
        let headers = format!("content-type: application/json\r\nx-amzn-errortype: {kind}\r\n");
        let said = serde_json::json!({ "message": message, "Message": message });
        Self::Says(status, headers, said.to_string())
    }
}

/// What happens to a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It serves the next request.
    Serves,
    /// It is closed.
    Closes,
    /// It is gone: a write to it gets a reset.
    Resets,
    /// It is gone without notice: what is written to it is lost.
    IsDeaf,
}

/// A request: its head and its body.
#[derive(Debug, Clone)]
pub(crate) struct RecordedRequest {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The server. The last answer is repeated for further requests.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl Server {
    pub(crate) async fn answering(answers: impl IntoIterator<Item = PreparedAnswer>) -> Self {
        Self::answering_then(answers, Then::Serves).await
    }

    pub(crate) async fn answering_then(
        answers: impl IntoIterator<Item = PreparedAnswer>,
        then: Then,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<RecordedRequest>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<PreparedAnswer>>> =
            Arc::new(Mutex::new(answers.into_iter().collect()));
        let remembers = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, remembers) = (Arc::clone(&answers), Arc::clone(&remembers));
                tokio::spawn(connection(stream, answers, remembers, then));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<RecordedRequest> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn connection(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<PreparedAnswer>>>,
    asked: Arc<Mutex<Vec<RecordedRequest>>>,
    then: Then,
) {
    let mut heard = Vec::new();
    while let Some(request) = request(&mut stream, &mut heard).await {
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer = {
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
        };
        let Some(PreparedAnswer::Says(status, headers, body)) = answer else { return };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        match then {
            Then::Serves => {}
            Then::Closes => return,
            Then::Resets => {
                let _ = stream.readable().await;
                let _ = stream.set_zero_linger();
                return;
            }
            Then::IsDeaf => std::future::pending().await,
        }
    }
}

async fn request(stream: &mut TcpStream, heard: &mut Vec<u8>) -> Option<RecordedRequest> {
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                heard.clear();
                return Some(RecordedRequest { head: head.to_owned(), body: body.to_owned() });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => heard.extend_from_slice(&buffer[..read]),
            Ok(0) | Err(_) => return None,
        }
    }
}

/// Clients of a server.
pub(crate) fn clients(url: &str) -> Clients {
    let credentials = Credentials {
        access_key_id: "id".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
    };
    let endpoint = Some(url.to_owned());
    Clients::new(&Connection { region: "eu-central-1".to_owned(), endpoint, credentials })
}

/// An address at which nothing listens.
pub(crate) async fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
