//! What an idle session costs here. By itself, since it looks at the memory of the whole process.
#![cfg(test)]
#![cfg(target_os = "linux")]

use std::{fs, sync::Arc, time::Duration};

use tidewire_hub::{
    ChannelName, ChannelOptions, ClientId, Command, CommandId, Connect, Credentials, Epoch, Error,
    Guest, HubConfig, Member, Namespaces, Outside, Permissions, Position, Publication, Push, Reply,
    Seed, SessionKey, Shard, Subscribe, SubscriptionGrant, Timestamp, TokenError, UserId, Variant,
    Verifier, Who,
    broker::{Answer, Ask, Request, Response, Retention},
};

/// Answers what has to be answered, and forgets the rest.
#[derive(Default)]
struct Nothing(Vec<Request>);

impl Outside for Nothing {
    fn reply(&mut self, _: SessionKey, _: CommandId, reply: Result<Reply, Error>) {
        assert!(reply.is_ok());
    }
    fn push(&mut self, _: SessionKey, _: Push) {}
    fn deliver(&mut self, _: &ChannelName, _: &Arc<Publication>, _: Variant, _: &[SessionKey]) {}
    fn announce(
        &mut self,
        _: &ChannelName,
        _: &Arc<Member>,
        _: bool,
        _: Variant,
        _: &[SessionKey],
    ) {
    }
    fn submit(&mut self, request: Request) {
        self.0.push(request);
    }
}

impl Verifier for Nothing {
    fn connection(&mut self, _: &str) -> Result<Credentials, TokenError> {
        Err(TokenError::Invalid)
    }
    fn subscription(
        &mut self,
        _: &str,
        _: &ChannelName,
        _: &UserId,
        _: &ClientId,
    ) -> Result<SubscriptionGrant, TokenError> {
        Err(TokenError::Invalid)
    }
}

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// One user, one session, and one recoverable subscription with presence, in a channel of its own: the
/// dearest way to be idle.
fn come(shard: &mut Shard, number: usize) {
    let now = Timestamp::from_millis(1);
    let credentials =
        Credentials { user: UserId::new(&format!("user-{number}")), ..Credentials::default() };
    let client = ClientId::new(&format!("{number:036}"));
    let guest = Guest { client, variant: Variant::default(), credentials: Some(credentials) };
    let outside = &mut Nothing::default();
    let key = shard.open(now, guest, outside).unwrap();
    let connect = Command::Connect(Connect::default());
    shard.command(now, key, CommandId(1), connect, &mut Nothing::default(), outside);
    let subscribe = Subscribe {
        channel: format!("inbox:{number}").into(),
        recoverable: true,
        ..Subscribe::default()
    };
    shard.command(
        now,
        key,
        CommandId(2),
        Command::Subscribe(subscribe),
        &mut Nothing::default(),
        outside,
    );
    while let Some(Request { id, ask, .. }) = outside.0.pop() {
        let top = Position { epoch: Epoch::new("epoch"), offset: 7 };
        let answer = if ask == Ask::Subscribe { Answer::Subscribed { top } } else { Answer::Done };
        shard.response(now, Response { id, answer: Ok(answer) }, outside);
    }
}

#[test]
fn an_idle_session_is_small() {
    let everybody = Who { users: true, ..Who::default() };
    let options = ChannelOptions {
        permissions: Permissions { subscribe: everybody, ..Permissions::default() },
        history: Some(Retention::new(100, Duration::from_secs(60))),
        presence: true,
        allow_recovery: true,
        ..ChannelOptions::default()
    };
    let seed = Seed::new([1, 2]);
    let config = HubConfig::new(Namespaces::new(seed).named("inbox", options), seed);
    let mut shard = Shard::new(Arc::new(config));
    for number in 0..1000 {
        come(&mut shard, number);
    }
    let before = resident_kib();
    // Just past a doubling of all tables, which is when they are emptiest.
    let count = (1 << 15) + (1 << 10);
    for number in 1000..count {
        come(&mut shard, number);
    }
    let stats = shard.stats();
    assert_eq!((stats.session_count, stats.channel_count, stats.request_count), (count, count, 0));
    let each = (resident_kib() - before) * 1024 / (count - 1000);
    println!("{each} bytes a session");
    assert!(each <= 1536, "{each} bytes a session");
}
