//! [`Settings`]: everything about an engine that can be configured.

use std::{sync::Arc, time::Duration};

use tidewire_proto::{CloseCode, CloseFrame, Config};

use crate::{backend::Io, mailbox::MailLimits, plane::close_frame};

/// How an engine works. All of its threads share one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Threads, each with an event loop. Default: one for each core.
    pub thread_count: usize,
    /// What the loops are built on. Default: [`Io::Auto`].
    pub io: Io,
    /// Limits and timeouts of every connection.
    pub config: Config,
    /// What may wait to be written.
    pub queues: QueueLimits,
    /// Messages from other threads that may wait for one. Beyond, they are refused. Default: 65,536.
    pub mail_count_max: usize,
    /// Bytes of such messages, overhead included; what was published to several threads counts at each.
    /// Default: 256 MiB.
    pub mail_len_max: usize,
    /// Connections on one thread. Beyond, who comes by a [`Door`](crate::Door) is refused with 503, and
    /// who is handed over is closed. Default: 1,000,000.
    pub connection_count_max: usize,
    /// So many beyond that may be there to ask and be refused, or to come in where somebody has left
    /// meanwhile. Beyond these, new ones are closed at once. Default: 256.
    pub refused_count_max: usize,
    /// Bytes of compressors that a thread keeps alive between messages of connections with context
    /// takeover (RFC 7692): each is some 150 to 400 KB, and to rebuild one takes longer than to
    /// compress a short message. Default: 64 MiB.
    #[cfg(feature = "deflate")]
    pub compressors_len_max: usize,
    /// Bytes of message buffers that a thread keeps for their next use, for some seconds at most.
    /// Default: 64 MiB.
    pub pool_len_max: usize,
}

/// How much may wait to be written, and what happens at the brim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimits {
    /// What one connection may have queued, its overhead included; what is published to it during
    /// one turn may go beyond, by 256 KiB that all receivers share. Default: 1 MiB more than the
    /// longest message that it accepts.
    pub len_max: Option<usize>,
    /// With this much queued, nothing more is read from a connection: its peer has to take what it
    /// asked for first, and the handler hears that it is [`congested`](crate::Handler::congested).
    /// Default: 1 MiB.
    pub high_water: usize,
    /// Below it the connection is read again, and the handler hears
    /// [`writable`](crate::Handler::writable). Default: 256 KiB.
    pub low_water: usize,
    /// Of what is [offered](crate::Plane::offer) to one slow connection, so much waits; then the
    /// oldest is dropped. Default: 256 KiB.
    pub offered_len_max: usize,
    /// What all connections of a thread may have queued together. With that much queued, each may
    /// still have its equal share: whoever reads is served, however many others do not.
    /// Default: 1 GiB.
    pub thread_len_max: usize,
    /// What happens to a connection for which a message is too much.
    pub brim: Brim,
}

/// What happens when a message does not fit into a connection's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Brim {
    /// The connection is closed with this: 1013 (try again later) without a reason, the default, or
    /// 1008.
    Close(CloseFrame),
    /// The message is not queued, and the sender is told.
    Refuse,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            thread_count: std::thread::available_parallelism().map_or(1, Into::into),
            io: Io::default(),
            config: Config::default(),
            queues: QueueLimits::default(),
            mail_count_max: 1 << 16,
            mail_len_max: 256 << 20,
            connection_count_max: 1_000_000,
            refused_count_max: 256,
            #[cfg(feature = "deflate")]
            compressors_len_max: tidewire_proto::Codecs::LIVE_LEN_MAX,
            pool_len_max: 64 << 20,
        }
    }
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            len_max: None,
            high_water: 1 << 20,
            low_water: 256 << 10,
            offered_len_max: 256 << 10,
            thread_len_max: 1 << 30,
            brim: Brim::Close(close_frame(CloseCode::TRY_AGAIN_LATER)),
        }
    }
}

impl Settings {
    pub(crate) const fn mail_limits(&self) -> MailLimits {
        MailLimits { count_max: self.mail_count_max, len_max: self.mail_len_max }
    }

    pub(crate) fn queued_len_max(&self) -> usize {
        self.queues.len_max.unwrap_or_else(|| {
            let message = usize::try_from(self.config.limits.message_len_max).unwrap_or(usize::MAX);
            message.saturating_add(1 << 20)
        })
    }

    /// The same configuration several times, with Pings after slightly different times: connections
    /// that were opened together do not all have to be asked at one moment.
    pub(crate) fn jittered(&self) -> Vec<Arc<Config>> {
        (0..JITTER_COUNT)
            .map(|step| {
                let mut config = self.config.clone();
                if let Some(after) = &mut config.timeouts.ping_after {
                    *after -= after.mul_f64(JITTER * f64::from(step) / f64::from(JITTER_COUNT));
                }
                Arc::new(config)
            })
            .collect()
    }
}

/// Pings come up to so much of their time early.
const JITTER: f64 = 0.25;
const JITTER_COUNT: u32 = 16;

/// How often deadlines are looked at; each is noticed at most [`SECTOR_COUNT`] of these late.
pub(crate) const TICK: Duration = Duration::from_millis(62);

/// The slab is walked once in so many ticks: about once a second.
pub(crate) const SECTOR_COUNT: usize = 16;
