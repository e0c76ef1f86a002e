//! What has hurt realtime servers (docs/security-checklist.md), over every transport: by bytes, as anybody may
//! send them.

use std::fmt::Write as _;

use rustix::process::Signal;

use crate::{
    answer::{Answer, post},
    process::{API_KEY, Program},
    site::{SECRET, Site},
};

/// The ways to a session.
const TRANSPORTS: [&str; 3] = ["websocket", "sse", "http_stream"];

/// A server and its configuration.
struct Server {
    program: Program,
    address: String,
    site: Site,
}

impl Server {
    async fn start(name: &str) -> Self {
        let config = format!(
            "drain_within = '0s'\noperator.listen = []\n\
             [client]\ntoken_cookie = 'auth'\nexpired_close_delay = '100ms'\n\
             token.hmac_secret_key = '{SECRET}'\n\
             [channel.without_namespace]\nallow_subscribe_for_client = true\n\
             [[channel.namespaces]]\nname = 'closed'\n[engine]\nthreads = 3\n"
        );
        let site = Site::new(name, &config);
        let (program, address) = site.serve().await;
        Self { program, address, site }
    }

    async fn token(&self, arguments: &[&str]) -> String {
        self.site.token(arguments).await
    }

    /// Knocks by this transport; `query` stands behind its path.
    async fn knock(&self, transport: &str, query: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, query, rest) = match transport {
            "websocket" => (
                "GET",
                query.to_owned(),
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ),
            "sse" => {
                let and = if query.is_empty() { "" } else { "&" };
                let frame = "cf_connect=%7B%22id%22:1,%22connect%22:%7B%7D%7D";
                ("GET", format!("{query}{and}{frame}"), "")
            }
            _ => ("POST", query.to_owned(), "Content-Length: 21\r\n"),
        };
        let mut request = format!(
            "{method} /connection/{transport}?{query} HTTP/1.1\r\nHost: chat.example.com\r\n{rest}"
        );
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        if method == "POST" {
            request.push_str(r#"{"id":1,"connect":{}}"#);
        }
        Answer::to(&self.address, &request).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        Answer::to(&self.address, &post(path, headers, body)).await
    }

    /// Ends it, and gives all that it has logged.
    async fn log(self) -> String {
        self.program.signal(Signal::TERM);
        self.program.signal(Signal::TERM); // nobody waits for the clients here
        self.program.ended().await.stderr
    }
}

/// The rule, the query, the headers, and the status of who is refused.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// S10, S11, S15: one door for all transports; and nothing of what was shown there is in the log (S12).
#[tokio::test]
async fn s10_s15_the_door_is_the_same_for_every_transport() {
    let server = Server::start("door").await;
    let token = server.token(&["--user", "ann"]).await;
    let late = format!("{token}x");
    let (bearer, wrong, cookie) =
        (format!("Bearer {token}"), format!("Bearer {late}"), format!("auth={token}"));
    let (bearer, wrong) = (("Authorization", &*bearer), ("Authorization", &*wrong));
    let cookie = ("Cookie", &*cookie);
    let ours = ("Origin", "http://chat.example.com");
    let theirs = ("Origin", "http://evil.example.com");
    let similar = ("Origin", "http://chat.example.com.evil.example.com");
    let query = format!("token={token}");
    let cases: &[Case<'_>] = &[
        ("a token", "", &[bearer], ""),
        ("a token, by our page", "", &[ours, bearer], ""),
        ("a token that is none", "", &[wrong], "401"),
        ("S10 a token, by a stranger's page", "", &[theirs, bearer], "403"),
        ("S10 a cookie, by our page", "", &[ours, cookie], ""),
        ("S10 a cookie, by a stranger's page", "", &[theirs, cookie], "403"),
        ("S10 a cookie, by nobody's page", "", &[("Origin", "null"), cookie], "403"),
        ("S10 a cookie, by a page that looks like ours", "", &[similar, cookie], "403"),
        (
            "S10 a cookie, by a stranger's image",
            "",
            &[("Sec-Fetch-Site", "cross-site"), cookie],
            "403",
        ),
        ("two tokens", "", &[bearer, ("Sec-WebSocket-Protocol", "Bearer, x")], "400"),
        ("S11 a token in the query", &query, &[], "400"),
        ("S11 a ticket that is none", "ticket=AAAAAAAAAAAAAAAAAAAAAA", &[], "401"),
    ];
    for transport in TRANSPORTS {
        for (rule, query, headers, refused) in cases {
            let answer = server.knock(transport, query, headers).await;
            let status = answer.status();
            assert_eq!(answer.is_open(), refused.is_empty(), "S15 {transport}, {rule}: {status}");
            assert!(refused.is_empty() || status == *refused, "S15 {transport}, {rule}: {status}");
            // Whoever may not come in may not read why, either.
            let told = answer.head.contains("access-control-allow-origin");
            assert_eq!(told, headers.contains(&ours), "S15 {transport}, {rule}: {}", answer.head);
        }
    }
    let log = server.log().await;
    assert!(log.contains("refused: the token is not taken: its signature is wrong"), "{log}");
    for part in token.split('.') {
        assert!(!log.contains(part), "S12 {part} in: {log}");
    }
}

