//! Extension headers and the parameters of permessage-deflate.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::negotiation::run);
