//! Who is there, and who hears of it.

use std::sync::Arc;

use tidewire_hub::{
    Data, Member,
    broker::{Answer, Ask, Attendance, Event},
};

use super::{
    Desk, Row, Verdict,
    desk::{attendance, same},
};

pub(super) const ROWS: &[Row] = &[
    Row::new("nobody is where nobody came", |desk| {
        same("members", &members(desk)?, &vec![])?;
        counts(desk, 0, 0)?;
        desk.done(0, Ask::Leave(attendance("ann", "c1")))?;
        counts(desk, 0, 0)
    }),
    Row::new("who is there is told in order of arrival, from whichever shard it came", |desk| {
        for (shard, client) in [(0, "c3"), (1, "c1"), (2, "c2")] {
            desk.done(shard, Ask::Enter(attendance("ann", client)))?;
        }
        same("members", &members(desk)?, &names(&["c3", "c1", "c2"]))?;
        desk.done(1, Ask::Leave(attendance("ann", "c1")))?;
        desk.done(1, Ask::Enter(attendance("ann", "c1")))?;
        same("members, when one was away", &members(desk)?, &names(&["c3", "c2", "c1"]))
    }),
    Row::new("sessions are counted, and different users among them", |desk| {
        let clients = [("ann", "c1"), ("bob", "c2"), ("ann", "c3"), ("", "c4"), ("", "c5")];
        for (user, client) in clients {
            desk.done(0, Ask::Enter(attendance(user, client)))?;
        }
        counts(desk, 5, 3)?;
        desk.done(0, Ask::Leave(attendance("ann", "c1")))?;
        counts(desk, 4, 3)?;
        desk.done(0, Ask::Leave(attendance("ann", "c3")))?;
        counts(desk, 3, 2)
    }),
    Row::new("in a crowd, too", |desk| {
        let client = |n: usize| format!("c{n}");
        for n in 0..100 {
            let user = if n % 3 == 0 { "ann" } else { "bob" };
            desk.done(n % 3, Ask::Enter(attendance(user, &client(n))))?;
        }
        counts(desk, 100, 2)?;
        for n in (0..100).step_by(3) {
            desk.done(0, Ask::Leave(attendance("ann", &client(n))))?;
        }
        counts(desk, 66, 1)?;
        let left = (0..100).filter(|n| n % 3 != 0).map(client).collect::<Vec<_>>();
        same("members", &members(desk)?, &left)
    }),
    Row::new("who enters twice is there once, as it entered last", |desk| {
        desk.subscribe(1)?;
        desk.done(0, Ask::Enter(attendance("ann", "c1")))?;
        desk.done(0, Ask::Enter(attendance("bob", "c2")))?;
        let again = attendance("ann", "c1");
        let info = Some(Data::Json("1".into()));
        let member = Arc::new(Member { channel_info: info, ..(*again.member).clone() });
        desk.done(0, Ask::Enter(Attendance { member: Arc::clone(&member), ..again }))?;
        same("members", &members(desk)?, &names(&["c1", "c2"]))?;
        let Ok(Answer::Presence(present)) = desk.ask(0, Ask::Presence) else {
            return Err("presence was not answered".into());
        };
        same("what is said of it", &present.first(), &Some(&member))?;
        same("who came", &came_and_left(desk, 3)?, &names(&["+c1", "+c2"]))
    }),
    Row::new("subscribed shards are told who comes and who leaves", |desk| {
        desk.subscribe(1)?;
        desk.done(0, Ask::Enter(attendance("ann", "c1")))?;
        desk.done(0, Ask::Leave(attendance("ann", "c1")))?;
        desk.done(0, Ask::Leave(attendance("ann", "c1")))?;
        same("what was told", &came_and_left(desk, 3)?, &names(&["+c1", "-c1"]))?;
        same("what others were told", &desk.events(2, 0), &vec![])
    }),
    Row::new("whoever is not announced comes and leaves untold, and is there", |desk| {
        desk.subscribe(1)?;
        let quiet = || Attendance { announced: false, ..attendance("ann", "c1") };
        desk.done(0, Ask::Enter(quiet()))?;
        counts(desk, 1, 1)?;
        desk.done(0, Ask::Leave(quiet()))?;
        counts(desk, 0, 0)?;
        same("what was told", &came_and_left(desk, 0)?, &vec![])
    }),
    Row::new("who is announced alone is not in presence", |desk| {
        desk.subscribe(1)?;
        let alone = || Attendance { present: false, ..attendance("ann", "c1") };
        desk.done(0, Ask::Enter(alone()))?;
        counts(desk, 0, 0)?;
        desk.done(0, Ask::Leave(alone()))?;
        same("what was told", &came_and_left(desk, 2)?, &names(&["+c1", "-c1"]))
    }),
    Row::new("presence does not expire while its session is there", |desk| {
        desk.done(0, Ask::Enter(attendance("ann", "c1")))?;
        desk.pass(5);
        counts(desk, 1, 1)
    }),
];

fn members(desk: &mut Desk<'_>) -> Result<Vec<String>, String> {
    match desk.ask(2, Ask::Presence) {
        Ok(Answer::Presence(members)) => {
            Ok(members.iter().map(|member| member.client.as_str().to_owned()).collect())
        }
        other => Err(format!("presence was answered by {other:?}")),
    }
}

fn counts(desk: &mut Desk<'_>, client_count: u32, user_count: u32) -> Verdict {
    let promised = Ok(Answer::PresenceStats { client_count, user_count });
    same("counts", &desk.ask(2, Ask::PresenceStats), &promised)
}

/// `+` and `-` with the client, as shard 1 was told.
fn came_and_left(desk: &mut Desk<'_>, count: usize) -> Result<Vec<String>, String> {
    let told = desk.events(1, count).into_iter().map(|event| match event {
        Event::Joined { member, .. } => Ok(format!("+{}", member.client.as_str())),
        Event::Left { member, .. } => Ok(format!("-{}", member.client.as_str())),
        other => Err(format!("{other:?} was told")),
    });
    told.collect()
}

fn names(clients: &[&str]) -> Vec<String> {
    clients.iter().map(|&client| client.to_owned()).collect()
}
