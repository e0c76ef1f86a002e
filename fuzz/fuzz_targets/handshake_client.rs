//! Responses, cut in different ways.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::handshake_client::run);
