//! [`Shard`]: sessions and channels of one thread, as a state machine.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    backlog::Charged,
    broker::{Answer, Ask, Event, Failure, Request, RequestId, Response},
    channel::Channels,
    command::{Command, CommandId, Credentials, Push, Reply, Verifier},
    config::HubConfig,
    drain::Drain,
    error::{Disconnect, Error},
    names::{ChannelName, ClientId, UserId},
    outside::{Outside, SessionKey, Variant},
    proof::Proof,
    publication::{Data, Member},
    requests::{Pending, Requests},
    retrying::Agenda,
    session::{Phase, Session, Sessions},
    stats::ShardCounts,
    time::Timestamp,
    users::Users,
};

/// Sessions and channels of one thread.
///
/// Commands, events, answers and the time go in, each by a method; what comes of it leaves through the
/// [`Outside`] that is handed in. Call [`tick`](Self::tick) some sixteen times a second.
#[derive(Debug)]
pub struct Shard {
    pub(crate) config: Arc<HubConfig>,
    pub(crate) sessions: Sessions,
    pub(crate) channels: Channels,
    pub(crate) users: Users,
    pub(crate) requests: Requests,
    pub(crate) agenda: Agenda,
    pub(crate) afterwards: VecDeque<After>,
    pub(crate) drain: Option<Drain>,
    /// From where on channels that were lost are still to be asked for.
    pub(crate) lost_from: Option<usize>,
    /// When the broker was away last: it may have forgotten who was told to be there before.
    pub(crate) lost_at: Option<Timestamp>,
    /// Members that it was told of again in this tick.
    pub(crate) retold_count: usize,
    /// Sessions whose transports take no more.
    pub(crate) congested_count: usize,
    /// What all backlogs are charged.
    pub(crate) charged: Charged,
    /// Which sixteenth was looked at last.
    pub(crate) phase: usize,
    /// Whether the broker was told in this tick that something it sends is for nobody.
    pub(crate) stray_told: bool,
    pub(crate) counts: ShardCounts,
}

/// What has to wait until a call is about to end, for it would change what is being gone through.
#[derive(Debug)]
pub(crate) enum After {
    /// A session ends.
    End(SessionKey, Disconnect),
    /// A session may have all of its server-side subscriptions.
    Complete(SessionKey),
}

/// One who comes.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the door makes it")]
pub struct Guest {
    /// The session's public name.
    pub client: ClientId,
    /// How its bytes look.
    pub variant: Variant,
    /// Who it is, if that was told with the request. It connects by a command all the same.
    pub credentials: Option<Credentials>,
}

/// One call into a shard: what is the same all through it.
pub(crate) struct Turn<'a> {
    pub(crate) now: Timestamp,
    pub(crate) outside: &'a mut dyn Outside,
}

impl Shard {
    /// A shard without anybody in it.
    pub fn new(config: Arc<HubConfig>) -> Self {
        Self {
            sessions: Sessions::default(),
            channels: Channels::new(config.seed),
            users: Users::new(config.seed),
            requests: Requests::default(),
            agenda: Agenda::default(),
            afterwards: VecDeque::new(),
            drain: None,
            lost_from: None,
            lost_at: None,
            retold_count: 0,
            congested_count: 0,
            charged: Charged::default(),
            phase: 0,
            stray_told: false,
            counts: ShardCounts::default(),
            config,
        }
    }

    /// Somebody comes.
    ///
    /// # Errors
    /// If there is no room, or the shard is being drained.
    pub fn open(
        &mut self,
        now: Timestamp,
        guest: Guest,
        _outside: &mut dyn Outside,
    ) -> Result<SessionKey, Disconnect> {
        if self.drain.is_some() {
            return Err(Disconnect::Shutdown);
        }
        if self.sessions.len() >= self.config.limits.session_count_max {
            return Err(Disconnect::ConnectionLimit);
        }
        let member = Member {
            user: UserId::default(),
            client: guest.client,
            connection_info: None,
            channel_info: None,
        };
        let phase = Phase::Silent {
            until: now.saturating_add(self.config.connect_within),
            credentials: guest.credentials.map(Box::new),
        };
        let session = Session::new(Arc::new(member), guest.variant, phase);
        self.sessions.insert(session).ok_or(Disconnect::ConnectionLimit)
    }

