//! Each message that arrives is published to every connection, the sender included.
//!
//! ```text
//! cargo run --release -p tidewire-engine --example engine_broadcast -- 127.0.0.1:9003
//! ```

mod common;

use std::error::Error;

use common::Options;
use tidewire_engine::{ConnectionId, Engine, Handler, Message, Plane, proto::Prepared};

const EVERYBODY: &str = "everybody";

struct Broadcast;

impl Handler for Broadcast {
    type Guest = ();
    type Command = ();

    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, (): ()) {
        plane.subscribe(id, EVERYBODY);
    }

    fn message(&mut self, plane: &mut Plane<Self>, _: ConnectionId, message: Message<'_>) {
        let message = Prepared::new(message).compressed();
        // A thread that does not keep up loses messages rather than memory.
        if let Err(full) = plane.publish_everywhere(EVERYBODY, &message) {
            eprintln!("{full}");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args("engine_broadcast")?;
    let engine = Engine::start(options.settings(), |_| Broadcast)?;
    engine.listen(options.bind()?, options.door())?;
    Ok(engine.wait()?)
}
