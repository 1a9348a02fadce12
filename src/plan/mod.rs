//! PURE decisions.
pub mod proof;