    /// A session asks for something.
    pub fn command(
        &mut self,
        now: Timestamp,
        session: SessionKey,
        id: CommandId,
        command: Command,
        verifier: &mut dyn Verifier,
        outside: &mut dyn Outside,
    ) {
        let turn = &mut Turn { now, outside };
        if !self.hears(session, &command, turn) {
            return;
        }
        let Some(asking) = self.sessions.get(session) else { return };
        let proof = Proof::of(&command, &asking.member, verifier);
        self.in_its_turn(session, id, command, proof, turn);
    }

    /// A session asks for something that its driver does not want carried out now: it is answered so in its
    /// turn, and costs what it costs anyway.
    pub fn refuse(
        &mut self,
        now: Timestamp,
        session: SessionKey,
        id: CommandId,
        command: &Command,
        why: Error,
        outside: &mut dyn Outside,
    ) {
        let turn = &mut Turn { now, outside };
        if self.hears(session, command, turn) {
            self.in_its_turn(session, id, Command::Refused(why), Proof::None, turn);
        }
    }

    /// Whether a session may ask for that at all, now and as fast as this. If not, it has ended.
    fn hears(&mut self, session: SessionKey, command: &Command, turn: &mut Turn<'_>) -> bool {
        let Some(asking) = self.sessions.get_mut(session) else { return false };
        let over = asking.over_pace(turn.now, command.cost(), &self.config.limits);
        let is_connect = matches!(command, Command::Connect(_));
        let why = if let Some(over) = over {
            self.counts.over_pace(over);
            Disconnect::TooManyRequests
        } else if is_connect != matches!(asking.phase, Phase::Silent { .. }) {
            Disconnect::BadRequest
        } else {
            return true;
        };
        self.end(session, why, turn);
        false
    }

    /// Carries out a command, or lets it wait until the session is connected.
    fn in_its_turn(
        &mut self,
        session: SessionKey,
        id: CommandId,
        command: Command,
        proof: Proof,
        turn: &mut Turn<'_>,
    ) {
        let Some(asking) = self.sessions.get_mut(session) else { return };
        if let Phase::Connecting(connecting) = &mut asking.phase {
            if connecting.deferred.len() >= self.config.limits.pending_command_count_max {
                return self.end(session, Disconnect::TooManyRequests, turn);
            }
            connecting.deferred.push((id, command, proof));
            return;
        }
        self.carry_out(session, id, command, proof, turn);
        self.finish(turn);
    }

    pub(crate) fn carry_out(
        &mut self,
        session: SessionKey,
        id: CommandId,
        command: Command,
        proof: Proof,
        turn: &mut Turn<'_>,
    ) {
        match command {
            Command::Connect(connect) => self.connect(session, id, &connect, proof, turn),
            Command::Refresh { .. } => self.refresh_connection(session, id, proof, turn),
            Command::Subscribe(subscribe) => {
                self.subscribe_by_client(session, id, &subscribe, proof, turn);
            }
            Command::RefreshSubscription { channel, .. } => {
                self.refresh_subscription(session, id, &channel, proof, turn);
            }
            Command::Unsubscribe { channel } => {
                self.unsubscribe_by_client(session, id, &channel, turn);
            }
            Command::Publish(publish) => self.publish(session, id, publish, turn),
            Command::History(history) => self.history(session, id, history, turn),
            Command::Presence { channel } => {
                self.presence(session, id, &channel, Ask::Presence, turn);
            }
            Command::PresenceStats { channel } => {
                self.presence(session, id, &channel, Ask::PresenceStats, turn);
            }
            Command::Call { .. } => turn.reply(session, id, Err(Error::MethodNotFound)),
            // There is no application to take it, and no reply by which to say so.
            Command::Send { .. } => self.end(session, Disconnect::NotAvailable, turn),
            Command::Pong => {
                let answered = self.sessions.get_mut(session);
                if let Some(took) = answered.and_then(|one| one.pong(turn.now, &self.config)) {
                    self.counts.round_trips.count(took, 1);
                }
            }
            Command::Refused(error) => turn.reply(session, id, Err(error)),
        }
    }

    /// What the application has said of a session for itself.
    pub fn meta(&self, session: SessionKey) -> Option<&Data> {
        self.sessions.get(session)?.meta.as_deref()
    }

