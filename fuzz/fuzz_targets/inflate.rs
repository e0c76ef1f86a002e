//! Compressed messages against another implementation of DEFLATE.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::inflate::run);
