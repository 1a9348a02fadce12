//! The decisions, as pure functions: no files, no network, no SQL, no clock, no randomness, no logging.
//!
//! What both sides look like goes in as values ([`item::Case`], [`folders::Trees`]), what to do comes out as values
//! ([`item::Plan`], [`folders::FolderOp`]). Only this module can make the proofs that deletions take.

pub mod adopt;
pub mod categories;
pub mod ending;
pub mod entry;
pub mod folders;
pub mod groundwork;
pub mod guard;
pub mod item;
pub mod moves;
pub mod proof;
mod pushing;

pub use guard::{Brake, FolderSize};
pub use item::{
    Base, Case, ConflictPolicy, Content, Doubt, Evidence, Held, HeldReason, LocalState, Op, Plan, PushContent,
    RemoteState, Seen, Side, plan,
};
