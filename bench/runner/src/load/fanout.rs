//! The load of a fan-out: one connection publishes a window, and every connection, the publisher's
//! too, must get all of it before the next is published.

use std::time::{Duration, Instant};

use super::{Done, Job, OverSockets, connection::Progress, sockets::Sockets};
use crate::Result;

pub(super) struct Fanout {
    sockets: Sockets,
    /// Where in the ring the last window published begins.
    first: usize,
}

/// Who publishes.
const PUBLISHER: usize = 0;

impl Fanout {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self { sockets: Sockets::new(job)?, first: 0 })
    }

    /// Publishes one window and sees it delivered to everybody.
    fn round(&mut self) -> Result<()> {
        self.first = self.sockets.traffic.after(self.first);
        let receiver_count = self.sockets.len();
        for receiver in PUBLISHER + 1..receiver_count {
            self.sockets.expect(receiver, self.first);
        }
        self.sockets.begin_at(PUBLISHER, self.first)?;
        let mut complete = 0;
        while complete < receiver_count {
            for event in 0..self.sockets.wait()? {
                let (_, progress) = self.sockets.turn(event)?;
                complete += usize::from(progress == Progress::Complete);
            }
        }
        Ok(())
    }
}

impl OverSockets for Fanout {
    fn sockets(&mut self) -> &mut Sockets {
        &mut self.sockets
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let (began, came_before) = (Instant::now(), self.sockets.came_len());
        let mut round_count = 0;
        while round_count == 0 || began.elapsed() < duration {
            self.round()?;
            round_count += 1;
        }
        let deliveries = self.sockets.len() * self.sockets.traffic.in_flight;
        Ok(Done {
            piece_count: round_count * deliveries as u64,
            elapsed: began.elapsed(),
            came_len: self.sockets.came_len() - came_before,
        })
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        Err("nobody but the publisher sends".into())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::{
        super::{Load, opening, traffic::Speaks},
        *,
    };
    use crate::task::Task;

    #[test]
    fn receivers_that_never_send_answer_pings_within_a_round() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let job = Job {
            addr: listener.local_addr().unwrap(),
            speaks: Speaks::WebSocket,
            task: Task::Fanout,
            scenario: "20x3x2".parse().unwrap(),
        };
        let server = thread::spawn(move || {
            let mut sockets = Vec::new();
            for _ in 0..3 {
                let (mut socket, _) = listener.accept().unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                opening::consent(&mut socket);
                sockets.push(socket);
            }
            let mut window = [0; 2 * 26];
            sockets[PUBLISHER].read_exact(&mut window).unwrap();
            for socket in &mut sockets {
                socket.write_all(&[0x89, 0]).unwrap();
                for frame in window.chunks(26) {
                    let key = &frame[2..6];
                    let payload = frame[6..].iter().zip(key.iter().cycle());
                    socket.write_all(&[0x82, 20]).unwrap();
                    socket
                        .write_all(&payload.map(|(byte, key)| byte ^ key).collect::<Vec<_>>())
                        .unwrap();
                    socket.write_all(&[0x89, 1, b'?']).unwrap();
                }
            }
            for socket in &mut sockets {
                let mut pongs = [0; 6 + 7 + 7];
                socket.read_exact(&mut pongs).unwrap();
                assert_eq!(pongs[..7], [0x8A, 0x80, 0, 0, 0, 0, 0x8A]);
            }
            sockets // open until the load has seen all of this
        });
        let mut load = Fanout::new(&job).unwrap();
        load.open(3).unwrap();
        let done = Load::run(&mut load, Duration::ZERO).unwrap();
        assert_eq!((done.piece_count, done.came_len), (6, 6 * 22));
        while !server.is_finished() {
            load.rest().unwrap(); // the last Pings
        }
        server.join().unwrap();
    }
}
