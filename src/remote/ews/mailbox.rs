//! Which mailbox a client works in: that of who signs in, their archive, or one of somebody else.
//!
//! Folders are named by what they are in every mailbox, with the owner's address where that is another (MS-OXWSCDATA `DistinguishedFolderIdType`);
//! the ids that come back tell the mailbox themselves. Where the owner shows only some of the folders, and not the top that they lie in, those of them
//! that every mailbox has are found one by one.

use super::EwsClient;
use super::answer::Response;
use super::ask::FOLDERS_PER_CALL;
use super::request::{self, FolderRef};
use super::shape;
use super::transport::Route;
use super::xml::Element;
use crate::pim::{FolderId, OtherMailbox, ServerFolder, SpecialFolder, SyncState};
use crate::remote::{FolderChanges, ItemError, ItemErrorClass, PerItem, RemoteError, SpecialFolders};

/// Stands for the top of a mailbox that does not show it.
const NO_TOP: &str = "pimsync:no-top";
/// Stands for a sync state of folders that were found one by one.
const FOUND: &str = "pimsync:found";

/// Which mailbox a client works in.
#[derive(Clone, Debug, Default)]
pub(super) struct Whose(Option<OtherMailbox>);

impl Whose {
    pub(super) fn new(mailbox: Option<OtherMailbox>) -> Self {
        Self(mailbox)
    }

    /// Whether it is not simply one's own.
    pub(super) fn is_other(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it belongs to somebody else, so that rights in it can be few.
    pub(super) fn is_shared(&self) -> bool {
        self.owner().is_some()
    }

    fn owner(&self) -> Option<&str> {
        self.0.as_ref().and_then(OtherMailbox::owner)
    }

    fn is_archive(&self) -> bool {
        self.0.as_ref().is_some_and(OtherMailbox::is_archive)
    }

    /// Where requests are led to.
    pub(super) fn route(&self) -> Route {
        self.owner().map_or(Route::Own, |owner| Route::Mailbox(owner.into()))
    }

    /// A folder by the name that it has in every mailbox.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> FolderRef<'a> {
        match self.owner() {
            Some(owner) => FolderRef::Of(name, owner),
            None => FolderRef::Named(name),
        }
    }

    /// The top of the folders that people see.
    pub(super) fn top(&self) -> FolderRef<'_> {
        self.named(if self.is_archive() { "archivemsgfolderroot" } else { "msgfolderroot" })
    }

    /// Where deleted items go.
    pub(super) fn bin(&self) -> FolderRef<'_> {
        self.named(if self.is_archive() { "archivedeleteditems" } else { "deleteditems" })
    }

    /// The folders with a role. An archive has but one, as far as all versions know.
    fn special(&self) -> Vec<(SpecialFolder, FolderRef<'_>)> {
        match self.is_archive() {
            true => vec![(SpecialFolder::DeletedItems, self.bin())],
            false => SpecialFolder::ALL.into_iter().map(|special| (special, self.named(special.as_str()))).collect(),
        }
    }
}

/// Whether a parent is the top of a mailbox that does not show it.
pub(super) fn is_no_top(folder: &FolderId) -> bool {
    folder.as_str() == NO_TOP
}

/// The folders that every mailbox has, as they are shown, in the order of their roles.
struct Standard {
    top: PerItem<Element>,
    special: Vec<(SpecialFolder, Element)>,
}

impl EwsClient {
    async fn standard_folders(&self) -> Result<Standard, RemoteError> {
        let (roles, named): (Vec<SpecialFolder>, Vec<FolderRef<'_>>) = self.whose.special().into_iter().unzip();
        let folders: Vec<FolderRef<'_>> = std::iter::once(self.whose.top()).chain(named).collect();
        let properties: &[_] = if self.whose.is_shared() { &shape::FOLDER } else { &[] };
        let responses = self
            .ask_each("GetFolder", &folders, FOLDERS_PER_CALL, |version, folders| {
                let folders: Vec<FolderRef<'_>> = folders.iter().map(|folder| **folder).collect();
                request::get_folders(version, &folders, properties)
            })
            .await?;
        let mut found = responses.iter().map(|response| {
            let folder = response.checked().map(Response::first)?;
            Ok::<_, ItemError>(folder.cloned())
        });
        let no_id = || RemoteError::Protocol { operation: "GetFolder", reason: "the root has no id".to_owned() };
        let top = match found.next() {
            Some(Ok(Some(top))) => Ok(top),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => return Err(no_id()),
        };
        let special = roles.into_iter().zip(found).filter_map(|(role, folder)| Some((role, folder.ok()??))).collect();
        Ok(Standard { top, special })
    }

    /// See [`crate::remote::RemoteRead::special_folders`].
    pub(super) async fn standard(&self) -> Result<SpecialFolders, RemoteError> {
        let Standard { top, special } = self.standard_folders().await?;
        let special: Vec<(SpecialFolder, FolderId)> = special
            .into_iter()
            .filter_map(|(role, folder)| Some((role, shape::folder_id(&folder, "FolderId")?)))
            .collect();
        let root = match top {
            Ok(top) => shape::folder_id(&top, "FolderId").ok_or_else(|| RemoteError::Protocol {
                operation: "GetFolder",
                reason: "the root has no id".to_owned(),
            })?,
            Err(error) if self.is_kept_from(&error) && !special.is_empty() => FolderId::new(NO_TOP),
            Err(error) => return Err(self.no_folders(error)),
        };
        Ok(SpecialFolders { root, special })
    }

    /// The folders of a mailbox that does not show its top. What is not found is not gone: it may be hidden from us.
    pub(super) async fn found_folders(&self, since: Option<&SyncState>) -> Result<FolderChanges, RemoteError> {
        let Standard { top, special } = self.standard_folders().await?;
        let top = match top {
            // It shows more by now: all is listed.
            Ok(_) if since.is_some() => return Err(RemoteError::StateInvalid),
            Ok(top) => shape::folder_id(&top, "FolderId"),
            Err(error) if !self.is_kept_from(&error) || special.is_empty() => return Err(self.no_folders(error)),
            Err(_) => None,
        };
        let top = top.unwrap_or_else(|| FolderId::new(NO_TOP));
        let found = special.iter().filter_map(|(_, folder)| shape::folder(folder));
        let below_top = |folder: ServerFolder| ServerFolder { parent: top.clone(), ..folder };
        let changed = found.map(below_top).collect();
        Ok(FolderChanges { changed, gone: Vec::new(), hidden: Vec::new(), state: SyncState::new(FOUND) })
    }

    /// Whether a listing of the folders cannot be had though some of them may be shown.
    pub(super) fn lists_no_folders(&self, error: &RemoteError) -> bool {
        self.whose.is_shared() && matches!(error, RemoteError::AccessDenied | RemoteError::FolderGone)
    }

    fn is_kept_from(&self, error: &ItemError) -> bool {
        self.whose.is_shared() && error.class != ItemErrorClass::Transient
    }

    fn no_folders(&self, error: ItemError) -> RemoteError {
        let ItemError { code, mut message, .. } = error;
        if let Some(mailbox) = &self.whose.0 {
            message = format!(
                "{message}; the server shows no folder of {}: is it there, and may you read it?",
                mailbox.title()
            );
        }
        RemoteError::Rejected { operation: "GetFolder", code, message }
    }
}

/// Whether folders were found one by one when they were listed last.
pub(super) fn were_found(state: &SyncState) -> bool {
    state.as_str() == FOUND
}
