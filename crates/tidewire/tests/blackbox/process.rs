//! What a process costs, as Linux tells.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::program::{PATIENCE, Program};

impl Program {
    /// Bytes of memory that are its own and in use: what it allocated and has touched.
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // utime and stime are the 14th and the 15th field; the state, the 3rd, is our first.
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }
}

/// Waits until `so` holds.
pub fn wait_until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the server has accepted every connection and read all that was sent to it.
pub fn wait_until_all_is_read(server: &Program) {
    let port = format!(":{:04X}", server.address.port());
    wait_until("the server reads", || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let waiting = table.lines().filter_map(|line| {
            // sl local rem st tx_queue:rx_queue, where a listening socket counts connections.
            let mut fields = line.split_ascii_whitespace().skip(1);
            fields.next()?.ends_with(&port).then_some(())?;
            u64::from_str_radix(fields.nth(2)?.split_once(':')?.1, 16).ok()
        });
        waiting.sum::<u64>() == 0
    });
}
