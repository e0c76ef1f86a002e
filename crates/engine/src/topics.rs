//! [`Topics`]: who wants to hear what, on one thread.

use std::collections::HashMap;

use bytes::Bytes;

/// Subscriptions of the connections of one thread, by topic and by connection.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// Each with its number.
    numbers: HashMap<Bytes, usize>,
    all: Vec<Topic>,
    free: Vec<usize>,
    /// By index of the connection: its subscriptions.
    subscriptions: Vec<Vec<Subscription>>,
}

#[derive(Debug, Default)]
struct Topic {
    name: Bytes,
    /// Indices of connections, in no order that means anything.
    subscribers: Vec<u32>,
}

/// That a connection is subscribed to a topic: where each is found in the other's list.
#[derive(Debug, Clone, Copy)]
struct Subscription {
    topic: usize,
    /// Its place among the topic's subscribers.
    place: usize,
}

/// Topics that one connection may be subscribed to.
pub(crate) const SUBSCRIPTION_COUNT_MAX: usize = 1024;

impl Topics {
    /// `false`: it is subscribed to as many as it may.
    pub(crate) fn subscribe(&mut self, connection: u32, name: &[u8]) -> bool {
        let at = connection as usize;
        if self.subscriptions.len() <= at {
            self.subscriptions.resize_with(at + 1, Vec::new);
        }
        let topic = self.number(name);
        let subscriptions = &mut self.subscriptions[at];
        if subscriptions.iter().any(|subscription| subscription.topic == topic) {
            return true;
        }
        if subscriptions.len() >= SUBSCRIPTION_COUNT_MAX {
            self.forget_if_empty(topic);
            return false;
        }
        let subscribers = &mut self.all[topic].subscribers;
        subscriptions.push(Subscription { topic, place: subscribers.len() });
        subscribers.push(connection);
        true
    }

    pub(crate) fn unsubscribe(&mut self, connection: u32, name: &[u8]) {
        let Some(&topic) = self.numbers.get(name) else { return };
        let Some(subscriptions) = self.subscriptions.get_mut(connection as usize) else { return };
        if let Some(at) = subscriptions.iter().position(|subscription| subscription.topic == topic)
        {
            let subscription = subscriptions.swap_remove(at);
            self.take_out(subscription);
        }
    }

    /// The connection has ended.
    pub(crate) fn forget(&mut self, connection: u32) {
        let Some(subscriptions) = self.subscriptions.get_mut(connection as usize) else { return };
        for subscription in std::mem::take(subscriptions) {
            self.take_out(subscription);
        }
    }

    pub(crate) fn subscribers(&self, name: &[u8]) -> &[u32] {
        self.numbers.get(name).map_or(&[], |&topic| &self.all[topic].subscribers)
    }

    fn number(&mut self, name: &[u8]) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Topic::default());
            self.all.len() - 1
        });
        let name = Bytes::copy_from_slice(name);
        self.all[number].name = name.clone();
        self.numbers.insert(name, number);
        number
    }

    fn take_out(&mut self, Subscription { topic, place }: Subscription) {
        let subscribers = &mut self.all[topic].subscribers;
        subscribers.swap_remove(place);
        // The last one stands there now.
        if let Some(&moved) = subscribers.get(place) {
            let its = self.subscriptions[moved as usize].iter_mut();
            its.filter(|subscription| subscription.topic == topic)
                .for_each(|subscription| subscription.place = place);
        }
        self.forget_if_empty(topic);
    }

    fn forget_if_empty(&mut self, number: usize) {
        let topic = &mut self.all[number];
        if topic.subscribers.is_empty() {
            let Topic { name, .. } = std::mem::take(topic);
            self.numbers.remove(&name);
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_connection_has_so_many_subscriptions_and_no_more() {
        let mut topics = Topics::default();
        for topic in 0..SUBSCRIPTION_COUNT_MAX {
            assert!(topics.subscribe(3, topic.to_string().as_bytes()), "{topic}");
        }
        assert!(!topics.subscribe(3, b"one more"));
        assert!(topics.subscribe(3, b"7"), "it has that one");
        assert_eq!(topics.numbers.len(), SUBSCRIPTION_COUNT_MAX);
        topics.forget(3);
        assert!(topics.numbers.is_empty());
    }

    proptest! {
        /// Against a map of sets.
        #[test]
        fn as_a_map_of_sets(steps in prop::collection::vec((0..3_u8, 0..6_u32, 0..4_u8), 0..200)) {
            let mut topics = Topics::default();
            let mut model: BTreeMap<u8, BTreeSet<u32>> = BTreeMap::new();
            for (what, connection, topic) in steps {
                match what {
                    0 => {
                        topics.subscribe(connection, &[topic]);
                        model.entry(topic).or_default().insert(connection);
                    }
                    1 => {
                        topics.unsubscribe(connection, &[topic]);
                        model.entry(topic).or_default().remove(&connection);
                    }
                    _ => {
                        topics.forget(connection);
                        for all in model.values_mut() {
                            all.remove(&connection);
                        }
                    }
                }
                for (topic, expected) in &model {
                    let found: BTreeSet<_> = topics.subscribers(&[*topic]).iter().copied().collect();
                    prop_assert_eq!(&found, expected);
                }
                let named = model.values().filter(|all| !all.is_empty()).count();
                prop_assert_eq!(topics.numbers.len(), named);
            }
        }
    }
}
