//! Requests, cut in different ways, against a reader of lines.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::handshake_server::run);
