//! Pushes, as one line each.

use tidewire_hub::{ChannelName, Member, Publication, Push, Subscribed};

use super::{
    codes::{self, EndCode},
    shape::{expiry, push_member, push_publication},
};
use crate::json::Object;

/// Our ping, and the client's answer to it.
pub const PING: &str = "{}";

/// Appends a publication to a channel. It is the same for all who receive it, so once is enough.
pub fn publication(out: &mut String, channel: &ChannelName, publication: &Publication) {
    of_channel(out, channel, |push| push_publication(push.key("pub"), publication));
}

/// Appends that somebody came, or left; the same for all who hear it.
pub fn announcement(out: &mut String, channel: &ChannelName, member: &Member, came: bool) {
    of_channel(out, channel, |push| {
        let mut object = push.object(if came { "join" } else { "leave" });
        push_member(object.key("info"), member);
        object.end();
    });
}

/// Appends what one session is told.
pub fn push(out: &mut String, push: &Push) {
    match push {
        Push::Publication { channel, publication: published } => {
            publication(out, channel, published);
        }
        Push::Subscribed { channel, subscribed } => {
            of_channel(out, channel, |push| push_subscription(push.key("subscribe"), subscribed));
        }
        Push::Unsubscribed { channel, why } => {
            of_channel(out, channel, |push| {
                let EndCode { code, reason } = codes::unsubscribe(*why);
                end(push.object("unsubscribe"), code, reason);
            });
        }
        Push::Message(data) => of_session(out, |push| {
            let mut object = push.object("message");
            object.data("data", Some(data));
            object.end();
        }),
        Push::Refresh { expires_in } => of_session(out, |push| {
            let mut object = push.object("refresh");
            expiry(&mut object, *expires_in);
            object.end();
        }),
        Push::Ping => out.push_str(PING),
        Push::Disconnect(why) => {
            let EndCode { code, reason } = codes::disconnect(*why);
            disconnect(out, code, reason);
        }
        Push::Dismissed(dismissal) => disconnect(out, dismissal.code, &dismissal.reason),
    }
}

/// Over WebSocket the Close frame says it instead.
fn disconnect(out: &mut String, code: u16, reason: &str) {
    of_session(out, |push| end(push.object("disconnect"), code, reason));
}

/// What a subscription has that the application has made.
fn push_subscription(out: &mut String, subscribed: &Subscribed) {
    let mut object = Object::open(out);
    object.flag("recoverable", subscribed.recoverable);
    let position = subscribed.position.as_ref();
    object.text("epoch", position.map_or("", |position| position.epoch.as_str()));
    object.number("offset", position.map_or(0, |position| position.offset));
    object.flag("positioned", subscribed.positioned);
    object.data("data", subscribed.data.as_ref());
    object.end();
}

fn end(mut object: Object<'_>, code: u16, reason: &str) {
    object.number("code", u64::from(code));
    object.text("reason", reason);
    object.end();
}

fn of_channel(out: &mut String, channel: &ChannelName, write: impl FnOnce(&mut Object<'_>)) {
    of_session(out, |push| {
        push.text("channel", channel.as_str());
        write(push);
    });
}

fn of_session(out: &mut String, write: impl FnOnce(&mut Object<'_>)) {
    let mut line = Object::open(out);
    let mut push = line.object("push");
    write(&mut push);
    push.end();
    line.end();
}
