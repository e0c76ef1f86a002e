//! [`SystemRandom`]: the operating system's generator.

use tidewire_proto::MaskSource;

/// What a Ping of ours carries must not be guessed, or a peer could answer before it was asked.
#[derive(Debug)]
pub(crate) struct SystemRandom;

impl MaskSource for SystemRandom {
    #[expect(clippy::expect_used, reason = "without randomness nothing may be sent (§10.3)")]
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system's random generator works");
    }

    fn incarnation(&self) -> u32 {
        std::process::id()
    }
}
