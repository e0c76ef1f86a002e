//! Requests by bytes, as anybody may send them, and what is answered, as it comes.

use std::fmt::Write as _;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::process::{API_KEY, soon};

/// The head of a response, and whatever comes behind it.
pub(crate) struct Answer {
    io: TcpStream,
    pub(crate) head: String,
    heard: String,
}

impl Answer {
    pub(crate) async fn to(address: &str, request: &str) -> Self {
        let mut io = TcpStream::connect(address).await.unwrap();
        // Who asks too much is answered before all of it has been read.
        let _ = io.write_all(request.as_bytes()).await;
        let mut answer = Self { io, head: String::new(), heard: String::new() };
        answer.head = answer.until("\r\n\r\n").await.to_ascii_lowercase();
        answer
    }

    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// Whether there is a session now.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status(), "101" | "200")
    }

    /// Reads until there is this, and gives what stands before it.
    pub(crate) async fn until(&mut self, part: &str) -> String {
        loop {
            if let Some((before, after)) = self.heard.split_once(part) {
                let before = before.to_owned();
                self.heard = after.to_owned();
                return before;
            }
            let mut bytes = [0; 4096];
            let len = soon(self.io.read(&mut bytes)).await.unwrap();
            assert_ne!(len, 0, "it ended without {part:?}: {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&bytes[..len]));
        }
    }

    pub(crate) async fn until_end(mut self) -> String {
        soon(self.io.read_to_string(&mut self.heard)).await.unwrap();
        self.heard
    }
}

/// A request with a body, of a page of ours or of the application.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: chat.example.com\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    request
}

/// A call of the API.
pub(crate) fn call(method: &str, body: &str) -> String {
    post(&format!("/api/{method}"), &[("X-API-Key", API_KEY)], body)
}

/// The status and the body of a response.
pub(crate) async fn whole(address: &str, request: &str) -> (String, String) {
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let answer = Answer::to(address, &request).await;
    (answer.status().to_owned(), answer.until_end().await)
}

/// What goes up, for a session.
pub(crate) fn emulation(session: &str, frame: &str) -> String {
    let frame = frame.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    post("/emulation", &[], &format!(r#"{{"session":"{session}","node":"","data":"{frame}"}}"#))
}

/// A session by HTTP streaming, in this channel, and its secret.
pub(crate) async fn streaming(address: &str, channel: &str) -> (Answer, String) {
    let frame = format!(
        "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"{channel}\"}}}}"
    );
    let mut answer = Answer::to(address, &post("/connection/http_stream", &[], &frame)).await;
    assert_eq!(answer.status(), "200", "{}", answer.head);
    answer.until(r#""session":""#).await;
    let session = answer.until("\"").await;
    answer.until(r#"{"id":2,"subscribe":{"#).await;
    (answer, session)
}
