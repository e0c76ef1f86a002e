//! What stands in replies and in pushes alike. Members stand in the order of the protocol's definition,
//! and those that are zero are left out, except where its SDKs rely on them.

use std::{sync::Arc, time::Duration};

use tidewire_hub::{Member, Position, Publication, Subscribed};

use crate::json::{Object, push_text};

/// A publication.
pub(super) fn push_publication(out: &mut String, publication: &Publication) {
    let mut object = Object::open(out);
    object.data("data", Some(&publication.data));
    if let Some(publisher) = &publication.publisher {
        push_member(object.key("info"), publisher);
    }
    object.number("offset", publication.offset);
    if !publication.tags.is_empty() {
        let mut tags = object.object("tags");
        for (name, value) in &publication.tags {
            push_text(tags.entry(name), value);
        }
        tags.end();
    }
    object.number("time", publication.time);
    object.text("key", publication.key.as_deref().unwrap_or_default());
    object.end();
}

/// Somebody. `user` and `client` always stand there.
pub(super) fn push_member(out: &mut String, member: &Member) {
    let mut object = Object::open(out);
    object.text_always("user", member.user.as_str());
    object.text_always("client", member.client.as_str());
    object.data("conn_info", member.connection_info.as_ref());
    object.data("chan_info", member.channel_info.as_ref());
    object.end();
}

/// What a subscription has, as the answer to a command.
pub(super) fn push_subscribed(out: &mut String, subscribed: &Subscribed) {
    let mut object = Object::open(out);
    expiry(&mut object, subscribed.expires_in);
    object.flag("recoverable", subscribed.recoverable);
    let position = subscribed.position.as_ref();
    object.text("epoch", position.map_or("", |position| position.epoch.as_str()));
    if !subscribed.publications.is_empty() {
        object.list("publications", &subscribed.publications, |out, publication| {
            push_publication(out, publication);
        });
    }
    object.flag("recovered", subscribed.recovered);
    object.number("offset", position.map_or(0, |position| position.offset));
    object.flag("positioned", subscribed.positioned);
    object.data("data", subscribed.data.as_ref());
    object.flag("was_recovering", subscribed.was_recovering);
    object.end();
}

/// When a new token is due, if ever.
pub(super) fn expiry(object: &mut Object<'_>, expires_in: Option<Duration>) {
    object.flag("expires", expires_in.is_some());
    object.number("ttl", expires_in.map_or(0, seconds));
}

/// Whole seconds, so that nobody is late; at least one, since none would be taken for never.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().clamp(1, u64::from(u32::MAX))
}

/// Who is there, by client.
pub(crate) fn push_presence(out: &mut String, members: &[Arc<Member>]) {
    let mut object = Object::open(out);
    let mut presence = object.object("presence");
    for member in members {
        push_member(presence.entry(member.client.as_str()), member);
    }
    presence.end();
    object.end();
}

/// How many are there. SDKs expect both, zero or not.
pub(crate) fn push_presence_stats(out: &mut String, client_count: u32, user_count: u32) {
    let mut object = Object::open(out);
    object.number_always("num_clients", u64::from(client_count));
    object.number_always("num_users", u64::from(user_count));
    object.end();
}

/// What was published, and where the stream is. SDKs expect all three, empty or not.
pub(crate) fn push_history(out: &mut String, publications: &[Arc<Publication>], top: &Position) {
    let mut object = Object::open(out);
    object.list("publications", publications, |out, publication| {
        push_publication(out, publication);
    });
    object.text_always("epoch", top.epoch.as_str());
    object.number_always("offset", top.offset);
    object.end();
}
