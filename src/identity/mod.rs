//! An identity: where its files lie, what its configuration says, where its passwords come from, and its lock.

pub mod config;
mod config_edit;
pub(crate) mod files;
pub mod layout;
pub mod lock;
pub mod secrets;

pub use config::{Account, Config, ConfigError, Conflicts, Server};
pub use layout::{AccountName, IdentityName, Layout, LayoutError, Marker, MarkerError};
pub use lock::{Holder, IdentityLock, LockError};
pub use secrets::{PasswordSource, SecretError};
