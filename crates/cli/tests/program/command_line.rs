//! Wrong flags and URLs: what was wrong, and what is possible.

use crate::process::run;

#[tokio::test]
async fn a_wrong_command_line_says_what_was_wrong_and_what_is_possible() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["conect"], &["'conect'", "similar subcommands exist", "'connect'"]),
        (&["serve", "--devv"], &["'--devv'", "'--dev'"]),
        (&["serve", "--listen", "localhost"], &["'localhost'", "127.0.0.1:8080", "[::1]:8080"]),
        (&["serve", "--io", "select"], &["'select'", "epoll", "uring", "auto"]),
        (&["serve", "--log", "loud"], &["'loud'", "error, warn, info, debug, trace"]),
        (&["connect"], &["<URL>"]),
        (&["connect", "localhost:8080"], &["'localhost:8080'", "begins with ws:// or wss://"]),
        (&["connect", "http://localhost/"], &["write ws: for http:"]),
        (&["connect", "ftp://localhost/"], &["must be ws: or wss:"]),
        (&["connect", "ws://localhost/#top"], &["no fragment", "%23"]),
        (&["connect", "ws://localhost:99999/"], &["a number from 0 to 65535"]),
        (&["connect", "-H", "novalue", "ws://h/"], &["'novalue'", "'Name: value'"]),
        (&["connect", "-H", "a: b\r\nc: d", "ws://h/"], &["--header"]),
        (&["connect", "-H", "Upgrade: x", "ws://h/"], &["'Upgrade: x'"]),
        (&["connect", "--subprotocol", "a b", "ws://h/"], &["'a b'"]),
        (&["connect", "--origin", "a\nb", "ws://h/"], &["--origin"]),
        (&["connect", "--proxy", "ftp://h", "ws://h/"], &["'ftp://h'", "socks5"]),
        (&["connect", "--redirects", "many", "ws://h/"], &["'many'"]),
        (&["connect", "--ping", "0", "ws://h/"], &["'0'", "1..=86400"]),
        (&["connect", "--wait", "long", "ws://h/"], &["'long'"]),
        (&["check"], &["<FILE>"]),
        (&["token"], &["make", "inspect"]),
        (&["token", "make", "--ttl", "5"], &["'5'", "\"10s\", \"5m\""]),
        (&["token", "make", "--info", "{"], &["'{'", "this is no JSON"]),
        (&["token", "make", "--private-key", "k"], &["--algorithm"]),
        (&["token", "make", "--private-key", "k", "--algorithm", "none"], &["HS256", "EdDSA"]),
        (&["token", "make", "--client", "c"], &["--subscribe"]),
    ];
    for (arguments, parts) in cases {
        let ended = run(arguments, "").await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, [""; 0], "{arguments:?}");
        for part in *parts {
            assert!(ended.stderr.contains(part), "{arguments:?}: {part} in {}", ended.stderr);
        }
    }
}

/// What the help of `connect` shows as possible is.
#[tokio::test]
async fn help_is_enough_to_go_on() {
    for (arguments, parts) in [
        (
            &["--help"][..],
            &["serve", "connect", "token", "check", "config", "Examples:", "serve --dev"][..],
        ),
        (&["check", "--help"], &["<FILE>", "TIDEWIRE_LOG_LEVEL", "Exit status: 0"]),
        (&["config", "--help"], &["[FILE]", "> tidewire.toml"]),
        (&["token", "make", "--help"], &["--user", "--ttl", "--private-key", "hmac_secret_key"]),
        (&["token", "inspect", "--help"], &["[TOKEN]", "standard input", "Exit status: 0"]),
        (&["serve", "--help"], &["--dev", "--listen", "--io", "SIGTERM", "ws://localhost:8080"]),
        (
            &["connect", "--help"],
            &[
                "--header",
                "--insecure",
                "--deflate",
                "--proxy",
                "http_proxy",
                "--redirects",
                "--ping",
                "--json",
                "Ctrl-D",
                "Exit status: 0",
                "hex",
            ],
        ),
    ] {
        let ended = run(arguments, "").await;
        assert_eq!(ended.code, Some(0));
        for part in parts {
            assert!(ended.stdout.join("\n").contains(part), "{arguments:?}: {part}");
        }
    }
}
