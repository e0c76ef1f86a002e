//! Ten thousand connections that come, talk, and go in every way there is: afterwards the engine is
//! as small as it was. Run by `cargo xtask soak`, not by `cargo test`: it takes most of a minute.
#![cfg(test)]
#![cfg(target_os = "linux")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tidewire_engine::{
    ConnectionId, Door, Engine, Handler, Message, Plane, Settings,
    proto::{FrameHeader, OpCode, Prepared},
};

const CONNECTION_COUNT: usize = 10_000;
const THREAD_COUNT: usize = 4;
const CHURN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
const TOPIC: &str = "everybody";

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Echoes; some of what it hears it publishes to a few.
struct Echo;

impl Handler for Echo {
    type Guest = ();
    type Command = ();

    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, (): ()) {
        if id.index().is_multiple_of(100) {
            plane.subscribe(id, TOPIC);
        }
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        if message.as_bytes() == b"publish" {
            plane.publish(TOPIC, &Prepared::new("published"));
        }
        // It closes already, or reads too slowly.
        let _ = plane.send(id, message);
    }
}

/// The engine, in a process of its own: together they would have too many files open.
#[test]
#[ignore = "it is a part of the other test"]
fn server() {
    let mut settings = Settings::default();
    settings.thread_count = 2;
    settings.io = env::var("IO").ok().and_then(|io| io.parse().ok()).unwrap_or_default();
    let engine = Engine::start(settings, |_| Echo).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    engine.listen(listener, Door::new()).unwrap();
    // Asks how many there are, until the input ends.
    for _ in std::io::stdin().lines() {
        println!("connections {}", engine.remote().connection_count());
    }
    engine.stop(Duration::ZERO).unwrap();
}

#[test]
#[ignore = "it takes most of a minute: cargo xtask soak"]
fn memory_is_back_where_it_was() {
    for io in ["epoll", "auto"] {
        println!("--io {io}");
        soak(Server::start(io));
    }
}

fn soak(mut server: Server) {
    let fresh = server.memory();
    // Once full and once empty: places, lists and threads have their size then.
    let crowd = server.crowd();
    let full = server.memory();
    drop(crowd);
    server.wait_until("all are gone", |server| server.connection_count() == 0);
    thread::sleep(Duration::from_secs(9)); // unused buffers go back after four to eight
    let (before, files) = (server.memory(), server.open_files());
    println!("{} bytes for each connection", full.saturating_sub(fresh) / CONNECTION_COUNT);

    let crowd = server.crowd();
    let address = server.address;
    let chunks: Vec<Vec<TcpStream>> = in_parts(crowd);
    let done: usize = thread::scope(|scope| {
        let busy = chunks
            .into_iter()
            .enumerate()
            .map(|(number, mut clients)| scope.spawn(move || churn(number, address, &mut clients)));
        let busy: Vec<_> = busy.collect();
        busy.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{done} deeds");
    server.wait_until("all are gone", |server| server.connection_count() == 0);
    server.wait_until("files are closed", |server| server.open_files() <= files);
    // A page here and there; a leak of some bytes for each of the deeds would be much more.
    server.wait_until("memory is back", |server| server.memory() <= before + (1 << 20));
    server.end();
}

fn in_parts(mut all: Vec<TcpStream>) -> Vec<Vec<TcpStream>> {
    let len = all.len().div_ceil(THREAD_COUNT);
    (0..THREAD_COUNT).map(|_| all.split_off(all.len().saturating_sub(len))).collect()
}

/// Does this and that to any of its connections until the time is over. Tells how often.
fn churn(seed: usize, server: SocketAddr, clients: &mut [TcpStream]) -> usize {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ (seed as u64 + 1);
    let mut random = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % end
    };
    let until = Instant::now() + CHURN;
    let mut count = 0;
    while Instant::now() < until {
        count += 1;
        let client = &mut clients[random(clients.len())];
        match random(20) {
            0..10 => round_trip(client, &vec![b'x'; random(300)]),
            10 => round_trip(client, &vec![b'x'; random(200_000)]),
            11 => round_trip(client, b"publish"),
            // Half a message stays where it is, until somebody takes the connection next.
            12 => {
                client.write_all(&frame(OpCode::Binary, &[0; 9000])[..random(9000)]).unwrap();
                reset(client);
                *client = open(server);
            }
            13 => {
                client.write_all(&frame(OpCode::Close, &1000_u16.to_be_bytes())).unwrap();
                // What was published comes before the answer; then the end.
                std::io::copy(client, &mut std::io::sink()).unwrap();
                *client = open(server);
            }
            14 => {
                // A violation.
                client.write_all(&[0x83, 0x80, 0, 0, 0, 0]).unwrap();
                std::io::copy(client, &mut std::io::sink()).unwrap();
                *client = open(server);
            }
            15 => {
                reset(client);
                *client = open(server);
            }
            16 => {
                // Half a request, or none.
                let mut other = TcpStream::connect(server).unwrap();
                other.write_all(&REQUEST.as_bytes()[..random(REQUEST.len())]).unwrap();
            }
            17 => {
                // Much that nobody reads.
                for _ in 0..20 {
                    client.write_all(&frame(OpCode::Binary, &[1; 1000])).unwrap();
                }
                *client = open(server);
            }
            _ => *client = open(server),
        }
    }
    count
}

fn open(server: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(server).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    client
}

fn reset(client: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO)).unwrap();
}

/// Sends a message and waits for it; what was published meanwhile is passed over.
fn round_trip(client: &mut TcpStream, payload: &[u8]) {
    client.write_all(&frame(OpCode::Binary, payload)).unwrap();
    loop {
        let mut bytes = Vec::new();
        let header = loop {
            if let Some((header, _)) = FrameHeader::decode(&bytes).unwrap() {
                break header;
            }
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            bytes.push(byte[0]);
        };
        let mut heard = vec![0; usize::try_from(header.len).unwrap()];
        client.read_exact(&mut heard).unwrap();
        if header.opcode == OpCode::Binary {
            assert!(heard == payload, "an echo of something else");
            return;
        }
    }
}

/// With the zero key, which is as good as any.
fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let (masking_key, len) = (Some([0; 4]), payload.len() as u64);
    let header = FrameHeader { fin: true, rsv: 0, opcode, masking_key, len };
    [&header.encode()[..], payload].concat()
}

struct Server {
    child: Child,
    address: SocketAddr,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Server {
    fn start(io: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["server", "--exact", "--ignored", "--nocapture"])
            .env("IO", io)
            // glibc gives back less and less of what it has once mapped; this is about the engine.
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .env("MALLOC_TRIM_THRESHOLD_", "131072")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = said(&mut lines, "listening on ");
        Self { child, address, lines }
    }

    /// All the connections there are to be.
    fn crowd(&mut self) -> Vec<TcpStream> {
        let crowd: Vec<_> = (0..CONNECTION_COUNT).map(|_| open(self.address)).collect();
        assert_eq!(self.connection_count(), CONNECTION_COUNT);
        crowd
    }

    fn connection_count(&mut self) -> usize {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        said(&mut self.lines, "connections ")
    }

    /// Bytes of memory that are its own and in use.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    fn wait_until(&mut self, what: &str, so: impl Fn(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            assert!(Instant::now() < deadline, "never: {what}; {} bytes", self.memory());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// What stands behind `start` on the next line that has it.
fn said<T: std::str::FromStr>(
    lines: &mut std::io::Lines<BufReader<std::process::ChildStdout>>,
    start: &str,
) -> T {
    let said = lines.map_while(Result::ok).find_map(|line| line.split_once(start)?.1.parse().ok());
    said.expect("the server says it")
}
