//! Folders: created, renamed, moved, deleted, one at a time.

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::payload::Payload;
use super::super::read::mixed_up;
use super::super::request::{self, FolderRef, Version};
use super::super::settle::{Fate, Writes};
use super::super::shape::{self, Property};
use super::super::xml::sendable;
use super::only;
use crate::pim::{ChangeKey, FolderId, FolderKind};
use crate::remote::{Disposal, ItemErrorClass, PerItem, RemoteError};

impl EwsClient {
    pub(super) async fn make_folder(
        &self,
        parent: &FolderId,
        name: &str,
        kind: FolderKind,
    ) -> Result<PerItem<FolderId>, RemoteError> {
        let Some(class) = shape::folder_class(kind) else {
            let message = "folders of this kind are made by their own programs";
            return Ok(Err(own_error(ItemErrorClass::Permanent, "InternalFolder", message)));
        };
        Ok(only(self.settle(&Creation { parent, name, class }, Vec::new()).await?))
    }

    pub(super) async fn give_folder_name(&self, folder: &FolderId, name: &str) -> Result<PerItem<()>, RemoteError> {
        let found = match self.folder_with(FolderRef::Id(folder), &[]).await? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let key = found.child("FolderId").and_then(|id| id.attribute("ChangeKey")).unwrap_or_default();
        let rename = Renaming { folder, name, change_key: ChangeKey::new(key) };
        Ok(only(self.settle(&rename, Vec::new()).await?))
    }

    pub(super) async fn put_folder_under(
        &self,
        folder: &FolderId,
        parent: &FolderId,
    ) -> Result<PerItem<()>, RemoteError> {
        Ok(only(self.settle(&Moving { folder, parent }, Vec::new()).await?))
    }

    pub(super) async fn remove_folder(
        &self,
        folder: &FolderId,
        disposal: Disposal,
    ) -> Result<PerItem<()>, RemoteError> {
        Ok(only(self.settle(&Removal { folder, disposal }, Vec::new()).await?))
    }

    /// Where a folder lies now.
    async fn parent_of(&self, folder: FolderRef<'_>) -> Result<PerItem<FolderId>, RemoteError> {
        let found = self.folder_with(folder, &shape::PARENT).await?;
        Ok(found.and_then(|found| shape::folder_id(&found, "ParentFolderId").ok_or_else(|| mixed_up("GetFolder"))))
    }
}

/// What of a name arrives at the server.
fn arriving(name: &str) -> String {
    sendable(name).collect()
}

struct Creation<'a> {
    parent: &'a FolderId,
    name: &'a str,
    class: &'static str,
}

impl Writes for Creation<'_> {
    type Done = FolderId;
    const OPERATION: &'static str = "CreateFolder";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        Payload::text(request::create_folder(version, self.parent, self.name, self.class))
    }

    fn read(&self, _: usize, response: &Response) -> PerItem<FolderId> {
        let id = response.first().and_then(|folder| shape::folder_id(folder, "FolderId"));
        id.ok_or_else(|| mixed_up(Self::OPERATION))
    }

    /// Had the folder been there before, the server would have said so: then this one is ours.
    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<FolderId>>, RemoteError> {
        let folders = client.subfolders(self.parent).await?;
        let name = arriving(self.name);
        let ours = folders.into_iter().find(|folder| folder.name == name);
        Ok(vec![ours.map_or(Fate::NotDone, |folder| Fate::Settled(Ok(folder.id)))])
    }
}

struct Renaming<'a> {
    folder: &'a FolderId,
    name: &'a str,
    change_key: ChangeKey,
}

impl Writes for Renaming<'_> {
    type Done = ();
    const OPERATION: &'static str = "UpdateFolder";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        Payload::text(request::rename_folder(version, self.folder, &self.change_key, self.name))
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let name = [Property::Field("folder:DisplayName")];
        let found = client.folder_with(FolderRef::Id(self.folder), &name).await?;
        Ok(vec![match found {
            Ok(found) if found.value("DisplayName") == Some(arriving(self.name).trim()) => Fate::Settled(Ok(())),
            Ok(_) => Fate::NotDone,
            Err(error) => Fate::Settled(Err(error)),
        }])
    }
}

struct Moving<'a> {
    folder: &'a FolderId,
    parent: &'a FolderId,
}

impl Writes for Moving<'_> {
    type Done = ();
    const OPERATION: &'static str = "MoveFolder";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        Payload::text(request::move_folder(version, self.folder, self.parent))
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        Ok(vec![match client.parent_of(FolderRef::Id(self.folder)).await? {
            Ok(parent) if parent == *self.parent => Fate::Settled(Ok(())),
            Ok(_) => Fate::NotDone,
            Err(error) => Fate::Settled(Err(error)),
        }])
    }
}

struct Removal<'a> {
    folder: &'a FolderId,
    disposal: Disposal,
}

impl Writes for Removal<'_> {
    type Done = ();
    const OPERATION: &'static str = "DeleteFolder";
    const REPEATABLE: bool = true;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        Payload::text(request::delete_folder(version, self.folder, self.disposal))
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    /// A folder keeps its id in Deleted Items: there, or nowhere, it is deleted.
    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let parent = match client.parent_of(FolderRef::Id(self.folder)).await? {
            Ok(parent) => parent,
            Err(error) if error.class == ItemErrorClass::Gone => return Ok(vec![Fate::Settled(Ok(()))]),
            Err(error) => return Ok(vec![Fate::Settled(Err(error))]),
        };
        let bin = client.folder_with(client.whose.bin(), &[]).await?;
        let bin = bin.ok().and_then(|bin| shape::folder_id(&bin, "FolderId"));
        let done = self.disposal == Disposal::ToDeletedItems && bin == Some(parent);
        Ok(vec![if done { Fate::Settled(Ok(())) } else { Fate::NotDone }])
    }
}