    /// A session has broken the rules, of its dialect or of its transport: it ends, and is told why.
    pub fn fail(
        &mut self,
        now: Timestamp,
        session: SessionKey,
        why: Disconnect,
        outside: &mut dyn Outside,
    ) {
        let turn = &mut Turn { now, outside };
        self.end(session, why, turn);
        self.finish(turn);
    }

    /// A session's transport has ended.
    pub fn closed(&mut self, now: Timestamp, session: SessionKey, outside: &mut dyn Outside) {
        let turn = &mut Turn { now, outside };
        self.forget(session, turn);
        self.finish(turn);
    }

    /// The broker answers.
    pub fn response(&mut self, now: Timestamp, response: Response, outside: &mut dyn Outside) {
        let turn = &mut Turn { now, outside };
        self.answered(response.id, response.answer, turn);
        self.finish(turn);
    }

    /// The broker tells something.
    pub fn event(&mut self, now: Timestamp, event: Event, outside: &mut dyn Outside) {
        let turn = &mut Turn { now, outside };
        match event {
            Event::Published { channel, epoch, publication } => {
                self.published(&channel, epoch, &publication, turn);
            }
            Event::Joined { channel, member } => self.announced(&channel, &member, true, turn),
            Event::Left { channel, member } => self.announced(&channel, &member, false, turn),
            Event::Top { channel, position } => self.top(&channel, position, turn),
            Event::Lost => self.lost(turn),
        }
        self.finish(turn);
    }

    pub(crate) fn answered(
        &mut self,
        id: RequestId,
        answer: Result<Answer, Failure>,
        turn: &mut Turn<'_>,
    ) {
        match self.requests.finish(id) {
            Some(Pending::Command { session, id }) => {
                self.command_answered(session, id, answer, turn);
            }
            Some(Pending::Subscribe { channel, live_offset }) => {
                self.subscribe_answered(id, channel, live_offset, answer, turn);
            }
            Some(Pending::Read { channel }) => self.read_answered(id, channel, answer, turn),
            Some(Pending::Chore(chore)) => {
                if let Err(why) = answer {
                    self.chore_failed(chore, &why, turn.now);
                }
            }
            // Answered too late.
            None => {}
        }
    }

    /// Does what could not be done in the middle of something else.
    pub(crate) fn finish(&mut self, turn: &mut Turn<'_>) {
        while let Some(after) = self.afterwards.pop_front() {
            match after {
                After::End(session, why) => self.end(session, why, turn),
                After::Complete(session) => self.connect_if_complete(session, turn),
            }
        }
    }

    /// Ends a session, and tells it why.
    pub(crate) fn end(&mut self, session: SessionKey, why: Disconnect, turn: &mut Turn<'_>) {
        self.end_by(session, Push::Disconnect(why), turn);
    }

    /// Ends a session by that push.
    pub(crate) fn end_by(&mut self, session: SessionKey, last: Push, turn: &mut Turn<'_>) {
        if self.forget(session, turn) {
            turn.outside.push(session, last);
        }
    }

    /// Takes a session out of everything. Says whether it was there.
    fn forget(&mut self, key: SessionKey, turn: &mut Turn<'_>) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        session.phase = Phase::Ended;
        self.congested_count -= usize::from(session.congested);
        if let Some(backlog) = &mut session.backlog {
            backlog.clear(&mut self.charged);
        }
        let channels = session.subscriptions.channels();
        for channel in channels {
            self.leave(key, channel, turn);
        }
        if let Some(session) = self.sessions.remove(key)
            && let Some((moved, place)) =
                self.users.remove(&session.member.user, session.user_place)
            && let Some(moved) = self.sessions.get_mut(moved)
        {
            moved.user_place = place;
        }
        true
    }

    /// Asks the broker for something.
    pub(crate) fn submit(
        &mut self,
        channel: ChannelName,
        ask: Ask,
        pending: Pending,
        turn: &mut Turn<'_>,
    ) -> RequestId {
        let id = self.requests.begin(turn.now.saturating_add(self.config.request_within), pending);
        turn.outside.submit(Request { id, channel, ask });
        id
    }
}

impl Turn<'_> {
    /// Answers a command, if an answer is wanted.
    pub(crate) fn reply(
        &mut self,
        session: SessionKey,
        id: CommandId,
        reply: Result<Reply, Error>,
    ) {
        if id != CommandId::default() {
            self.outside.reply(session, id, reply);
        }
    }
}
