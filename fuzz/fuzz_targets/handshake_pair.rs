//! What a client asks, a server answers, and both agree on.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::handshake_pair::run);
