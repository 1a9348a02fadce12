//! The file format: frames, manifest, footer. `man 5 pimsync-archive` describes it for people who have only the file.
//!
//! ```text
//! ┌ zstd frame ┐┌ zstd frame ┐ … ┌ zstd frame ───────────────┐┌ skippable frame ┐
//! │ members    ││ members    │   │ manifest, end of the tar  ││ footer          │
//! └────────────┘└────────────┘   └───────────────────────────┘└─────────────────┘
//! ```
//!
//! Each byte of the file belongs to exactly one of them, and a hash of each is in the next: of frames in the manifest, of the manifest in the
//! footer, of the footer in itself. So no bit can change unnoticed.

mod footer;
mod member;
mod out;
mod reader;
mod writer;

pub(super) use member::{Member, read_member};
pub(super) use out::Out;
pub use reader::{Archive, Checked};
pub(super) use reader::{Failed, FrameId, decoder, footer_hash};
pub(super) use writer::{Hashed, Large, New, Times, Writer, Written};

/// The version of the format.
pub const FORMAT: u64 = 1;

/// A frame ends at the end of the member that makes it this long when decompressed; a longer member has one of its own.
pub const FRAME_BYTES: usize = 4 << 20;

/// What the names of members begin with.
pub(super) const PREFIX: &str = "Database/";

/// The member that lists the others.
pub(super) const MANIFEST: &str = "pimsync-manifest.jsonl";

/// zstd's default. Higher levels cost several times as long for a few per mille.
const LEVEL: i32 = 3;

/// The largest window that is taken (8 MiB): what is written needs 2 MiB, and a hostile archive gets no more memory than this.
const WINDOW_LOG_MAX: u32 = 23;
