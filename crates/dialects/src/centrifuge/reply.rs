//! Replies, as one line each.

use tidewire_hub::{CommandId, Connected, Error, Reply};

use super::{
    codes,
    shape::{expiry, push_history, push_presence, push_presence_stats, push_subscribed, seconds},
};
use crate::json::Object;

/// What a server says of itself when somebody connects.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "the driver makes it")]
pub struct Greeting<'a> {
    /// The server's name and version.
    pub version: &'a str,
    /// The session and its node, where commands go by requests of their own.
    pub emulation: Option<Emulated<'a>>,
    /// Milliseconds since 1970; zero: it is not told.
    pub time: u64,
}

/// How a session is found whose commands do not come by its own connection.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the driver makes it")]
pub struct Emulated<'a> {
    /// The session's secret: who knows it speaks for the session. It is not its client id, which others
    /// may see.
    pub session: &'a str,
    /// The node that has it.
    pub node: &'a str,
}

impl std::fmt::Debug for Emulated<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulated").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Appends the answer to a command.
pub fn reply(
    out: &mut String,
    id: CommandId,
    answer: &Result<Reply, Error>,
    greeting: &Greeting<'_>,
) {
    let mut line = Object::open(out);
    line.number("id", u64::from(id.0));
    match answer {
        Ok(reply) => result(&mut line, reply, greeting),
        Err(why) => error(&mut line, *why),
    }
    line.end();
}

fn error(line: &mut Object<'_>, error: Error) {
    let error = codes::error(error);
    let mut object = line.object("error");
    object.number("code", u64::from(error.code));
    object.text("message", error.message);
    object.flag("temporary", error.temporary);
    object.end();
}

fn result(line: &mut Object<'_>, reply: &Reply, greeting: &Greeting<'_>) {
    match reply {
        Reply::Connected(connected) => push_connected(line.key("connect"), connected, greeting),
        Reply::Refreshed { client, expires_in } => {
            let mut object = line.object("refresh");
            object.text("client", client.as_str());
            object.text("version", greeting.version);
            expiry(&mut object, *expires_in);
            object.end();
        }
        Reply::Subscribed(subscribed) => push_subscribed(line.key("subscribe"), subscribed),
        Reply::SubscriptionRefreshed { expires_in } => {
            let mut object = line.object("sub_refresh");
            expiry(&mut object, *expires_in);
            object.end();
        }
        Reply::Unsubscribed => line.object("unsubscribe").end(),
        Reply::Published => line.object("publish").end(),
        Reply::Presence(members) => push_presence(line.key("presence"), members),
        Reply::PresenceStats { client_count, user_count } => {
            push_presence_stats(line.key("presence_stats"), *client_count, *user_count);
        }
        Reply::History { publications, top } => {
            push_history(line.key("history"), publications, top);
        }
    }
}

fn push_connected(out: &mut String, connected: &Connected, greeting: &Greeting<'_>) {
    let mut object = Object::open(out);
    object.text("client", connected.client.as_str());
    object.text("version", greeting.version);
    expiry(&mut object, connected.expires_in);
    object.data("data", connected.data.as_ref());
    if !connected.subscriptions.is_empty() {
        let mut subs = object.object("subs");
        for (channel, subscribed) in &connected.subscriptions {
            push_subscribed(subs.entry(channel.as_str()), subscribed);
        }
        subs.end();
    }
    object.number("ping", connected.ping_interval.map_or(0, seconds));
    // Each of our pings wants an answer.
    object.flag("pong", connected.ping_interval.is_some());
    if let Some(Emulated { session, node }) = greeting.emulation {
        object.text("session", session);
        object.text("node", node);
    }
    object.number("time", greeting.time);
    object.end();
}
