//! Sessions over HTTP, and the API: by bytes, as anybody may send them.

use crate::{
    answer::{Answer, call, emulation, post, streaming, whole},
    process::{API_KEY, serve, serve_with},
};

#[tokio::test]
async fn a_session_over_http_streaming() {
    let (_server, address) = serve_with(&["--threads", "3"]).await;
    let (mut stream, session) = streaming(&address, "news").await;
    let publish = r#"{"id":3,"publish":{"channel":"news","data":{"n": 1}}}"#;
    assert_eq!(whole(&address, &emulation(&session, publish)).await.0, "204");
    stream.until(r#""data":{"n":1}"#).await;
    // On a thread of its own, maybe, and heard all the same.
    let (mut other, _) = streaming(&address, "news").await;
    let publish = r#"{"id":4,"publish":{"channel":"news","data":2}}"#;
    assert_eq!(whole(&address, &emulation(&session, publish)).await.0, "204");
    other.until(r#""data":2"#).await;
}

#[tokio::test]
async fn a_session_over_server_sent_events() {
    let (_server, address) = serve().await;
    let request = "GET /connection/sse?cf_connect=%7B%22id%22:1,%22connect%22:%7B%7D%7D HTTP/1.1\r\n\
                   Host: x\r\n\r\n";
    let mut stream = Answer::to(&address, request).await;
    let head = &stream.head;
    assert!(head.contains("content-type: text/event-stream; charset=utf-8"), "{head}");
    stream.until("data: {\"id\":1,\"connect\":{\"client\":\"").await;
    stream.until(r#""session":""#).await;
    let session = stream.until("\"").await;
    let rpc = r#"{"id":2,"rpc":{"method":"none","data":{}}}"#;
    assert_eq!(whole(&address, &emulation(&session, rpc)).await.0, "204");
    stream.until("data: {\"id\":2,\"error\":{\"code\":104,").await;
}

/// A request whose answer was lost is sent again.
#[tokio::test]
async fn a_repeated_upload_acts_once() {
    let (_server, address) = serve_with(&["--threads", "2"]).await;
    let (mut stream, session) = streaming(&address, "once").await;
    let publish = emulation(&session, r#"{"id":3,"publish":{"channel":"once","data":"first"}}"#);
    for _ in 0..3 {
        assert_eq!(whole(&address, &publish).await.0, "204");
    }
    let last = emulation(&session, r#"{"id":4,"publish":{"channel":"once","data":"last"}}"#);
    assert_eq!(whole(&address, &last).await.0, "204");
    let heard = stream.until(r#""data":"last""#).await;
    assert_eq!(heard.matches(r#""data":"first""#).count(), 1, "{heard}");
    assert_eq!(heard.matches(r#"{"id":3,"#).count(), 1, "{heard}");
}

#[tokio::test]
async fn what_is_no_session_is_told_so() {
    let (_server, address) = serve().await;
    let (mut stream, session) = streaming(&address, "x").await;
    let frame = r#"{"id":9,"rpc":{"method":"x"}}"#;
    let wrong_bits = session.replacen(|c: char| c.is_ascii_lowercase(), "A", 1);
    let wrong_thread = session.replacen('0', "1", 1);
    let none = "0.AAAAAAAAAAAAAAAAAAAAAA".to_owned();
    for name in [wrong_bits, wrong_thread, none, "?".to_owned(), "0.".to_owned()] {
        assert_ne!(name, session);
        assert_eq!(whole(&address, &emulation(&name, frame)).await.0, "404", "{name}");
    }
    for body in ["", "{}", "[]", r#"{"session":1,"data":"x"}"#] {
        assert_eq!(whole(&address, &post("/emulation", &[], body)).await.0, "400", "{body}");
    }
    // What is not the protocol ends the session, and nothing else.
    assert_eq!(whole(&address, &emulation(&session, "hello")).await.0, "204");
    stream.until(r#"{"push":{"disconnect":{"code":3501,"#).await;
    stream.until("\r\n0\r\n\r\n").await;
    assert_eq!(whole(&address, &emulation(&session, frame)).await.0, "404");
}

#[tokio::test]
async fn s8_bodies_are_bounded() {
    let (_server, address) = serve().await;
    let at = |len: usize| {
        let command = r#"{"id":1,"connect":{}}"#;
        format!("{command}{}", " ".repeat(len - command.len()))
    };
    let limit = 64 << 10;
    let request = post("/connection/http_stream", &[], &at(limit));
    let mut stream = Answer::to(&address, &request).await;
    stream.until(r#"{"id":1,"connect":{"#).await;
    let request = post("/connection/http_stream", &[], &at(limit + 1));
    let (status, sentence) = whole(&address, &request).await;
    assert_eq!(status, "413", "{sentence}");
    assert_eq!(sentence, "The body is longer than 65536 bytes.\n");
    let get = "GET /connection/http_stream HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(whole(&address, get).await.0, "405");
    let no_connect = "GET /connection/sse HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(whole(&address, no_connect).await.0, "400");
}

#[tokio::test]
async fn the_api_wants_its_key() {
    let (_server, address) = serve().await;
    let right = call("publish", r#"{"channel":"news","data":1}"#);
    let (status, body) = whole(&address, &right).await;
    assert_eq!(status, "200");
    assert!(body.starts_with(r#"{"result":{"offset":1,"epoch":""#), "{body}");
    let wrong = [
        ("no key", right.replace("X-API-Key", "X-No-Key")),
        ("another", right.replace(API_KEY, "another")),
        ("one that is longer", right.replace(API_KEY, &format!("{API_KEY}x"))),
        (
            "one in the query",
            right.replace("X-API-Key", "X").replace("publish ", "publish?api_key=x "),
        ),
    ];
    for (rule, request) in wrong {
        assert_eq!(whole(&address, &request).await.0, "401", "{rule}");
    }
    let scheme = right.replace("X-API-Key: ", "Authorization: apikey ");
    assert_eq!(whole(&address, &scheme).await.0, "200");
}

#[tokio::test]
async fn what_the_api_does_not_do_it_says() {
    let (_server, address) = serve().await;
    let refused = [
        ("publish", "{}", r#"{"error":{"code":107,"message":"bad request"}}"#),
        (
            "publish",
            r#"{"channel":"no:such","data":1}"#,
            r#"{"error":{"code":102,"message":"unknown channel"}}"#,
        ),
        (
            "history",
            r#"{"channel":"x","limit":1,"since":{"offset":1,"epoch":"y"}}"#,
            r#"{"error":{"code":112,"message":"unrecoverable position"}}"#,
        ),
    ];
    for (method, body, wanted) in refused {
        let (status, body) = whole(&address, &call(method, body)).await;
        assert_eq!((&*status, &*body), ("200", wanted), "{method}");
    }
    assert_eq!(whole(&address, &call("nothing", "{}")).await.0, "404");
    assert_eq!(whole(&address, &call("publish", "no JSON")).await.0, "400");
    let get = call("info", "").replacen("POST", "GET", 1);
    assert_eq!(whole(&address, &get).await.0, "405");
    // One byte too many, and no more: a server that answers before it has read the rest ends the connection,
    // perhaps before we have written it.
    let frame = r#"{"channel":"x","data":""}"#;
    for (len, status) in [(1 << 20, "200"), ((1 << 20) + 1, "413")] {
        let data = "x".repeat(len - frame.len());
        let body = frame.replace("\"\"", &format!("\"{data}\""));
        assert_eq!(whole(&address, &call("publish", &body)).await.0, status, "{len}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let (_server, address) = serve_with(&["--threads", "2"]).await;
    let batch = r#"{"commands":[
        {"publish":{"channel":"a","data":1}},
        {"publish":{"channel":"no:such","data":1}},
        {"presence_stats":{"channel":"a"}}
    ]}"#;
    let (_, body) = whole(&address, &call("batch", batch)).await;
    let parts = [
        r#"{"replies":[{"publish":{"offset":1,"#,
        r#"},{"error":{"code":102,"message":"unknown channel"}},"#,
        r#"{"presence_stats":{"num_clients":0,"num_users":0}}]}"#,
    ];
    let mut rest = &*body;
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("{part} in: {body}")).1;
    }
}

/// Whoever holds the secret of a session speaks for it, and the application may as well.
#[tokio::test]
async fn the_api_names_a_session_by_its_secret() {
    let (_server, address) = serve_with(&["--threads", "3"]).await;
    let done =
        |answer: (String, String)| assert_eq!(answer, ("200".into(), r#"{"result":{}}"#.into()));
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(streaming(&address, "own").await);
    }
    let [(one, first), (two, second), (three, _)] = &mut sessions[..] else { unreachable!() };
    let body = format!(r#"{{"session":"{first}","channel":"more"}}"#);
    done(whole(&address, &call("subscribe", &body)).await);
    one.until(r#"{"push":{"channel":"more","subscribe":{"#).await;
    done(whole(&address, &call("unsubscribe", &body)).await);
    one.until(r#"{"push":{"channel":"more","unsubscribe":{"code":2000,"#).await;
    // Who is not there is not told, and a session of nobody's is not one of Ann's.
    for whom in [
        r#""session":"0.AAAAAAAAAAAAAAAAAAAAAA""#.to_owned(),
        r#""session":"?""#.to_owned(),
        format!(r#""session":"{first}","user":"ann""#),
        format!(r#""session":"{first}","client":"x""#),
    ] {
        done(whole(&address, &call("disconnect", &format!("{{{whom}}}"))).await);
    }
    let why = r#""disconnect":{"code":4321,"reason":"you \"know\""}"#;
    done(whole(&address, &call("disconnect", &format!(r#"{{"session":"{second}",{why}}}"#))).await);
    two.until(r#"{"push":{"disconnect":{"code":4321,"reason":"you \"know\""}}}"#).await;
    whole(&address, &call("publish", r#"{"channel":"own","data":"last"}"#)).await;
    for stream in [one, three] {
        stream.until(r#""data":"last""#).await;
    }
}
