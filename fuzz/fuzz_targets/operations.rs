//! Everything a driver may do to one connection, in any order.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::operations::run);
