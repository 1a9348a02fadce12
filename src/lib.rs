//! pimsync keeps an Exchange mailbox and a directory of plain files in step, both ways.

pub mod cli;
pub mod exchange;
pub mod format;
pub mod identity;
pub mod local;
pub mod pim;
pub mod plan;
pub mod remote;
pub mod state;
pub mod sync;
