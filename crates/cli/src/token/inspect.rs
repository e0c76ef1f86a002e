//! `tidewire token inspect`.

use std::{
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;
use tidewire_server::door::token::Unverified;

use super::now;
use crate::{
    Failure,
    config::{load, print},
};

/// As much as is read from standard input.
const INPUT_LEN_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "\
The token comes on standard input, or as an argument, where the history of your shell may keep it.

Exit status: 0 if it is good, or there is no key to verify it by; 1 if it is not good.

Examples:
  tidewire token inspect --config tidewire.toml < token.txt
  tidewire token make --user ann | tidewire token inspect")]
pub(crate) struct Inspect {
    /// The token; without it standard input.
    token: Option<String>,
    /// The configuration, whose keys it is verified by.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let settings = load(self.config.as_deref(), None, &[])?;
        let token = match &self.token {
            Some(token) => token.clone(),
            None => input()?,
        };
        let token = token.trim();
        let unverified =
            Unverified::parse(token).map_err(|why| format!("the token is not good: {why}"))?;
        let now = now();
        let door = &settings.door;
        let rules =
            if unverified.is_subscription() { &door.subscription_tokens } else { &door.tokens };
        let judged = rules.has_keys().then(|| {
            if unverified.is_subscription() {
                rules.judge_subscription(token, now)
            } else {
                rules.judge_connection(token, now)
            }
        });
        let verdict = match judged {
            Some(Ok(())) => "good".to_owned(),
            Some(Err(why)) => format!("not good: {why}"),
            None => "not verified: no key is configured".to_owned(),
        };
        let kind = if unverified.is_subscription() { "subscription" } else { "connection" };
        let mut lines = vec![
            format!("header   {}", unverified.header),
            format!("claims   {}", unverified.claims),
            format!("kind     {kind}"),
        ];
        lines.extend(expiry(&unverified.claims, now).map(|expiry| format!("expires  {expiry}")));
        lines.push(format!("verdict  {verdict}"));
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let printed = print(&lines)?;
        Ok(if let Some(Err(_)) = judged { ExitCode::FAILURE } else { printed })
    }
}

fn input() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin()
        .take(INPUT_LEN_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the token from standard input: {error}"))?;
    Ok(text)
}

/// When it expires, as people say it.
fn expiry(claims: &Value, now: u64) -> Option<String> {
    let exp = claims["exp"].as_u64()?;
    let now = now / 1000;
    Some(if exp > now {
        format!("in {}", spoken(exp - now))
    } else {
        format!("{} ago", spoken(now - exp))
    })
}

/// By its largest two units.
fn spoken(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 if minutes == 0 => format!("{seconds}s"),
        0 => format!("{minutes}m {}s", seconds % 60),
        1..=47 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{}d {}h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_as_people_say_them() {
        let cases = [
            (json!({"exp": 1059}), Some("in 59s")),
            (json!({"exp": 1061}), Some("in 1m 1s")),
            (json!({"exp": 1000 + 3 * 3600}), Some("in 3h 0m")),
            (json!({"exp": 1000 + 75 * 3600}), Some("in 3d 3h")),
            (json!({"exp": 1000}), Some("0s ago")),
            (json!({"exp": 940}), Some("1m 0s ago")),
            (json!({"exp": "soon"}), None),
            (json!({}), None),
        ];
        for (claims, expected) in cases {
            assert_eq!(expiry(&claims, 1_000_000).as_deref(), expected, "{claims}");
        }
    }
}
