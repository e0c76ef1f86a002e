//! The loads of the realtime server. They speak the centrifuge protocol in JSON over WebSocket, one
//! command in a frame, and look at every line that comes back.
//!
//! The bare loops beside the server know no sessions: they do the same work with bytes (see
//! [`without_sessions`]).

mod arrivals;
mod client;
mod crowd;
mod fanout;
mod idle;
mod lines;
mod publishing;

use super::{Job, Load, echo::Echo, fanout::Fanout, handshakes::Handshakes};
use crate::{
    Result,
    load::traffic::Speaks,
    scenario::{Kind, Scenario},
    task::Task,
};

/// The load of a task that is for servers with sessions.
pub(super) fn load(job: &Job) -> Result<Box<dyn Load>> {
    if job.speaks != Speaks::Centrifuge {
        return without_sessions(job);
    }
    Ok(match job.task {
        Task::ServerFanout => Box::new(fanout::ChannelFanout::new(job)?),
        Task::ServerPublish | Task::ServerPublishSpread => {
            Box::new(publishing::Publishing::new(job)?)
        }
        Task::ServerSessions | Task::ServerStorm => Box::new(arrivals::Arrivals::new(job)?),
        _ => Box::new(idle::IdleSessions::new(job)?),
    })
}

/// What a loop does for the same work that knows no protocol: frames as long as the server's go out, as
/// many as it publishes come in, and connections come and go.
fn without_sessions(job: &Job) -> Result<Box<dyn Load>> {
    let as_task = |task| Job { task, ..job.clone() };
    Ok(match job.task {
        Task::ServerFanout => {
            let payload_len = lines::push_len(job.scenario.payload_len);
            let scenario = Scenario { kind: Kind::Text, payload_len, ..job.scenario };
            Box::new(Fanout::new(&Job { scenario, ..as_task(Task::Fanout) })?)
        }
        Task::ServerPublish | Task::ServerPublishSpread => Box::new(AtMost {
            load: Echo::new(&as_task(Task::Echo))?,
            count: publishing::PUBLISHER_COUNT,
        }),
        Task::ServerSessions | Task::ServerStorm => Box::new(AtMost {
            load: Handshakes::new(&as_task(Task::Handshakes))?,
            count: arrivals::OPENING_COUNT_MAX,
        }),
        _ => Box::new(Echo::new(&as_task(Task::Idle))?),
    })
}

/// A load with no more connections than that, however many it is told to open.
struct AtMost<L> {
    load: L,
    count: usize,
}

impl<L: Load> Load for AtMost<L> {
    fn open(&mut self, count: usize) -> Result<super::Done> {
        self.load.open(count.min(self.count))
    }

    fn close(&mut self) -> Result<super::Done> {
        self.load.close()
    }

    fn rest(&mut self) -> Result<super::Done> {
        self.load.rest()
    }

    fn run(&mut self, duration: std::time::Duration) -> Result<super::Done> {
        self.load.run(duration)
    }

    fn each_in_turn(&mut self) -> Result<super::Done> {
        self.load.each_in_turn()
    }
}
