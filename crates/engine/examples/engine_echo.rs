//! An echo server.
//!
//! ```text
//! cargo run --release -p tidewire-engine --example engine_echo -- 127.0.0.1:9002
//! ```

mod common;

use std::error::Error;

use common::Options;
use tidewire_engine::{ConnectionId, Engine, Handler, Message, Plane};

struct Echo;

impl Handler for Echo {
    type Guest = ();
    type Command = ();

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        // It closes already, or reads too slowly: then it gets no answer.
        let _ = plane.send(id, message);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args("engine_echo")?;
    let engine = Engine::start(options.settings(), |_| Echo)?;
    engine.listen(options.bind()?, options.door())?;
    Ok(engine.wait()?)
}
