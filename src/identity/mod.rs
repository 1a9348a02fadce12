//! An identity: where its files lie, its marker, what its configuration says, where its passwords and tokens come from, and its lock.

pub mod auth;
pub mod config;
mod config_edit;
pub(crate) mod files;
pub mod layout;
pub mod lock;
pub mod marker;
pub mod secrets;
pub mod tokens;

pub use auth::{Auth, OAuth2Settings};
pub use config::{Account, Config, ConfigError, Server};
pub use layout::{AccountName, IdentityName, Layout, LayoutError};
pub use lock::{Holder, IdentityLock, LockError};
pub use marker::{Marker, MarkerError};
pub use secrets::{PasswordSource, SecretError, secret_output};