/// S10: whatever else pages may ask for, and whatever else the request shows.
#[tokio::test]
async fn s10_strange_pages_stay_outside_everywhere() {
    let server = Server::start("origins").await;
    let cookie = format!("auth={}", server.token(&["--user", "ann"]).await);
    let cookie = ("Cookie", &*cookie);
    let requests =
        [("POST", "/connection/ticket"), ("POST", "/emulation"), ("OPTIONS", "/emulation")];
    for (method, path) in requests {
        let ask = |origin: &str| {
            let request = post(path, &[("Origin", origin), cookie], "");
            request.replacen("POST", method, 1)
        };
        for origin in ["http://elsewhere.example", "null", "http://chat.example.com.evil.example"] {
            let Answer { head, .. } = &Answer::to(&server.address, &ask(origin)).await;
            assert!(head.starts_with("http/1.1 403 "), "{method} {path}: {head}");
            assert!(!head.contains("access-control-allow-origin"), "{method} {path}: {head}");
        }
        let Answer { head, .. } =
            &Answer::to(&server.address, &ask("http://chat.example.com")).await;
        assert!(!head.starts_with("http/1.1 403 "), "{method} {path}: {head}");
        let allowed = "access-control-allow-origin: http://chat.example.com\r\n";
        assert!(head.contains(allowed), "{method} {path}: {head}");
    }
}

/// A browser's WebSocket can set no header but this one.
#[tokio::test]
async fn a_token_as_a_subprotocol() {
    let server = Server::start("subprotocol").await;
    let token = server.token(&["--user", "ann"]).await;
    let cases = [
        ("two offers", format!("Bearer, {token}"), "bearer"),
        ("one with a space", format!("Bearer {token}"), "bearer"),
        (
            "with another that is spoken",
            format!("Bearer, {token}, centrifuge-json"),
            "centrifuge-json",
        ),
        ("with one that is not", format!("mqtt, Bearer, {token}"), "bearer"),
    ];
    for (rule, offers, chosen) in &cases {
        let answer = server.knock("websocket", "", &[("Sec-WebSocket-Protocol", offers)]).await;
        assert_eq!(answer.status(), "101", "{rule}: {}", answer.head);
        let line = format!("sec-websocket-protocol: {chosen}");
        assert!(answer.head.lines().any(|its| its == line), "{rule}: {}", answer.head);
    }
    assert!(!server.log().await.contains(&token));
}

/// Whichever threads are asked: each request is a connection of its own.
#[tokio::test]
async fn s11_a_ticket_is_exchanged_once() {
    let server = Server::start("ticket").await;
    let token = server.token(&["--user", "ann"]).await;
    let bearer = format!("Bearer {token}");
    for transport in [TRANSPORTS; 4].concat() {
        let mut given = server.post("/connection/ticket", &[("Authorization", &*bearer)], "").await;
        assert_eq!(given.status(), "200");
        assert!(given.head.contains("cache-control: no-store"), "{}", given.head);
        given.until("{\"ticket\":\"").await;
        let query = format!("ticket={}", given.until("\"").await);
        assert!(server.knock(transport, &query, &[]).await.is_open(), "{transport}");
        assert_eq!(server.knock(transport, &query, &[]).await.status(), "401", "{transport}");
    }
    assert_eq!(server.post("/connection/ticket", &[], "").await.status(), "401");
    server.log().await;
}

