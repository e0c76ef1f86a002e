//! A server under test: a process on the server's core, listening on a loopback port.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    catalog::Candidate,
    machine::{self, Core},
};

/// Ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

const START_TIME_MAX: Duration = Duration::from_secs(10);

impl Server {
    /// Starts `candidate` on `core` and waits until it listens.
    pub(crate) fn start(candidate: &Candidate, core: Core) -> Result<Self> {
        let addr = free_address()?;
        let words = candidate.command_line(addr)?;
        let (program, arguments) = words.split_first().ok_or("an empty command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let mut server = Self { child: machine::spawn_on(core, &mut command)?, addr };
        let began = Instant::now();
        while TcpStream::connect(addr).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("it ended at once: {status}").into());
            }
            if began.elapsed() > START_TIME_MAX {
                return Err(format!("it does not listen on {addr}").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about a failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback port that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
