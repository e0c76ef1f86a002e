//! The JSON dialect of realtime sessions, and the server API.
#![cfg_attr(fuzzing, no_main)]

tidewire_fuzz::target!(tidewire_fuzz::centrifuge_json::run);
