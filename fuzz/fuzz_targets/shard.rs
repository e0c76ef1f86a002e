//! Sessions and channels, between clients and a broker that do anything.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::shard::run);
