//! A process without file descriptors: in one of its own, whose limit is low.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, setrlimit};
use tidewire_engine::Io;
use tracing::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::{
    client::{Client, REQUEST},
    server::Server,
};

on_every_io! {
    accepting_rests_and_goes_on,
}

const FILES: u64 = 60;

/// Says on standard output when accepting comes to rest, of which there is a warning each time.
struct Rests;

impl Subscriber for Rests {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        println!("rests");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What the process of its own runs, until its input ends.
#[test]
#[ignore = "it is a part of another test"]
fn few_files() {
    tracing::subscriber::set_global_default(Rests).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: Some(FILES) }).unwrap();
    let io = env::var("IO").ok().and_then(|io| io.parse().ok()).unwrap_or(Io::Auto);
    let server = Server::new(io);
    println!("listening on {}", server.address);
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn accepting_rests_and_goes_on(io: Io) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["exhausted::few_files", "--exact", "--ignored", "--nocapture"])
        .env("IO", format!("{io:?}").to_lowercase())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: SocketAddr = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("listening on ")?.1.parse().ok())
        .expect("it listens");
    // More than there are file descriptors: the last ones wait in the listener's queue.
    let mut clients: Vec<_> = (0..FILES + 20)
        .map(|_| {
            let mut client = Client::tcp(address);
            client.write(REQUEST.as_bytes());
            client
        })
        .collect();
    let mut last = clients.split_off(clients.len() - 5);
    assert_eq!(clients[0].status(), 101);
    let (before, began) = (cpu(&child), Instant::now());
    let mut rests = lines.map_while(Result::ok).filter(|line| line == "rests");
    // The first ones may have waited for us here.
    for _ in 0..15 {
        assert!(rests.next().is_some(), "it ends");
    }
    let (spent, passed) = (cpu(&child).saturating_sub(before), began.elapsed());
    assert!(passed > Duration::from_millis(300), "it asks again and again: {passed:?}");
    assert!(spent < passed / 2, "it does not rest: {spent:?} of {passed:?}");
    clients[0].round_trip("served meanwhile");
    clients.truncate(10);
    for client in &mut last {
        assert_eq!(client.status(), 101);
        client.round_trip("let in");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// The processor time that a process has used.
fn cpu(child: &Child) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    // utime and stime are the 14th and the 15th field; the state, the 3rd, is our first.
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
