//! Delivering: from the broker's event to the sessions that receive it.

use std::sync::Arc;

use crate::{
    names::ChannelName,
    publication::{Epoch, Publication},
    shard::{Shard, Turn},
};

impl Shard {
    pub(crate) fn published(
        &mut self,
        name: &ChannelName,
        _epoch: Option<Epoch>,
        publication: &Arc<Publication>,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.channels.find(name.as_str()) else { return };
        let Some(channel) = self.channels.get_mut(index) else { return };
        if let Some(live) = &mut channel.live {
            if publication.offset != 0 && publication.offset <= live.offset {
                return;
            }
            live.offset = live.offset.max(publication.offset);
        }
        for (variant, list) in channel.receivers.lists() {
            turn.outside.deliver(&channel.name, publication, variant, list.keys());
        }
    }
}
