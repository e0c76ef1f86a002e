//! Who may do what: one function, for every command of every dialect.

use crate::{
    error::Error,
    names::{ChannelName, UserId},
    namespace::ChannelOptions,
};

/// What somebody wants to do in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Subscribe,
    Publish,
    /// Ask who is there, or how many.
    Presence,
    History,
}

/// Whether somebody may do something without a token for it.
///
/// There is one refusal, whether the channel is forbidden or impossible: names cannot be tried out. That
/// something is not switched on is told only to those who might use it.
pub(crate) fn allow(
    action: Action,
    channel: &ChannelName,
    options: &ChannelOptions,
    user: &UserId,
    is_subscribed: bool,
) -> Result<(), Error> {
    let permissions = &options.permissions;
    let who = match action {
        Action::Subscribe => permissions.subscribe,
        Action::Publish => permissions.publish,
        Action::Presence => permissions.presence,
        Action::History => permissions.history,
    };
    let is_subscriber = is_subscribed && action != Action::Subscribe;
    let allowed = match user_limit(channel, options) {
        // Being one of them is enough to subscribe; for the rest they need what others need elsewhere.
        Some(users)
            if !users.split(',').any(|one| one == user.as_str() && !user.is_anonymous()) =>
        {
            // A token has let it in.
            is_subscriber && who.subscribers
        }
        Some(_) if action == Action::Subscribe => true,
        _ => {
            let at_large = if user.is_anonymous() { who.anonymous } else { who.users };
            at_large || (is_subscriber && who.subscribers)
        }
    };
    if !allowed {
        return Err(Error::PermissionDenied);
    }
    match action {
        Action::Presence if !options.presence => Err(Error::NotAvailable),
        Action::History if options.history.is_none() => Err(Error::NotAvailable),
        _ => Ok(()),
    }
}

/// Of `name#ann,bob` what stands after the last `#`, where that means something.
fn user_limit<'a>(channel: &'a ChannelName, options: &ChannelOptions) -> Option<&'a str> {
    let (_, users) = channel.as_str().rsplit_once('#').filter(|_| options.allow_user_limited)?;
    Some(users)
}
