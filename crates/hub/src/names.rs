//! Names: of channels, users and clients.

use std::{borrow::Borrow, fmt, sync::Arc};

/// The name of a channel: 1 to 255 bytes, without control characters. Cheap to clone.
///
/// What stands before the first `:` names its namespace ([`Namespaces`](crate::Namespaces)).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

/// Not a channel's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidChannelName {
    /// It is empty.
    Empty,
    /// It has more than [`ChannelName::LEN_MAX`] bytes.
    TooLong {
        /// As many as it has.
        len: usize,
    },
    /// It has a control character, which logs and line-based formats would stumble over.
    ControlCharacter,
}

impl ChannelName {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// If it is empty, too long, or has a control character.
    pub fn new(name: &str) -> Result<Self, InvalidChannelName> {
        if name.is_empty() {
            return Err(InvalidChannelName::Empty);
        }
        if name.len() > Self::LEN_MAX {
            return Err(InvalidChannelName::TooLong { len: name.len() });
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidChannelName::ControlCharacter);
        }
        Ok(Self(Arc::from(name)))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `:`, if there is one.
    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once(':').map(|(namespace, _)| namespace)
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name of the channel is empty"),
            Self::TooLong { len } => {
                write!(
                    f,
                    "the name of the channel has {len} bytes; {} are allowed",
                    ChannelName::LEN_MAX
                )
            }
            Self::ControlCharacter => {
                f.write_str("the name of the channel has a control character")
            }
        }
    }
}

impl std::error::Error for InvalidChannelName {}

/// A user, as the application names it; empty for one who has not said who it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The user of that name.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name; empty for nobody in particular.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.0.is_empty()
    }
}

/// One session, as others see it: drawn by the driver, public (it stands in presence), and unique.
///
/// It is a name and no secret: who knows it may do nothing by that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The client of that name.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
