//! What the hub is told of a configuration.

use std::time::Duration;

use tidewire_dialects::centrifuge::FrameLimits;
use tidewire_hub::{
    ChannelOptions, HubConfig, HubLimits, Namespaces, Permissions, Rate, Seed, Who,
    broker::Retention,
};

use super::{
    load::Settings,
    options::{ChannelSettings, Options},
};

impl Settings {
    /// The hub's part of it.
    pub fn hub(&self, seed: Seed) -> HubConfig {
        self.options.hub(seed)
    }
}

impl Options {
    pub(super) fn hub(&self, seed: Seed) -> HubConfig {
        let client = &self.client;
        // All sessions of a user on the node are counted at the door; a shard never has more of them than that.
        let user_sessions = match client.user_connection_limit {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let (its, channel_count_max) = (HubLimits::default(), client.channel_limit as usize);
        let limits = HubLimits {
            user_session_count_max: user_sessions,
            subscription_count_max: channel_count_max,
            publication_len_max: client.message_size_limit.len(),
            history_count_max: client.history_max_publication_limit,
            history_len_max: client.history_max_size.len(),
            recovery_count_max: client.recovery_max_publication_limit,
            recovery_len_max: client.recovery_max_size.len(),
            backlog_len_max: client.queue_max_size.len(),
            pending_command_count_max: its.pending_command_count_max.max(channel_count_max),
            commands: rate(client.command_rate, client.command_burst),
            command_bytes: rate(client.byte_rate.0, client.byte_burst.0),
            ..its
        };
        HubConfig {
            limits,
            allow_anonymous: client.allow_anonymous_connect_without_token,
            ping_interval: unless_zero(client.ping_interval),
            pong_within: client.pong_timeout,
            connect_within: client.stale_close_delay,
            expired_grace: client.expired_close_delay,
            position_check_interval: unless_zero(client.channel_position_check_delay),
            ..HubConfig::new(self.namespaces(seed), seed)
        }
    }

    /// What a client may put into one frame. One that is back connects and subscribes to all of its channels
    /// in one, and has something else to say as well.
    pub(crate) fn frames(&self) -> FrameLimits {
        let (its, client) = (FrameLimits::default(), &self.client);
        let channel_count_max = client.channel_limit as usize;
        FrameLimits {
            frame_len_max: client.message_size_limit.len(),
            command_count_max: its.command_count_max.max(channel_count_max.saturating_add(128)),
            recovery_count_max: its.recovery_count_max.max(channel_count_max),
        }
    }

    fn namespaces(&self, seed: Seed) -> Namespaces {
        let bare = Namespaces::new(seed).bare(self.channel.without_namespace.options());
        let named = self.channel.namespaces.iter();
        named.fold(bare, |namespaces, namespace| {
            namespaces.named(&namespace.name, namespace.options())
        })
    }
}

impl ChannelSettings {
    /// As the hub has them.
    pub fn options(&self) -> ChannelOptions {
        ChannelOptions {
            permissions: Permissions {
                subscribe: Who {
                    users: self.allow_subscribe_for_client,
                    anonymous: self.allow_subscribe_for_anonymous,
                    subscribers: false,
                },
                publish: Who {
                    users: self.allow_publish_for_client,
                    anonymous: self.allow_publish_for_anonymous,
                    subscribers: self.allow_publish_for_subscriber,
                },
                presence: Who {
                    users: self.allow_presence_for_client,
                    anonymous: self.allow_presence_for_anonymous,
                    subscribers: self.allow_presence_for_subscriber,
                },
                history: Who {
                    users: self.allow_history_for_client,
                    anonymous: self.allow_history_for_anonymous,
                    subscribers: self.allow_history_for_subscriber,
                },
            },
            history: (self.history_size > 0).then_some(Retention {
                count_max: self.history_size,
                age_max: self.history_ttl,
                position_age_max: self.history_meta_ttl,
            }),
            presence: self.presence,
            join_leave: self.join_leave,
            force_join_leave: self.force_push_join_leave,
            allow_recovery: self.allow_recovery,
            force_recovery: self.force_recovery,
            allow_positioning: self.allow_positioning,
            force_positioning: self.force_positioning,
            allow_user_limited: self.allow_user_limited_channels,
            brim: self.slow_client,
        }
    }
}

fn unless_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

fn rate(per_second: u32, burst: u32) -> Option<Rate> {
    (per_second > 0).then(|| Rate::per_second(per_second, burst))
}
