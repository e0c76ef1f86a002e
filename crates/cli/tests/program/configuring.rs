//! `tidewire check`, `tidewire config` and `tidewire token`.

use std::{env, fs, path::PathBuf, process};

use crate::process::{Ended, run};

const SECRET: &str = "a secret of more than thirty-two bytes";

/// A file for one test, gone at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = env::temp_dir().join(format!("tidewire-{}-{name}", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A configuration with a secret, an issuer and an audience.
fn configuration(name: &str) -> File {
    let text = format!(
        "[client.token]\nhmac_secret_key = '{SECRET}'\nissuer = 'app'\naudience = 'tidewire'\n\
         [[channel.namespaces]]\nname = 'news'\n"
    );
    File::new(name, &text)
}

async fn inspect(arguments: &[&str], token: &str) -> Ended {
    run(&[&["token", "inspect"], arguments].concat(), token).await
}

#[tokio::test]
async fn a_good_configuration_is_good() {
    let file = configuration("good.toml");
    let ended = run(&["check", file.path()], "").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, [format!("{}: good; 1 namespace", file.path())]);
}

#[tokio::test]
async fn a_wrong_configuration_is_told_by_line_and_option() {
    let file = File::new("wrong.toml", "[log]\nlevle = 'info'\n\n[engine]\nio = 'select'\n");
    let ended = run(&["check", file.path()], "").await;
    let path = file.path();
    let expected = format!(
        "tidewire: the configuration is not taken\n\
         {path}:2:1: log.levle: there is no such option; did you mean level?\n\
         {path}:5:1: engine.io: \"select\" is not one of auto, epoll, uring\n"
    );
    assert_eq!((ended.code, ended.stderr), (Some(1), expected));
    let ended = run(&["check", "/nowhere.toml"], "").await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot read /nowhere.toml: No such file"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_config_prints_is_a_configuration() {
    let printed = run(&["config"], "").await;
    assert_eq!(printed.code, Some(0));
    let file = File::new("printed.toml", &printed.stdout.join("\n"));
    let again = run(&["config", file.path()], "").await;
    assert_eq!(again.stdout, printed.stdout);
    let with_secret = configuration("secret.toml");
    let shown = run(&["config", with_secret.path()], "").await.stdout.join("\n");
    assert!(shown.contains("issuer = \"app\"") && !shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn a_token_that_is_made_is_good() {
    let file = configuration("token.toml");
    let make = ["token", "make", "--config", file.path(), "--user", "ann", "--ttl", "5m"];
    let made = run(&[&make[..], &["--channel", "news", "--info", "{\"a\":1}"]].concat(), "").await;
    assert_eq!((made.code, made.stderr.as_str(), made.stdout.len()), (Some(0), "", 1));
    let ended = inspect(&["--config", file.path()], &made.stdout[0]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let shown = ended.stdout.join("\n");
    for part in [
        "\"alg\":\"HS256\"",
        "\"aud\":\"tidewire\"",
        "\"iss\":\"app\"",
        "\"sub\":\"ann\"",
        "\"channels\":[\"news\"]",
        "kind     connection",
        "expires  in ",
        "verdict  good",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let made = run(&[&make[..], &["--subscribe", "news:1"]].concat(), "").await;
    let shown = inspect(&["--config", file.path()], &made.stdout[0]).await.stdout.join("\n");
    assert!(shown.contains("kind     subscription") && shown.contains("verdict  good"), "{shown}");
}

#[tokio::test]
async fn a_token_by_somebody_else_is_not_good() {
    let theirs = File::new(
        "theirs.toml",
        "client.token.hmac_secret_key = 'another secret, long enough for it'",
    );
    let made = run(&["token", "make", "--config", theirs.path()], "").await;
    let ours = configuration("ours.toml");
    let ended = inspect(&["--config", ours.path()], &made.stdout[0]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains(&"verdict  not good: its signature is wrong".to_owned()));
    // Without a key it is shown, and nobody says that it is good.
    let ended = inspect(&[&made.stdout[0]], "").await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains(&"verdict  not verified: no key is configured".to_owned()));
    let ended = inspect(&[], "rubbish\n").await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("it is no JWT"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_token_by_a_private_key() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src/door/token/vectors");
    let text = format!(
        "[[client.token.keys]]\nkid = 'k'\nalgorithm = 'ES256'\npublic_key_file = '{folder}/p256.pem'"
    );
    let file = File::new("public.toml", &text);
    let private = format!("{folder}/p256.key");
    let make = ["token", "make", "--config", file.path()];
    let by = ["--private-key", &private, "--algorithm", "ES256", "--kid", "k"];
    let made = run(&[&make[..], &by].concat(), "").await;
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let ended = inspect(&["--config", file.path()], &made.stdout[0]).await;
    assert!(ended.stdout.contains(&"verdict  good".to_owned()), "{:?}", ended.stdout);
    let ended = run(&make, "").await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("there is no secret to sign with"), "{}", ended.stderr);
}
