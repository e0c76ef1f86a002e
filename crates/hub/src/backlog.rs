//! [`Backlog`]: publications that are held back for one session.

/// Publications held back.
#[derive(Debug, Default)]
pub(crate) struct Backlog {}
