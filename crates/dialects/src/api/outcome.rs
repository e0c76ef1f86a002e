//! [`Outcome`]: what an application is answered.

use std::{sync::Arc, time::Duration};

use tidewire_hub::{ChannelName, Error, Member, Position, Publication};

use super::{call::Method, codes};
use crate::{
    centrifuge::shape::{push_history, push_presence, push_presence_stats},
    json::Object,
};

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a server makes it")]
pub enum Outcome {
    /// Of `publish`: where it stands, in channels that have a stream.
    Published(Option<Position>),
    /// Of `broadcast`: as many as there were channels, in their order.
    Broadcast(Vec<Result<Option<Position>, Error>>),
    /// Of `subscribe`, `unsubscribe`, `disconnect` and `history_remove`.
    Done,
    /// Of `presence`.
    Presence(Vec<Arc<Member>>),
    /// Of `presence_stats`.
    PresenceStats {
        /// Sessions.
        client_count: u32,
        /// Different users among them.
        user_count: u32,
    },
    /// Of `history`.
    History {
        /// In the order that was asked for.
        publications: Vec<Arc<Publication>>,
        /// The newest of the stream.
        top: Position,
    },
    /// Of `channels`: each with how many subscribers it has.
    Channels(Vec<(ChannelName, u32)>),
    /// Of `info`.
    Info(Vec<NodeInfo>),
    /// Of `batch`: as many as there were calls, in their order.
    Batch(Vec<Result<(Method, Self), Error>>),
}

/// What a node is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "a server makes it")]
pub struct NodeInfo {
    /// Its name among the nodes.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it runs.
    pub version: String,
    /// Sessions.
    pub client_count: u64,
    /// Different users among them.
    pub user_count: u64,
    /// Channels with subscribers.
    pub channel_count: u64,
    /// Subscriptions.
    pub subscription_count: u64,
    /// How long it is up.
    pub uptime: Duration,
}

/// Appends the body of a response.
pub fn response(out: &mut String, outcome: &Result<Outcome, Error>) {
    let mut body = Object::open(out);
    match outcome {
        // A batch as such has neither result nor error.
        Ok(Outcome::Batch(outcomes)) => body.list("replies", outcomes, |out, outcome| {
            let mut reply = Object::open(out);
            match outcome {
                Ok((method, outcome)) => push_outcome(reply.key(method.name()), outcome),
                Err(why) => error(&mut reply, *why),
            }
            reply.end();
        }),
        Ok(outcome) => push_outcome(body.key("result"), outcome),
        Err(why) => error(&mut body, *why),
    }
    body.end();
}

fn error(body: &mut Object<'_>, error: Error) {
    let (code, message) = codes::error_code(error);
    let mut object = body.object("error");
    object.number("code", u64::from(code));
    object.text("message", message);
    object.end();
}

fn push_outcome(out: &mut String, outcome: &Outcome) {
    match outcome {
        Outcome::Published(position) => push_position(out, position.as_ref()),
        Outcome::Broadcast(outcomes) => {
            let mut object = Object::open(out);
            object.list("responses", outcomes, |out, outcome| {
                let mut response = Object::open(out);
                match outcome {
                    Ok(position) => push_position(response.key("result"), position.as_ref()),
                    Err(why) => error(&mut response, *why),
                }
                response.end();
            });
            object.end();
        }
        // No batch stands within a batch.
        Outcome::Done | Outcome::Batch(_) => Object::open(out).end(),
        Outcome::Presence(members) => push_presence(out, members),
        Outcome::PresenceStats { client_count, user_count } => {
            push_presence_stats(out, *client_count, *user_count);
        }
        Outcome::History { publications, top } => push_history(out, publications, top),
        Outcome::Channels(channels) => push_channels(out, channels),
        Outcome::Info(nodes) => {
            let mut object = Object::open(out);
            object.list("nodes", nodes, push_node);
            object.end();
        }
    }
}

fn push_position(out: &mut String, position: Option<&Position>) {
    let mut object = Object::open(out);
    if let Some(position) = position {
        object.number("offset", position.offset);
        object.text("epoch", position.epoch.as_str());
    }
    object.end();
}

fn push_channels(out: &mut String, channels: &[(ChannelName, u32)]) {
    let mut object = Object::open(out);
    let mut by_name = object.object("channels");
    for (channel, client_count) in channels {
        let mut channel = Object::open(by_name.entry(channel.as_str()));
        channel.number_always("num_clients", u64::from(*client_count));
        channel.end();
    }
    by_name.end();
    object.end();
}

fn push_node(out: &mut String, node: &NodeInfo) {
    let mut object = Object::open(out);
    object.text_always("uid", &node.id);
    object.text_always("name", &node.name);
    object.text_always("version", &node.version);
    object.number_always("num_clients", node.client_count);
    object.number_always("num_users", node.user_count);
    object.number_always("num_channels", node.channel_count);
    object.number("uptime", node.uptime.as_secs());
    object.number_always("num_subs", node.subscription_count);
    object.end();
}
