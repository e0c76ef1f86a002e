//! [`Readings`]: all that is measured, for Prometheus.
//!
//! Names and units follow its conventions, in the text of `OpenMetrics`. Labels have few values, and no client can
//! make one. What each is, `docs/operating.md` says in a table, which a test holds against this.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::{Registry, Unit},
};
use tidewire_engine::ThreadStats;
use tidewire_hub::ShardStats;

use super::{
    calls::Calls,
    exposition::{Exposition, Kind},
};
use crate::{
    door::Door,
    node::{Dialect, DialectMeters, Meters, NodeHandle},
};

/// What the body is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What everything says of itself at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Readings {
    meters: Meters,
    /// By thread.
    engine: Vec<ThreadStats>,
    refusals: Vec<(&'static str, u64)>,
    calls: Vec<([&'static str; 2], u64)>,
    connection_count: u32,
    user_count: usize,
    is_draining: bool,
    log_lines_dropped: u64,
}

impl Readings {
    pub(crate) fn take(
        node: &NodeHandle,
        door: &Door,
        calls: &Calls,
        is_draining: bool,
        log_lines_dropped: &AtomicU64,
    ) -> Self {
        let mut meters = node.meters();
        let (hits, misses) = door.hits_and_misses();
        meters.token_hits += hits;
        meters.token_misses += misses;
        Self {
            meters,
            engine: node.engine_stats(),
            refusals: door.refusals().all().collect(),
            calls: calls.all().collect(),
            connection_count: door.connection_count(),
            user_count: door.users().count(),
            is_draining,
            log_lines_dropped: log_lines_dropped.load(Ordering::Relaxed),
        }
    }

    /// In the text of `OpenMetrics`.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(crate) fn exposition(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("tidewire");
        registry.register_collector(Box::new(self));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }
}

impl Collector for Readings {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut Exposition::new(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.families("build_info", "Which version this is.", None, Kind::Gauge, [(version, 1)])?;
        out.gauge(
            "draining",
            "Whether sessions are being told to go elsewhere.",
            None,
            self.is_draining,
        )?;
        sessions(out, &self.meters, self.connection_count, self.user_count)?;
        traffic(out, &self.meters)?;
        faults(out, &self.meters, &self.refusals)?;
        let calls = self.calls.iter().map(|([method, outcome], count)| {
            ([("method", *method), ("outcome", *outcome)], *count)
        });
        let help = "Calls of the server API, those in a batch among them, by what came of them.";
        out.families("api_calls", help, None, Kind::Counter, calls)?;
        shards(out, &self.meters.shard)?;
        engine(out, &self.engine)?;
        out.counter(
            "log_lines_dropped",
            "Lines of the log that nobody took in time.",
            self.log_lines_dropped,
        )
    }
}

fn sessions(
    out: &mut Exposition<'_>,
    meters: &Meters,
    connection_count: u32,
    user_count: usize,
) -> fmt::Result {
    out.gauge("connections", "Clients that hold a place at the door.", None, connection_count)?;
    out.gauge("users", "Users among them, each once.", None, user_count as u64)?;
    out.families(
        "sessions",
        "Sessions that there are.",
        None,
        Kind::Gauge,
        by_dialect(meters, DialectMeters::session_count),
    )?;
    out.families(
        "sessions_opened",
        "Sessions that have begun.",
        None,
        Kind::Counter,
        by_dialect(meters, |dialect| dialect.opened),
    )?;
    out.by_name(
        "sessions_ended",
        "Sessions that have ended, by why.",
        "cause",
        meters.ended.iter(),
    )?;
    out.by_name(
        "sessions_turned_away",
        "Clients that were let in at the door and for whom there was no session.",
        "cause",
        meters.turned_away.iter(),
    )?;
    out.gauge(
        "sessions_congested",
        "Sessions whose readers do not keep up.",
        None,
        meters.shard.congested_count as u64,
    )?;
    out.counter(
        "session_congestions",
        "How often a session's reader has stopped keeping up.",
        meters.congestions,
    )?;
    out.histogram("ping_rtt", "From a ping to its answer.", &meters.shard.counts.round_trips)
}

fn traffic(out: &mut Exposition<'_>, meters: &Meters) -> fmt::Result {
    out.families(
        "received_messages",
        "Messages from clients, each with one command or several.",
        None,
        Kind::Counter,
        by_dialect(meters, |dialect| dialect.received.message_count),
    )?;
    out.families(
        "received",
        "Bytes in messages from clients, when inflated.",
        Some(&Unit::Bytes),
        Kind::Counter,
        by_dialect(meters, |dialect| dialect.received.len),
    )?;
    out.families(
        "sent_messages",
        "Messages to clients.",
        None,
        Kind::Counter,
        by_dialect(meters, |dialect| dialect.sent.message_count),
    )?;
    out.families(
        "sent",
        "Bytes in messages to clients, before they are compressed.",
        Some(&Unit::Bytes),
        Kind::Counter,
        by_dialect(meters, |dialect| dialect.sent.len),
    )?;
    out.histogram(
        "delivery_latency",
        "From when the broker took a publication until it was written to the sockets, once for each receiver.",
        &meters.deliveries,
    )
}

fn faults(
    out: &mut Exposition<'_>,
    meters: &Meters,
    refusals: &[(&'static str, u64)],
) -> fmt::Result {
    out.by_name(
        "refusals",
        "Requests that were refused at the door.",
        "cause",
        refusals.iter().copied(),
    )?;
    out.by_name(
        "malformed_frames",
        "Sessions ended for a frame that is not the protocol.",
        "cause",
        meters.malformed.iter(),
    )?;
    out.by_name(
        "websocket_failures",
        "WebSockets failed for a violation, a limit or a timeout.",
        "cause",
        meters.failures.iter(),
    )?;
    out.by_name(
        "command_errors",
        "Commands answered with an error.",
        "error",
        meters.command_errors.iter(),
    )?;
    let counts = &meters.shard.counts;
    let of_sessions = [
        ("session_commands", counts.commands_over_pace),
        ("session_bytes", counts.bytes_over_pace),
    ];
    out.by_name(
        "commands_over_pace",
        "Commands that came faster than a session or a user may send them.",
        "limit",
        of_sessions.into_iter().chain(meters.over_pace.iter()),
    )?;
    out.by_name(
        "token_lookups",
        "Tokens, by whether they were remembered or had to be verified.",
        "result",
        [("hit", meters.token_hits), ("miss", meters.token_misses)],
    )
}

fn shards(out: &mut Exposition<'_>, stats: &ShardStats) -> fmt::Result {
    let counts = &stats.counts;
    out.gauge(
        "channels",
        "Channels with subscribers, once for each thread.",
        None,
        stats.channel_count as u64,
    )?;
    out.gauge(
        "backlog",
        "Bytes held back for sessions that do not keep up.",
        Some(&Unit::Bytes),
        stats.backlog_len as u64,
    )?;
    out.by_name(
        "recoveries",
        "Subscriptions that were to be recovered.",
        "outcome",
        [("recovered", counts.recovered), ("not_recovered", counts.not_recovered)],
    )?;
    out.counter(
        "recovered_publications",
        "Publications given to clients who had missed them.",
        counts.recovered_publications,
    )?;
    out.counter(
        "insufficient_state",
        "Subscriptions that were told that something may be missing.",
        counts.insufficient_state,
    )?;
    out.gauge(
        "broker_requests_pending",
        "Requests that the broker has not answered.",
        None,
        stats.request_count as u64,
    )?;
    out.counter(
        "broker_requests_overdue",
        "Requests that the broker has not answered in time.",
        counts.overdue,
    )?;
    out.counter(
        "broker_requests_given_up",
        "Requests that have failed too often to be tried again.",
        counts.given_up,
    )
}

fn engine(out: &mut Exposition<'_>, threads: &[ThreadStats]) -> fmt::Result {
    let each = |value: fn(&ThreadStats) -> u64| {
        threads.iter().enumerate().map(move |(thread, stats)| ([("thread", thread)], value(stats)))
    };
    let connections = each(|stats| stats.connection_count as u64);
    out.families("engine_connections", "WebSockets.", None, Kind::Gauge, connections)?;
    let queued = each(|stats| stats.queued_len as u64);
    out.families(
        "engine_queued",
        "Bytes that wait for sockets, overhead included.",
        Some(&Unit::Bytes),
        Kind::Gauge,
        queued,
    )?;
    let turns = each(|stats| stats.turn_count);
    out.families("engine_turns", "Turns of the event loop.", None, Kind::Counter, turns)?;
    let dropped = each(|stats| stats.dropped_count);
    out.families(
        "engine_dropped_messages",
        "Messages that made room for newer ones.",
        None,
        Kind::Counter,
        dropped,
    )?;
    let closed = each(|stats| stats.closed_at_brim_count);
    out.families(
        "engine_closed_at_brim",
        "WebSockets closed because a message did not fit into their queue.",
        None,
        Kind::Counter,
        closed,
    )?;
    let turned_away = each(|stats| stats.turned_away_count);
    out.families(
        "engine_turned_away",
        "WebSockets for which there was no place.",
        None,
        Kind::Counter,
        turned_away,
    )
}

type DialectLabels = [(&'static str, &'static str); 2];

fn by_dialect(
    meters: &Meters,
    value: impl Fn(&DialectMeters) -> u64,
) -> impl Iterator<Item = (DialectLabels, u64)> {
    Dialect::ALL.into_iter().zip(&meters.dialects).map(move |(dialect, meters)| {
        let (transport, dialect) = dialect.names();
        ([("transport", transport), ("dialect", dialect)], value(meters))
    })
}
