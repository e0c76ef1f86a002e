//! Headers, masks and Close bodies against byte loops.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::frames::run);
