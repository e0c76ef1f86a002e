//! Two endpoints that talk: what is sent is received.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::pair::run);
