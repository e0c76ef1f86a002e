//! [`Lanes`]: what a thread has for the others, until their mailboxes take it.

use std::{collections::VecDeque, mem};

use tidewire_brokers::{Lane, Parcel, ShardIndex};
use tidewire_engine::Remote;
use tidewire_hub::broker::{Failure, Request, Response};

use super::{letter::Letter, shard_thread::ShardThread};

/// Parcels that wait for one thread. Beyond, it is told later what it has missed.
const PARCEL_COUNT_MAX: usize = 4096;

/// Requests that wait for one thread. Beyond, they have failed.
const REQUEST_COUNT_MAX: usize = 65_536;

/// What is said to another thread in one turn goes there in one letter.
#[derive(Debug)]
pub(crate) struct Lanes {
    here: ShardIndex,
    /// For this thread's own shard.
    pub(crate) local: VecDeque<Parcel>,
    others: Vec<Other>,
}

#[derive(Debug, Default)]
struct Other {
    parcels: Vec<Parcel>,
    requests: Vec<Request>,
}

impl Lanes {
    pub(crate) fn new(here: ShardIndex, count: usize) -> Self {
        let others = std::iter::repeat_with(Other::default).take(count).collect();
        Self { here, local: VecDeque::new(), others }
    }

    /// Asks another thread's partition.
    pub(crate) fn ask(&mut self, partition: usize, request: Request) {
        match self.others.get_mut(partition) {
            Some(other) if other.requests.len() < REQUEST_COUNT_MAX => other.requests.push(request),
            _ => {
                let answer = Err(Failure::Unavailable);
                self.local.push_back(Parcel::Response(Response { id: request.id, answer }));
            }
        }
    }

    /// Sends what there is; what a full mailbox does not take stays here for the next time.
    pub(crate) fn send(&mut self, remote: &Remote<ShardThread>) {
        for (to, other) in self.others.iter_mut().enumerate() {
            if !other.requests.is_empty() {
                let requests = mem::take(&mut other.requests);
                let letter = Letter::Requests { from: self.here, requests };
                if let Err(Letter::Requests { requests, .. }) = remote.tell(to, letter) {
                    other.requests = requests;
                }
            }
            if !other.parcels.is_empty() {
                let letter = Letter::Parcels(mem::take(&mut other.parcels));
                if let Err(Letter::Parcels(parcels)) = remote.tell(to, letter) {
                    other.parcels = parcels;
                }
            }
        }
    }
}

impl Lane for Lanes {
    fn put(&mut self, to: ShardIndex, parcel: Parcel) -> Result<(), Parcel> {
        if to == self.here {
            self.local.push_back(parcel);
            return Ok(());
        }
        match self.others.get_mut(to.get()) {
            Some(other) if other.parcels.len() < PARCEL_COUNT_MAX => {
                other.parcels.push(parcel);
                Ok(())
            }
            _ => Err(parcel),
        }
    }
}
