//! The raw limit: an epoll loop that sends back what it reads and knows no protocol.
#![forbid(unsafe_code)]

use tidewire_bench_peers::raw::{Connections, serve};

fn main() -> std::io::Result<()> {
    serve(Connections::send)
}
