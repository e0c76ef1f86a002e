//! The built program, as a process.
#![cfg(test)]

mod answer;
mod chat;
mod command_line;
mod configuring;
mod connect;
mod door;
mod operator;
mod process;
mod realtime;
mod replies;
mod serve;
mod site;
mod wounds;