/// S18: a client cannot find out which namespaces there are, or which channels.
#[tokio::test]
async fn s18_unknown_and_forbidden_look_the_same() {
    let server = Server::start("enumeration").await;
    let bearer = format!("Bearer {}", server.token(&["--user", "ann"]).await);
    let commands = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"nosuch:1\"}}\n\
                    {\"id\":3,\"subscribe\":{\"channel\":\"closed:1\"}}\n\
                    {\"id\":4,\"history\":{\"channel\":\"nosuch:1\"}}\n\
                    {\"id\":5,\"history\":{\"channel\":\"closed:1\"}}";
    let headers = [("Authorization", &*bearer)];
    let mut answer = server.post("/connection/http_stream", &headers, commands).await;
    for id in 2..=5 {
        answer.until(&format!("{{\"id\":{id},\"error\":")).await;
        let error = answer.until("}").await;
        assert_eq!(error, r#"{"code":103,"message":"permission denied""#, "{id}");
    }
    server.log().await;
}

/// S16: what others see of a session is its name, and that opens nothing.
#[tokio::test]
async fn s16_a_session_is_not_reached_by_its_name() {
    let server = Server::start("names").await;
    let bearer = format!("Bearer {}", server.token(&["--user", "ann"]).await);
    let headers = [("Authorization", &*bearer)];
    let connect = r#"{"id":1,"connect":{}}"#;
    let mut answer = server.post("/connection/http_stream", &headers, connect).await;
    answer.until("\"client\":\"").await;
    let client = answer.until("\"").await;
    answer.until("\"session\":\"").await;
    let session = answer.until("\"").await;
    assert!(!session.contains(&client), "{session}");
    let frame = r#"{\"id\":2,\"rpc\":{\"method\":\"x\"}}"#;
    for (name, status) in [(&client, "404"), (&format!("0.{client}"), "404"), (&session, "204")] {
        let body = format!(r#"{{"session":"{name}","node":"","data":"{frame}"}}"#);
        assert_eq!(server.post("/emulation", &[], &body).await.status(), status, "{name}");
    }
    // A page of a stranger's may not even try.
    let body = format!(r#"{{"session":"{session}","node":"","data":"{frame}"}}"#);
    let theirs = [("Origin", "http://evil.example.com")];
    assert_eq!(server.post("/emulation", &theirs, &body).await.status(), "403");
    server.log().await;
}

/// S14: what was allowed ends when its time does, or when the application says so.
#[tokio::test]
async fn s14_what_was_allowed_is_taken_back() {
    let server = Server::start("revoked").await;
    let brief = format!("Bearer {}", server.token(&["--user", "bob", "--ttl", "1s"]).await);
    let connect = r#"{"id":1,"connect":{}}"#;
    let mut expiring =
        server.post("/connection/http_stream", &[("Authorization", &*brief)], connect).await;
    let bearer = format!("Bearer {}", server.token(&["--user", "ann"]).await);
    let commands = format!("{connect}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"news\"}}}}");
    let mut answer =
        server.post("/connection/http_stream", &[("Authorization", &*bearer)], &commands).await;
    answer.until("{\"id\":2,\"subscribe\":{").await;
    let key = [("X-API-Key", API_KEY)];
    let taken = server.post("/api/unsubscribe", &key, r#"{"user":"ann","channel":"news"}"#).await;
    assert_eq!(taken.status(), "200");
    answer.until(r#"{"push":{"channel":"news","unsubscribe":{"code":2000,"#).await;
    let gone = server.post("/api/disconnect", &key, r#"{"user":"ann"}"#).await;
    assert_eq!(gone.status(), "200");
    answer.until(r#"{"push":{"disconnect":{"code":3503,"#).await;
    expiring.until(r#"{"push":{"disconnect":{"code":3005,"#).await;
    server.log().await;
}

/// S7: commands in a frame are counted, not only their bytes.
#[tokio::test]
async fn s7_commands_of_a_frame_at_and_beyond() {
    let server = Server::start("commands").await;
    let bearer = format!("Bearer {}", server.token(&["--user", "ann"]).await);
    for (count, refused) in [(256, false), (257, true)] {
        let mut frame = r#"{"id":1,"connect":{}}"#.to_owned();
        for id in 2..=count {
            write!(frame, "\n{{\"id\":{id},\"rpc\":{{\"method\":\"x\"}}}}").unwrap();
        }
        let headers = [("Authorization", &*bearer)];
        let mut answer = server.post("/connection/http_stream", &headers, &frame).await;
        let last = format!("{{\"id\":{count},\"error\":{{\"code\":104,");
        answer.until(if refused { r#"{"push":{"disconnect":{"code":3501,"# } else { &last }).await;
    }
    server.log().await;
}

/// A client that is back connects and subscribes to all that it had in one frame, which is not for us to refuse.
#[tokio::test]
async fn s7_all_channels_of_a_client_come_in_one_frame() {
    let config = "operator.listen = []\n\
                  [client]\nallow_anonymous_connect_without_token = true\nchannel_limit = 300\n\
                  [channel.without_namespace]\nallow_subscribe_for_anonymous = true\n\
                  history_size = 1\nhistory_ttl = '1m'\nforce_recovery = true\n[engine]\nthreads = 3\n";
    let site = Site::new("frame", config);
    let (_program, address) = site.serve().await;
    let mut frame = r#"{"id":1,"connect":{}}"#.to_owned();
    for id in 2..=301 {
        write!(frame, "\n{{\"id\":{id},\"subscribe\":{{\"channel\":\"{id}\"}}}}").unwrap();
    }
    let request = post("/connection/http_stream", &[], &frame);
    let mut answer = Answer::to(&address, &request).await;
    let mut heard = answer.until(r#"{"id":1,"connect":"#).await;
    while heard.matches(r#","subscribe":{"#).count() < 300 {
        heard += &answer.until("\n").await;
    }
    assert!(!heard.contains(r#""error""#), "{heard}");
}
