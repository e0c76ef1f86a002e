//! `tidewire token make`.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use serde_json::{Value, json};
use tidewire_server::{
    config::{Settings, parse_duration},
    door::token::{Algorithm, SigningKey},
};

use super::now;
use crate::{
    Failure,
    config::{load, print},
};

#[derive(Debug, Args)]
#[command(after_help = "\
The key is the first secret of the configuration: client.token.hmac_secret_key, or one of client.token.keys.
It is never an argument, since everybody on the machine can see those. Where the configuration has public
keys, --private-key names the file of the other half. Issuer and audience are the configuration's.

Examples:
  TIDEWIRE_CLIENT_TOKEN_HMAC_SECRET_KEY=… tidewire token make --user ann
  tidewire token make --config tidewire.toml --user ann --ttl 5m --info '{\"name\":\"Ann\"}'
  tidewire token make --config tidewire.toml --user ann --subscribe chat:42
  tidewire token make --user ann --private-key ann.pem --algorithm ES256 --kid 2026")]
pub(crate) struct Make {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Who it is for; without it nobody in particular.
    #[arg(long, value_name = "NAME", default_value = "")]
    user: String,
    /// How long it is good: 30s, 5m, 12h, 30d; 0s for ever.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    ttl: Duration,
    /// What others may know of the user, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json)]
    info: Option<Value>,
    /// Subscribe the connection to this channel; repeat it for several.
    #[arg(long = "channel", value_name = "CHANNEL", conflicts_with = "subscribe")]
    channels: Vec<String>,
    /// Make a subscription token for this channel, instead of a connection token.
    #[arg(long, value_name = "CHANNEL")]
    subscribe: Option<String>,
    /// The subscription token is for this client alone.
    #[arg(long, value_name = "ID", requires = "subscribe")]
    client: Option<String>,
    /// Sign by the private key in this file, in PEM.
    #[arg(long, value_name = "FILE", requires = "algorithm")]
    private_key: Option<PathBuf>,
    /// The algorithm of that key: RS256, PS256, ES256 and so on.
    #[arg(long, value_name = "NAME", requires = "private_key")]
    algorithm: Option<Algorithm>,
    /// The name of that key.
    #[arg(long, value_name = "NAME", requires = "private_key")]
    kid: Option<String>,
}

impl Make {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let settings = load(self.config.as_deref(), None, &[])?;
        let key = match &self.private_key {
            Some(_) => self.own_key()?,
            None => self.configured_key(&settings)?,
        };
        let door = &settings.door;
        let rules = if self.subscribe.is_some() { &door.subscription_tokens } else { &door.tokens };
        let claims = self.claims(rules.expected_issuer(), rules.expected_audience(), now() / 1000);
        let token = key.sign(&claims).map_err(|error| error.to_string())?;
        print(&[&token])
    }

    fn configured_key(&self, settings: &Settings) -> Result<SigningKey, Failure> {
        let key = match self.subscribe {
            Some(_) => &settings.subscription_signing_key,
            None => &settings.signing_key,
        };
        key.clone().ok_or_else(|| {
            "there is no secret to sign with: set TIDEWIRE_CLIENT_TOKEN_HMAC_SECRET_KEY, name a configuration \
             that has one by --config FILE, or sign by --private-key FILE --algorithm NAME"
                .to_owned()
        })
    }

    fn own_key(&self) -> Result<SigningKey, Failure> {
        let (Some(file), Some(algorithm)) = (&self.private_key, self.algorithm) else {
            return Err("--private-key and --algorithm belong together".to_owned());
        };
        let pem = fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let key = match algorithm {
            Algorithm::Public(algorithm) => SigningKey::private(algorithm, &pem),
            Algorithm::Hmac(_) => {
                return Err(format!("{algorithm} takes a secret, and no private key"));
            }
        };
        let key = key.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(match &self.kid {
            Some(kid) => key.named(kid),
            None => key,
        })
    }

    fn claims(&self, issuer: Option<&str>, audience: Option<&str>, now: u64) -> Value {
        let mut claims = json!({ "sub": self.user, "iat": now });
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                claims[name] = value;
            }
        };
        put(
            "exp",
            (!self.ttl.is_zero()).then(|| json!(now.saturating_add(self.ttl.as_secs().max(1)))),
        );
        put("iss", issuer.map(Value::from));
        put("aud", audience.map(Value::from));
        put("info", self.info.clone());
        put("channels", (!self.channels.is_empty()).then(|| json!(self.channels)));
        put("channel", self.subscribe.as_deref().map(Value::from));
        put("client", self.client.as_deref().map(Value::from));
        claims
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}
