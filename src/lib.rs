//! pimsync keeps an Exchange mailbox and a tree of plain files in step, both ways: messages in Maildirs, contacts, events, notes and tasks in
//! files of their own.
//!
//! # The flow
//!
//! ```text
//! remote changes ─┐
//!                 ├─ observe ─→ cases ─→ plan ─→ ops ─→ apply ─→ local files, then the server ─→ state.db
//! local files ────┘   (base, remote, local)  pure
//! ```
//!
//! 1. **Observe**: what changed on either side since the *base*, the last state that both sides agreed on. The server tells it in pages
//!    ([`remote`]); directories are compared with the base ([`local`]).
//! 2. **Plan**: for each item one exhaustive decision on (base, remote, local), made by pure functions ([`mod@plan`]).
//! 3. **Apply**: the server's changes go into the local tree, then local changes go to the server; rows of the base and sync states are
//!    stored after what they tell of is durable ([`sync`], [`state`]).
//!
//! # Invariants
//!
//! They hold at every instant, also after `kill -9` and power loss; `man pimsync-design` tells how.
//!
//! 1. *No loss*: what either side held at the last agreement or gained since is on at least one side, or in a conflict copy, unless its
//!    owner deleted it on one side and did not edit it on the other.
//! 2. *No duplicates*: an item created once exists once on each side.
//! 3. *No torn files*: a reader sees a file's old or new content.
//! 4. *No skipped change*: a sync state is stored only after every change of its page is durable or noted for retry.
//! 5. *Convergence*: with no new edits, a second sync does nothing.
//! 6. *One writer*: one engine per identity at a time; readers never wait.
//! 7. *Secrets* are in no file of the identity, no log and no process's arguments.
//!
//! # Glossary
//!
//! - **Identity**: a directory with all that one person keeps: accounts, mail, state.
//! - **Base**: what both sides agreed on, in `state.db`.
//! - **Sync state**: the server's opaque bookmark in a folder's list of changes.
//! - **Change key**: the version of an item that a write expects to replace.
//! - **Tag**: what an upload carries, so that it is found again when the answer is lost.
//! - **Marks**: flags and categories: what can change about a message besides its body and its place.
//! - **Activity**: a folder's mark that changes with anything in it, so that quiet folders are not listed.
//! - **Brake**: holds back deletions that are many for one run.
//! - **Entry**: a contact, an event, a note or a task; one file. What both sides have fields for is merged field by field; what the file says besides is
//!   its *extra*.
//! - **Attachment**: a file of an event, or of one of its occurrences alone, in the event's own file; known by its name and its bytes. What no file can have is *only there*.
//! - **Loose file**: a message or an entry in a directory that the base does not know.
//! - **Check**: what `watch` does once a minute: a run over all folders, which leaves local changes alone that have more time.
//! - **Hint**: a word that something changed in a folder. It only says where to look; the check finds what no hint told.
//! - **Haste**: whether local changes of a folder go out at once, as those of Sent Items do, or after the push delay.
//! - **Public folder**: a folder that is in nobody's mailbox. Those that the settings name are a tree of their own, kept in step by an engine of its own.
//! - **Other mailbox**: one that is shared with the account's owner, or an archive: a tree of its own, too. What is just not listed of it is in doubt, not gone.
//! - **Listing**: all that a folder holds, page by page; where a server tells no changes, each look at a folder is one. What is missing in it is gone
//!   only where counts show that it was whole, and the item is not there when it is asked for.
//! - **Letter**: mail on its way out: accepted, and not known to be sent.
//! - **Trouble**: an item that could not be read or written; told by `status` and tried again later.
//!
//! - **Group**: people and other groups under one name, as a vCard; on this machine only.
//! - **Archive**: a backup in one file: frames of members, a manifest that lists them, a footer that says it is whole.
//! - **Target**: where archives are kept: a directory, or a part of a bucket of an object store.
//! - **Chain**: an archive and the earlier ones that hold what it does not.
//! - **Retention**: which archives stay, decided by their numbers and times.
//! - **Fence**: after a restore of a whole identity no run deletes anything on the server, until a person lifts it. The marker holds it, and the
//!   **epoch**: how often the identity was restored.
//! - **Alarm**: something that is lost or changed in the directory though no sync did it.
//!
//! # The rooms
//!
//! Arrows go down only.
//!
//! | Room | What is in it |
//! |---|---|
//! | [`cli`] | one file or directory a subcommand |
//! | [`sync`] | the engine |
//! | [`backup`] | archives, and what comes back out of them |
//! | [`identity`] | layout, settings, secrets, lock |
//! | [`state`] | `state.db` |
//! | [`local`] | the directory |
//! | [`remote`] | the server; `remote::ews` speaks Exchange Web Services |
//! | [`mod@plan`] | the decisions; pure |
//! | [`clock`] | time and chance, from one source |
//! | [`mod@format`] | items as bytes |
//! | [`pim`] | items as values; pure |
//! | [`exchange`] | the embedded Exchange, for `setup --demo`, tests and benches |

#![warn(clippy::disallowed_methods)]

pub mod backup;
pub mod cli;
pub mod clock;
#[allow(clippy::disallowed_methods, reason = "a server of its own, with a clock of its own")]
pub mod exchange;
pub mod format;
pub mod identity;
pub mod local;
pub mod pim;
pub mod plan;
pub mod remote;
pub mod state;
pub mod sync;
