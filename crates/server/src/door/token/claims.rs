//! [`Claims`]: what a token says, in Centrifugo's words, and what that means to the hub.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidewire_hub::{ClientId, Credentials, Data, SubscriptionGrant, UserId};

use super::refused::TokenRefused;

/// The claims that are looked at. What we do not know is left alone (RFC 7519 §4).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    sub: Option<String>,
    pub(super) exp: Option<NumericDate>,
    pub(super) nbf: Option<NumericDate>,
    pub(super) iss: Option<String>,
    pub(super) aud: Option<Audience>,
    /// When the session or the subscription ends, if not with the token; zero for never.
    expire_at: Option<NumericDate>,
    channels: Option<Vec<String>>,
    subs: Option<BTreeMap<String, Terms>>,
    channel: Option<String>,
    client: Option<String>,
    /// For the application, and nobody else.
    meta: Option<Box<RawValue>>,
}

/// What is said of one subscription, or of the connection.
#[derive(Debug, Default, Deserialize)]
struct Terms {
    info: Option<Box<RawValue>>,
    b64info: Option<String>,
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
    #[serde(default, rename = "override")]
    switches: Option<Switches>,
}

/// Options of the channel that are another way for this subscription.
#[derive(Debug, Default, Deserialize)]
struct Switches {
    presence: Option<Switch>,
    join_leave: Option<Switch>,
    force_push_join_leave: Option<Switch>,
    force_recovery: Option<Switch>,
    force_positioning: Option<Switch>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Switch {
    #[serde(default)]
    value: bool,
}

/// A connection token that is good, until it ends.
#[derive(Debug, Clone)]
pub(super) struct ConnectionClaims {
    /// Without the time at which it ends, which is by another clock here.
    pub(super) credentials: Credentials,
    /// In milliseconds since 1970.
    pub(super) expires_at: Option<u64>,
}

/// A subscription token that is good, until it ends.
#[derive(Debug, Clone)]
pub(super) struct SubscriptionClaims {
    user: String,
    client: Option<String>,
    pub(super) grant: SubscriptionGrant,
    pub(super) expires_at: Option<u64>,
}

impl Claims {
    pub(super) fn parse(json: &RawValue) -> Result<Self, TokenRefused> {
        serde_json::from_str(json.get()).map_err(|_| TokenRefused::Claims)
    }

    /// What a connection token says; `json` is what these claims were read from.
    pub(super) fn connection(
        self,
        json: &RawValue,
        channel_count_max: usize,
    ) -> Result<ConnectionClaims, TokenRefused> {
        if self.channel().is_some() {
            return Err(TokenRefused::Kind);
        }
        let subs = self.subs.as_ref().filter(|subs| !subs.is_empty());
        let bare = self.channels.as_ref().filter(|_| subs.is_none());
        if subs.map_or(0, BTreeMap::len) + bare.map_or(0, Vec::len) > channel_count_max {
            return Err(TokenRefused::Channels);
        }
        let granted = subs.into_iter().flatten().map(|(channel, terms)| terms.grant(channel));
        // Both are never there: `subs` wins, as it says more.
        let bare = bare.into_iter().flatten().map(|channel| Terms::default().grant(channel));
        let credentials = Credentials {
            user: UserId::new(self.sub.as_deref().unwrap_or_default()),
            info: Terms::parse(json)?.info()?,
            meta: payload(self.meta.as_deref(), None)?,
            expires_at: None,
            channels: granted.chain(bare).collect::<Result<_, _>>()?,
        };
        Ok(ConnectionClaims { credentials, expires_at: self.ends_at() })
    }

    /// What a subscription token says; `json` is what these claims were read from.
    pub(super) fn subscription(self, json: &RawValue) -> Result<SubscriptionClaims, TokenRefused> {
        let grant = Terms::parse(json)?.grant(self.channel().ok_or(TokenRefused::Kind)?)?;
        let expires_at = self.ends_at();
        Ok(SubscriptionClaims {
            user: self.sub.unwrap_or_default(),
            client: self.client.filter(|client| !client.is_empty()),
            grant,
            expires_at,
        })
    }

    fn channel(&self) -> Option<&str> {
        self.channel.as_deref().filter(|channel| !channel.is_empty())
    }

