//! Bugs between a shard and its sessions, where they are planted.

use tidewire_hub::{Error, Push, Reply};

use crate::{fault::Fault, transport::Frame, world::World};

impl World {
    /// What becomes of a frame that a shard sends, if a bug is planted there.
    pub(crate) fn distort(&mut self, id: usize, frames: &mut Vec<Frame>) {
        let Some(fault) = self.fault else { return };
        if fault == Fault::Overtake {
            return self.overtake(id, frames);
        }
        let Some(frame) = frames.first_mut() else { return };
        let is_publication =
            matches!(frame, Frame::Publication(..) | Frame::Push(Push::Publication { .. }));
        match (fault, frame) {
            (Fault::LoseDelivery, _) if is_publication && self.random.one_in(20) => frames.clear(),
            (Fault::RepeatDelivery, frame) if is_publication && self.random.one_in(20) => {
                let again = frame.clone();
                frames.push(again);
            }
            (Fault::LoseReply, Frame::Reply(..)) if self.random.one_in(20) => frames.clear(),
            (Fault::RepeatReply, frame @ Frame::Reply(..)) if self.random.one_in(20) => {
                let again = frame.clone();
                frames.push(again);
            }
            (Fault::PraiseRefused, Frame::Reply(_, reply @ Err(Error::TooManyRequests))) => {
                *reply = Ok(Reply::Published);
            }
            (Fault::Stray, Frame::Publication(channel, _)) if self.random.one_in(20) => {
                *channel = crate::terrain::name("kept:nowhere");
            }
            (_, Frame::Reply(_, Ok(Reply::Subscribed(subscribed)))) => match fault {
                Fault::ClaimRecovery if subscribed.was_recovering => subscribed.recovered = true,
                Fault::RecoverPart if !subscribed.publications.is_empty() => {
                    subscribed.publications.remove(0);
                }
                Fault::DenyRecovery if subscribed.recovered => {
                    subscribed.recovered = false;
                    subscribed.publications.clear();
                }
                _ => {}
            },
            (Fault::OmitHistory, Frame::Reply(_, Ok(Reply::History { publications, .. })))
                if publications.len() > 2 =>
            {
                publications.remove(1);
            }
            _ => {}
        }
    }

    /// A publication waits until the next one of its channel has gone to the same session.
    fn overtake(&mut self, id: usize, frames: &mut Vec<Frame>) {
        let Some(Frame::Publication(channel, publication)) = frames.first() else { return };
        if publication.offset > 0 {
            return;
        }
        match &self.held {
            Some((of, Frame::Publication(held, _))) if *of == id && held == channel => {
                frames.extend(self.held.take().map(|(_, frame)| frame));
            }
            Some(_) => {}
            None => self.held = frames.pop().map(|frame| (id, frame)),
        }
    }
}
