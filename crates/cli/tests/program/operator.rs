//! What the operator sees: metrics, health, the log, and how it stops.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidewire::{CloseCode, Message, WebSocket};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use crate::{
    answer::{Answer, call, emulation, streaming, whole},
    process::{LIMIT, Program, serve_in, soon},
};

/// A server with a listener for the operator, and both addresses.
async fn operated(flags: &[&str]) -> (Program, String, String) {
    operated_in(&[], flags).await
}

/// One in an environment that has these as well.
async fn operated_in(environment: &[(&str, &str)], flags: &[&str]) -> (Program, String, String) {
    let flags = [&["--operator", "127.0.0.1:0"], flags].concat();
    let (mut server, address) = serve_in(environment, &flags).await;
    let url = server.line().await;
    let operator = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/metrics"));
    let operator = operator.unwrap_or_else(|| panic!("not a URL of metrics: {url}")).to_owned();
    (server, address, operator)
}

/// The head and the body of a response to a request without a body.
async fn ask(address: &str, line: &str) -> (String, String) {
    let mut io = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut whole = String::new();
    soon(io.read_to_string(&mut whole)).await.unwrap();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn status(address: &str, line: &str) -> String {
    let (head, _) = ask(address, line).await;
    head.split(' ').nth(1).unwrap().to_owned()
}

async fn metrics(operator: &str) -> String {
    let (head, body) = ask(operator, "GET /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body
}

/// Waits until the metrics have all these lines: they are a tick old.
async fn measured(operator: &str, lines: &[&str]) -> String {
    let deadline = Instant::now() + LIMIT;
    loop {
        let all = metrics(operator).await;
        let Some(missing) = lines.iter().find(|line| !all.lines().any(|has| has == **line)) else {
            return all;
        };
        assert!(Instant::now() < deadline, "{missing} not in: {all}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A session of the centrifuge protocol, in a channel.
async fn session(address: &str) -> WebSocket {
    let mut ws = tidewire::connect(&format!("ws://{address}/connection/websocket")).await.unwrap();
    ws.send("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"news\"}}")
        .await
        .unwrap();
    until(&mut ws, r#"{"id":2,"subscribe":{"#).await;
    ws
}

async fn until(ws: &mut WebSocket, part: &str) {
    loop {
        match soon(ws.next()).await.unwrap() {
            Some(Message::Text(text)) if text.contains(part) => return,
            Some(_) => {}
            None => panic!("it ended without {part}: {:?}", ws.close_info()),
        }
    }
}

const CENTRIFUGE: &str = r#"{transport="websocket",dialect="centrifuge_json"}"#;

#[tokio::test]
async fn what_happens_is_measured() {
    let (_server, address, operator) = operated(&["--threads", "2"]).await;
    let (head, _) = ask(&operator, "GET /metrics").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let mut ann = session(&address).await;
    let mut bob = session(&address).await;
    let publish = r#"{"id":3,"publish":{"channel":"news","data":{"n":1}}}"#;
    ann.send(publish).await.unwrap();
    until(&mut ann, r#"{"id":3,"publish":{}}"#).await;
    until(&mut bob, r#""data":{"n":1}"#).await;
    ann.send(r#"{"id":4,"rpc":{"method":"none","data":{}}}"#).await.unwrap();
    until(&mut ann, r#"{"id":4,"error":{"#).await;
    bob.send("not the protocol").await.unwrap();
    while soon(bob.next()).await.unwrap().is_some() {}
    let all = measured(
        &operator,
        &[
            &format!("tidewire_sessions{CENTRIFUGE} 1"),
            &format!("tidewire_sessions_opened_total{CENTRIFUGE} 2"),
            r#"tidewire_sessions{transport="sse",dialect="centrifuge_json"} 0"#,
            r#"tidewire_sessions_ended_total{cause="bad_request"} 1"#,
            r#"tidewire_sessions_ended_total{cause="slow"} 0"#,
            r#"tidewire_malformed_frames_total{cause="syntax"} 1"#,
            r#"tidewire_command_errors_total{error="method_not_found"} 1"#,
            r#"tidewire_refusals_total{cause="origin"} 0"#,
            &format!("tidewire_received_messages_total{CENTRIFUGE} 5"),
            "tidewire_delivery_latency_seconds_count 2",
            r#"tidewire_delivery_latency_seconds_bucket{le="+Inf"} 2"#,
            "tidewire_connections 1",
            "tidewire_channels 1",
            "tidewire_draining 0",
            "tidewire_log_lines_dropped_total 0",
            "# EOF",
        ],
    )
    .await;
    let of = |name: &str| {
        let line = all
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in {all}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(of(&format!("tidewire_sent_bytes_total{CENTRIFUGE}")) > 100.0);
    assert!(of("tidewire_delivery_latency_seconds_sum") < 30.0);
    assert!(of(r#"tidewire_engine_turns_total{thread="1"}"#) > 0.0);
}

/// S19: whatever clients call themselves and their channels, and whatever they ask for.
#[tokio::test]
async fn s19_no_name_of_a_client_is_in_the_metrics() {
    let (_server, address, operator) = operated(&[]).await;
    let url = format!("ws://{address}/connection/websocket");
    let mut ws = tidewire::connect(&url).await.unwrap();
    for command in [
        r#"{"id":1,"connect":{"token":"zelda","name":"zelda"}}"#,
        r#"{"id":2,"subscribe":{"channel":"zelda"}}"#,
        r#"{"id":3,"publish":{"channel":"zelda","data":"zelda"}}"#,
        r#"{"id":4,"rpc":{"method":"zelda","data":{}}}"#,
        r#"{"id":5,"history":{"channel":"zelda:zelda"}}"#,
    ] {
        ws.send(command).await.unwrap();
    }
    until(&mut ws, r#"{"id":5,"#).await;
    ask(&address, "GET /zelda?zelda=zelda").await;
    let error = r#"tidewire_command_errors_total{error="method_not_found"} 1"#;
    let metrics = measured(&operator, &[error]).await;
    assert!(!metrics.contains("zelda"), "{metrics}");
}

/// What is told and what the documentation says of it are the same.
#[tokio::test]
async fn every_metric_is_documented() {
    let (_server, _, operator) = operated(&[]).await;
    let docs = include_str!("../../../../docs/operating.md");
    let metrics = metrics(&operator).await;
    let mut told: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            _ => name.to_owned(),
        })
        .collect();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `tidewire_"));
    let mut documented: Vec<_> =
        rows.map(|row| format!("tidewire_{}", row.split('`').next().unwrap())).collect();
    told.sort();
    documented.sort();
    assert_eq!(told, documented);
}

#[tokio::test]
async fn health_and_metrics_are_not_for_everybody() {
    let (_server, address, operator) = operated(&[]).await;
    for path in ["/metrics", "/health", "/health/live", "/health/ready"] {
        assert_eq!(status(&operator, &format!("GET {path}")).await, "200", "{path}");
        assert_eq!(status(&operator, &format!("HEAD {path}")).await, "200", "{path}");
        assert_eq!(status(&operator, &format!("POST {path}")).await, "405", "{path}");
        assert_eq!(status(&address, &format!("GET {path}")).await, "404", "{path}");
    }
    for path in ["/", "/health/", "/connection/websocket", "/api/info"] {
        assert_eq!(status(&operator, &format!("GET {path}")).await, "404", "{path}");
    }
}

#[tokio::test]
async fn they_can_be_where_clients_connect() {
    let mut server = Program::start_in(
        &[("TIDEWIRE_OPERATOR_PUBLIC", "true")],
        &["serve", "--dev", "--listen", "127.0.0.1:0"],
    );
    let url = server.line().await;
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    assert_eq!(ask(address, "GET /health/live").await.1, "ok\n");
    assert!(metrics(address).await.ends_with("# EOF\n"));
    assert_eq!(status(address, "GET /").await, "200");
}

/// Each session is told in its turn, none before; and nobody is sent here meanwhile.
#[tokio::test]
async fn a_stop_is_spread_over_time() {
    const COUNT: u32 = 100;
    let (server, address, operator) = operated(&["--drain", "2", "--threads", "1"]).await;
    let mut sessions = Vec::new();
    for number in 0..COUNT {
        sessions.push(if number % 2 == 0 {
            session(&address).await
        } else {
            let mut bare = tidewire::connect(&format!("ws://{address}/")).await.unwrap();
            bare.send("here").await.unwrap();
            until(&mut bare, "here").await; // it is in the room
            bare
        });
    }
    assert_eq!(status(&operator, "GET /health/ready").await, "200");
    let began = Instant::now();
    server.signal(Signal::TERM);
    let ends = sessions.into_iter().enumerate().map(|(number, mut ws)| {
        tokio::spawn(async move {
            while soon(ws.next()).await.unwrap().is_some() {}
            let outcome = ws.close_info().unwrap();
            let said = (outcome.code().get(), outcome.reason().to_owned());
            let expected =
                if number % 2 == 0 { (3001, "shutdown") } else { (1001, "the server stops") };
            assert_eq!((said.0, said.1.as_str()), expected);
            began.elapsed()
        })
    });
    let ends: Vec<_> = ends.collect();
    while status(&operator, "GET /health/ready").await == "200" {
        assert!(began.elapsed() < LIMIT);
    }
    assert_eq!(status(&operator, "GET /health").await, "503");
    assert_eq!(status(&operator, "GET /health/live").await, "200");
    assert!(metrics(&operator).await.contains("tidewire_draining 1\n"));
    assert!(TcpStream::connect(&address).await.is_err(), "nobody comes in any more");
    let mut told = Vec::new();
    for end in ends {
        told.push(soon(end).await.unwrap());
    }
    told.sort();
    // A machine that is busy tells them later, and nothing tells them earlier.
    for (number, told) in (1..).zip(&told) {
        let due = Duration::from_secs(2) * number / COUNT;
        assert!(
            *told + Duration::from_millis(20) >= due,
            "{number}: {told:?}, and not before {due:?}"
        );
    }
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (server, address, _) = operated(&["--drain", "600"]).await;
    let mut first = session(&address).await;
    server.signal(Signal::TERM);
    while TcpStream::connect(&address).await.is_ok() {}
    first.send(r#"{"id":3,"publish":{"channel":"news","data":1}}"#).await.unwrap();
    until(&mut first, r#"{"id":3,"publish":{}}"#).await; // it goes on meanwhile
    server.signal(Signal::INT);
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("stopping; once more stops at once"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopped before every connection had ended"), "{}", ended.stderr);
}

/// Streams hear it as well, by a push.
#[tokio::test]
async fn a_session_over_http_is_told_too() {
    let (server, address, _) = operated(&[]).await;
    let mut io = TcpStream::connect(&address).await.unwrap();
    let body = r#"{"id":1,"connect":{}}"#;
    let head = "POST /connection/http_stream HTTP/1.1\r\nHost: x";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    io.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains(r#"{"id":1,"connect":{"#) {
        let mut bytes = [0; 4096];
        let len = soon(io.read(&mut bytes)).await.unwrap();
        heard.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
    }
    server.signal(Signal::TERM);
    soon(io.read_to_string(&mut heard)).await.unwrap();
    assert!(
        heard.contains(r#"{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}"#),
        "{heard}"
    );
    assert!(heard.ends_with("\r\n0\r\n\r\n"), "{heard}");
    assert_eq!(server.ended().await.code, Some(0));
}

/// Until its turn comes it goes on as before, though each thing that it says is a connection of its own; and
/// nobody else comes in.
#[tokio::test]
async fn a_session_over_http_is_heard_until_it_is_told() {
    let (server, address, operator) = operated(&["--drain", "600", "--threads", "2"]).await;
    let _other = session(&address).await;
    let (mut stream, secret) = streaming(&address, "news").await;
    server.signal(Signal::TERM);
    while status(&operator, "GET /health/ready").await == "200" {}
    let publish = r#"{"id":3,"publish":{"channel":"news","data":"still here"}}"#;
    for _ in 0..3 {
        let answer = Answer::to(&address, &emulation(&secret, publish)).await;
        assert_eq!(answer.status(), "204");
        assert!(answer.head.contains("\r\nconnection: close"), "{}", answer.head);
    }
    stream.until(r#""data":"still here""#).await;
    for line in ["GET /", "GET /api/info", "POST /connection/ticket", "GET /connection/websocket"] {
        let (head, _) = ask(&address, line).await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{line}: {head}");
        assert!(head.contains("\r\nretry-after: 5"), "{line}: {head}");
    }
    let error = tidewire::connect(&format!("ws://{address}/connection/websocket")).await;
    assert!(error.is_err());
    // With the last of those sessions the door is shut.
    drop(stream);
    let began = Instant::now();
    while TcpStream::connect(&address).await.is_ok() {
        assert!(began.elapsed() < LIMIT);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code, Some(1));
}

#[tokio::test]
async fn calls_of_the_application_are_counted() {
    let (_server, address, operator) = operated(&[]).await;
    let batch =
        r#"{"commands":[{"info":{}},{"publish":{"channel":"no:such","data":1}},{"dance":{}}]}"#;
    for (method, body) in [
        ("publish", r#"{"channel":"news","data":1}"#),
        ("publish", r#"{"channel":"news"}"#),
        ("publish", "no JSON"),
        ("dance", "{}"),
        ("batch", batch),
    ] {
        whole(&address, &call(method, body)).await;
    }
    let stranger = call("info", "{}").replace("X-API-Key", "X-No-Key");
    whole(&address, &stranger).await;
    let lines = [
        ("publish", "ok", 1),
        ("publish", "bad_request", 1),
        ("publish", "malformed", 1),
        ("publish", "unknown_channel", 1),
        ("batch", "ok", 1),
        ("info", "ok", 1),
        ("info", "unauthorized", 1),
        ("history", "ok", 0),
        ("unknown", "method_not_found", 2),
    ];
    let lines = lines.map(|(method, outcome, count)| {
        let labels = format!(r#"{{method="{method}",outcome="{outcome}"}}"#);
        format!("tidewire_api_calls_total{labels} {count}")
    });
    measured(&operator, &lines.each_ref().map(String::as_str)).await;
}

/// A session whose reader stops stands in a gauge until it reads again.
#[tokio::test]
async fn sessions_that_do_not_keep_up_are_counted() {
    // It stays, however much is held back for it.
    let environment = [("TIDEWIRE_CLIENT_QUEUE_MAX_SIZE", "1000MiB")];
    let (_server, address, operator) = operated_in(&environment, &["--threads", "1"]).await;
    let (mut stream, _) = streaming(&address, "news").await;
    measured(&operator, &["tidewire_sessions_congested 0"]).await;
    let body = format!(r#"{{"channel":"news","data":"{}"}}"#, "x".repeat(60 << 10));
    let congested = "tidewire_sessions_congested 1";
    let mut count = 0;
    while !metrics(&operator).await.lines().any(|line| line == congested) {
        assert!(count < 2_000, "it reads though nobody does");
        whole(&address, &call("publish", &body)).await;
        count += 1;
    }
    for _ in 0..count {
        stream.until(r#"{"push":{"channel":"news","pub":{"#).await;
    }
    measured(&operator, &["tidewire_sessions_congested 0"]).await;
}

/// Its request was under way when the stop began.
#[tokio::test]
async fn who_comes_too_late_is_sent_elsewhere() {
    let (server, address, operator) = operated(&["--drain", "600"]).await;
    let _here = session(&address).await;
    let mut late = TcpStream::connect(&address).await.unwrap();
    let body = r#"{"id":1,"connect":{}}"#;
    let head = "POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nExpect: 100-continue";
    let head = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len());
    late.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 64];
    let len = soon(late.read(&mut interim)).await.unwrap();
    assert!(interim[..len].starts_with(b"HTTP/1.1 100 "));
    server.signal(Signal::TERM);
    while status(&operator, "GET /health/ready").await == "200" {}
    // What the threads are told arrives in order.
    assert_eq!(status(&operator, "GET /health/live").await, "200");
    late.write_all(body.as_bytes()).await.unwrap();
    let mut heard = String::new();
    soon(late.read_to_string(&mut heard)).await.unwrap();
    assert!(
        heard.contains(r#"{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}"#),
        "{heard}"
    );
    measured(&operator, &[r#"tidewire_sessions_turned_away_total{cause="shutdown"} 1"#]).await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code, Some(1));
}

#[tokio::test]
async fn the_log_names_requests_and_sessions() {
    let (server, address, _) = operated(&["--log-format", "json"]).await;
    drop(session(&address).await);
    assert_eq!(status(&address, "GET /connection/websocket?ticket=unknown").await, "401");
    server.signal(Signal::TERM);
    let log = server.ended().await.stderr;
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let of = |message: &str| {
        let line = lines.iter().find(|line| line["message"] == message);
        line.unwrap_or_else(|| panic!("{message} in {log}"))
    };
    let (open, close) = (of("open"), of("close"));
    assert_eq!(open["transport"], "websocket");
    assert_eq!(open["dialect"], "centrifuge_json");
    assert!(open["client"].as_str().unwrap().len() == 36, "{open}");
    assert_eq!((&open["client"], &open["peer"]), (&close["client"], &close["peer"]));
    let request = open["request"].as_str().unwrap();
    let refused =
        lines.iter().find(|line| line["why"] == "ticket").unwrap_or_else(|| panic!("{log}"));
    let span = &refused["span"];
    assert_eq!(span["name"], "request");
    assert_eq!(span["method"], "GET");
    assert_eq!(span["target"], "/connection/websocket?ticket=…");
    assert_eq!(span["id"].as_str().unwrap().split('-').next(), request.split('-').next());
    assert_ne!(span["id"], request);
}

/// S11: not even where everything is logged.
#[tokio::test]
async fn s11_no_token_is_in_the_log() {
    const TOKEN: &str = "s3cr3t-t0ken";
    let (server, address, _) = operated(&["--log", "trace"]).await;
    let url = format!("ws://{address}/connection/websocket");
    let by_header =
        tidewire::Client::new().header("Authorization", format!("Bearer {TOKEN}")).unwrap();
    let by_subprotocol = tidewire::Client::new().subprotocols(["Bearer", TOKEN]);
    for client in [by_header, by_subprotocol] {
        // Whether it is taken does not matter here.
        let _ = client.connect(&url).await;
    }
    for parameter in ["token", "ticket", "cf_connect", "access_token"] {
        ask(&address, &format!("GET /connection/sse?{parameter}={TOKEN}")).await;
        ask(&address, &format!("GET /api/info?{parameter}={TOKEN}")).await;
    }
    let mut ws = tidewire::connect(&url).await.unwrap();
    ws.send(format!(r#"{{"id":1,"connect":{{"token":"{TOKEN}"}}}}"#)).await.unwrap();
    until(&mut ws, r#"{"id":1,"#).await;
    drop(ws);
    server.signal(Signal::TERM);
    let log = server.ended().await.stderr;
    assert!(log.contains("/connection/sse?token=…"), "{log}");
    assert!(!log.contains(TOKEN), "{log}");
}

/// Its standard error is a pipe that nobody reads.
#[tokio::test]
async fn nobody_waits_for_who_does_not_read_the_log() {
    let (server, address, operator) = operated(&["--log", "debug"]).await;
    let target = format!("/{}", "x".repeat(250));
    let deadline = Instant::now() + LIMIT;
    let mut io = TcpStream::connect(&address).await.unwrap();
    let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answers = vec![0; 64 << 10];
    while metrics(&operator).await.contains("\ntidewire_log_lines_dropped_total 0\n") {
        assert!(Instant::now() < deadline, "nothing was dropped");
        io.write_all(request.repeat(200).as_bytes()).await.unwrap();
        soon(io.read(&mut answers)).await.unwrap();
    }
    let mut ws = session(&address).await;
    ws.send(r#"{"id":3,"publish":{"channel":"news","data":1}}"#).await.unwrap();
    until(&mut ws, r#"{"id":3,"publish":{}}"#).await;
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    drop(io);
    server.signal(Signal::TERM);
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0));
}
