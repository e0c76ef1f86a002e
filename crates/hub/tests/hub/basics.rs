//! Connect, subscribe, publish, deliver.

use crate::world::{World, open_options, plain};

#[test]
fn what_one_publishes_all_subscribers_receive_once() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("room")).unwrap();
    world.subscribe(bob, plain("room")).unwrap();
    world.publish(ann, "room", "1").unwrap();
    world.publish(bob, "room", "2").unwrap();
    assert_eq!(world.received(ann), ["1", "2"]);
    assert_eq!(world.received(bob), ["1", "2"]);
}
