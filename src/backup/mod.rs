//! Backups: archives of an identity's whole `Database` directory, and what comes back out of them.
//!
//! An archive is one file that `tar --zstd -xf` extracts; `man 5 pimsync-archive` describes it. What it holds is told by its manifest; that
//! it is whole, by its footer.
//!
//! **The cut.** A backup holds no lock of the engine and never makes it wait. `state.db` is copied by SQLite's own backup, which sees one
//! committed state. Files are read while anybody may rename, move, add or remove them, so listings are repeated until one shows nothing
//! that was not met before: a message is known by the part of its name before `:`, so that it is met whatever its flags become meanwhile, and
//! wherever it is moved to. What existed all the time is in the archive, whole. That `state.db` and the files are of slightly different
//! instants does no harm: a restored identity begins without it.
//!
//! **Chains.** What earlier archives in the same target hold is not held again: the manifest lists it as lying there. So an archive comes back whole
//! only together with those that it names.
//!
//! **Targets.** Archives lie in a directory or in an object store; nothing but [`Target`] knows which. An object appears when all of it was uploaded.
//!
//! **Encryption.** An encrypted archive is the same archive in an age file. Who makes it has no key for it, so this machine notes of the archives that it
//! made what it needs in order to build upon them, to verify their bytes and to let them go.
//!
//! **Order of writing**: data under a temporary name → the file durable → its final name → the directory durable. A file with the name of an
//! archive and without a footer was cut by something else than a crash of ours.
//!
mod archive;
mod check;
mod classify;
mod cut;
mod earlier;
mod error;
pub mod manifest;
mod memory;
mod name;
mod path;
mod prune;
mod put_back;
mod record;
mod replace;
mod restore;
pub mod retention;
mod salvage;
mod seal;
mod sink;
mod stage;
mod take;
mod target;
mod verify;

pub use archive::{Archive, Checked, FORMAT, FRAME_BYTES};
pub use check::{Alarm, AlarmKind};
pub use cut::{CutReport, Unread};
pub use error::{BackupError, Damage};
pub use name::{ArchiveName, Form};
pub use path::ItemPath;
pub use prune::{Pruned, Weighed, prune, weigh};
pub use put_back::{PutBack, put_back};
pub use record::{Known, Made, Noted, Record, Verification};
pub use replace::{Replaced, replace};
pub use restore::{OnDamage, Restored, Selection, restore, selected};
pub use salvage::{Salvaged, salvage};
pub use seal::{Keys, OpenError, Recipients, SealError};
pub use stage::{Staged, stage};
pub use take::{Extent, Sealing, Source, Taken, take};
pub use target::{Access, AccessError, Found, Location, LocationError, StoreError, Stored, Target};
pub use verify::{Level, Verified, verify, verify_sealed};
