//! A stream of frames, cut in different ways, against a naive receiver.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::connection::run);