    fn ends_at(&self) -> Option<u64> {
        match self.expire_at {
            Some(at) => Some(at.0).filter(|at| *at > 0),
            None => self.exp.map(|at| at.0),
        }
    }
}

impl SubscriptionClaims {
    /// Whether the token is for this channel, and for whoever asks.
    pub(super) fn check_holder(
        &self,
        channel: &str,
        user: &UserId,
        client: &ClientId,
    ) -> Result<(), TokenRefused> {
        if self.grant.channel != channel {
            return Err(TokenRefused::Channel);
        }
        if self.user != user.as_str() {
            return Err(TokenRefused::User);
        }
        if self.client.as_ref().is_some_and(|named| named != client.as_str()) {
            return Err(TokenRefused::Client);
        }
        Ok(())
    }
}

impl Terms {
    fn parse(json: &RawValue) -> Result<Self, TokenRefused> {
        serde_json::from_str(json.get()).map_err(|_| TokenRefused::Claims)
    }

    fn info(&self) -> Result<Option<Data>, TokenRefused> {
        payload(self.info.as_deref(), self.b64info.as_deref())
    }

    fn grant(&self, channel: &str) -> Result<SubscriptionGrant, TokenRefused> {
        let of = |choose: fn(&Switches) -> Option<Switch>| {
            self.switches.as_ref().and_then(choose).map(|switch| switch.value)
        };
        Ok(SubscriptionGrant {
            channel: ByteString::from(channel),
            info: self.info()?,
            data: payload(self.data.as_deref(), self.b64data.as_deref())?,
            expires_at: None,
            presence: of(|switches| switches.presence),
            join_leave: of(|switches| switches.join_leave),
            force_join_leave: of(|switches| switches.force_push_join_leave),
            force_recovery: of(|switches| switches.force_recovery),
            force_positioning: of(|switches| switches.force_positioning),
        })
    }
}

/// A payload in either of its two forms; that of bytes wins.
fn payload(json: Option<&RawValue>, b64: Option<&str>) -> Result<Option<Data>, TokenRefused> {
    match b64.filter(|b64| !b64.is_empty()) {
        Some(b64) => {
            let bytes = STANDARD.decode(b64).map_err(|_| TokenRefused::Claims)?;
            Ok(Some(Data::Binary(bytes.into())))
        }
        None => Ok(json.map(|json| Data::Json(minified(json)))),
    }
}

/// Valid JSON without the whitespace between its tokens: no newline is left, as the hub wants it.
fn minified(json: &RawValue) -> ByteString {
    let (mut in_string, mut escaped) = (false, false);
    let kept = json.get().chars().filter(|&char| {
        let whitespace = matches!(char, ' ' | '\t' | '\n' | '\r');
        let keep = in_string || !whitespace;
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        keep
    });
    kept.collect::<String>().into()
}

/// Milliseconds since 1970 (RFC 7519 §2 counts seconds, perhaps with a fraction); zero for what is
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct NumericDate(pub(super) u64);

impl TryFrom<f64> for NumericDate {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if !seconds.is_finite() {
            return Err("not a number");
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and milliseconds fit a double's 53 bits for a long time"
        )]
        let millis = (seconds * 1000.0) as u64;
        Ok(Self(millis))
    }
}

/// RFC 7519 §4.1.3: one, or several of which one has to be us.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn includes(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::One(one) => one.is_empty(),
            Self::Several(several) => several.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_goes_and_strings_stay() {
        let cases = [
            ("{ \"a\" : [ 1 ,\n 2.50 ] }", "{\"a\":[1,2.50]}"),
            ("\"a b\\\" c\\\\\" ", "\"a b\\\" c\\\\\""),
            ("12345678901234567890", "12345678901234567890"),
            ("[\t]", "[]"),
        ];
        for (json, expected) in cases {
            let json: Box<RawValue> = serde_json::from_str(json).unwrap();
            assert_eq!(minified(&json), expected);
        }
    }

    #[test]
    fn dates_by_rule() {
        let cases = [
            ("0", Some(0)),
            ("1.5", Some(1500)),
            ("-1", Some(0)),
            ("4102444800", Some(4_102_444_800_000)),
            ("1e300", Some(u64::MAX)),
            ("\"1\"", None),
            ("true", None),
            ("[1]", None),
        ];
        for (json, expected) in cases {
            let date = serde_json::from_str::<NumericDate>(json).ok().map(|date| date.0);
            assert_eq!(date, expected, "{json}");
        }
    }
}
