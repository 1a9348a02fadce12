//! Which public folders there are, and which of them are the ones that the settings name.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::request::FolderRef;
use super::super::shape::{self, PUBLIC_FOLDER, REPLICA_LIST};
use super::super::transport::Route;
use super::super::xml::Element;
use super::{PublicFolders, lock};
use crate::pim::{FolderId, FolderKind, ServerFolder};
use crate::remote::{HiddenFolder, RemoteError, Rights};

/// Levels of folders before the tree is taken for endless.
const DEEPEST: usize = 100;

/// What a look at the folders showed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The named folders and those above them.
    pub(super) folders: Vec<ServerFolder>,
    /// Named folders that cannot be had.
    pub(super) hidden: Vec<HiddenFolder>,
    /// Where the content of each named folder lies.
    pub(super) routes: HashMap<FolderId, Route>,
}

/// A public folder, for whoever chooses among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicFolder {
    /// Its names from the top down.
    pub names: Vec<String>,
    /// What it holds.
    pub kind: FolderKind,
    /// How many items it says it holds.
    pub total: Option<u64>,
    /// What may be done in it; `None` where it may not even be read.
    pub rights: Option<Rights>,
}

impl PublicFolders {
    /// The root of all public folders.
    pub(super) async fn root(&self) -> Result<FolderId, RemoteError> {
        if let Some(root) = lock(&self.root).clone() {
            return Ok(root);
        }
        let found = self.client.folder_with(FolderRef::Named("publicfoldersroot"), &[]).await?;
        let found = found.map_err(|error| RemoteError::Rejected {
            operation: "GetFolder",
            code: error.code,
            message: format!("{}; there may be no public folders here", error.message),
        })?;
        let root = shape::folder_id(&found, "FolderId").ok_or_else(|| RemoteError::Protocol {
            operation: "GetFolder",
            reason: "the root of the public folders has no id".to_owned(),
        })?;
        *lock(&self.root) = Some(root.clone());
        Ok(root)
    }

    /// What was shown last; looked at first where it never was.
    pub(super) async fn shown(&self) -> Result<Arc<Shown>, RemoteError> {
        let known = lock(&self.shown).clone();
        match known {
            Some(shown) => Ok(shown),
            None => self.look().await,
        }
    }

    /// Looks for the folders that the settings name.
    pub(super) async fn look(&self) -> Result<Arc<Shown>, RemoteError> {
        let root = self.root().await?;
        let mut look = Look { public: self, below: HashMap::new(), shown: Shown::default() };
        for path in &self.named {
            if let Err(reason) = look.follow(&root, path.names()).await? {
                look.shown.hidden.push(HiddenFolder { path: path.as_str().to_owned(), reason });
            }
        }
        let shown = Arc::new(look.shown);
        *lock(&self.shown) = Some(Arc::clone(&shown));
        Ok(shown)
    }

    /// All public folders that are shown to us, those of a folder right after it.
    ///
    /// # Errors
    /// What concerns the server. What is below a folder that does not show it is left out.
    pub async fn catalogue(&self) -> Result<Vec<PublicFolder>, RemoteError> {
        let mut found = Vec::new();
        let mut waiting = vec![(self.root().await?, Vec::new())];
        while let Some((parent, above)) = waiting.pop() {
            let mut rows = match self.client.folders_below(&parent, &PUBLIC_FOLDER).await {
                Err(RemoteError::AccessDenied | RemoteError::FolderGone) if !above.is_empty() => continue,
                rows => rows?,
            };
            rows.sort_by_cached_key(|row| row.value("DisplayName").unwrap_or_default().to_lowercase());
            let mut children = Vec::new();
            for (row, folder) in rows.iter().filter_map(|row| Some((row, shape::folder(row)?))) {
                let names: Vec<String> = above.iter().cloned().chain([folder.name]).collect();
                if names.len() < DEEPEST {
                    children.push((folder.id, names.clone()));
                }
                let activity = shape::activity(row);
                let rights = activity.as_ref().map(|activity| activity.rights).filter(|_| may_read(row));
                let total = activity.and_then(|activity| activity.total);
                found.push(PublicFolder { names, kind: folder.kind, total, rights });
            }
            waiting.extend(children.into_iter().rev());
        }
        found.sort_by_cached_key(|folder| folder.names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>());
        Ok(found)
    }

    /// Where the content of a folder lies, as it tells.
    fn route_of(&self, row: &Element) -> Route {
        let replica = REPLICA_LIST.of(row).and_then(guid_of);
        match replica.filter(|_| !self.domain.is_empty()) {
            Some(guid) => Route::Public(format!("{guid}@{}", self.domain).into()),
            None => Route::Own,
        }
    }
}

/// A look at the folders; each level is listed once.
struct Look<'a> {
    public: &'a PublicFolders,
    below: HashMap<FolderId, Vec<Element>>,
    shown: Shown,
}

impl Look<'_> {
    /// Follows a path from the root down; why it leads nowhere, if it does.
    async fn follow(&mut self, root: &FolderId, names: &[String]) -> Result<Result<(), String>, RemoteError> {
        let mut parent = root.clone();
        for (depth, name) in names.iter().enumerate() {
            if !self.below.contains_key(&parent) {
                match self.public.client.folders_below(&parent, &PUBLIC_FOLDER).await {
                    Ok(rows) => drop(self.below.insert(parent.clone(), rows)),
                    Err(error @ (RemoteError::AccessDenied | RemoteError::FolderGone)) if depth > 0 => {
                        return Ok(Err(format!("{error}; {ADVICE}")));
                    }
                    Err(error) => return Err(error),
                }
            }
            let rows = self.below.get(&parent).map(Vec::as_slice).unwrap_or_default();
            let Some((row, mut folder)) = named(rows, name) else {
                return Ok(Err(format!("the server shows no public folder {name:?} there; {ADVICE}")));
            };
            folder.parent = parent;
            parent = folder.id.clone();
            if depth + 1 < names.len() {
                self.lead(folder);
                continue;
            }
            if !may_read(row) {
                return Ok(Err(format!(
                    "you may not read this folder; ask its owner for the right to. {NOTHING_DONE}"
                )));
            }
            if folder.kind == FolderKind::Internal {
                return Ok(Err(
                    "this folder is one that programs keep for themselves, and is not synchronized".to_owned()
                ));
            }
            self.shown.routes.insert(folder.id.clone(), self.public.route_of(row));
            self.shown.folders.retain(|known| known.id != folder.id);
            self.shown.folders.push(folder);
        }
        Ok(Ok(()))
    }

    /// A folder that leads to a named one.
    fn lead(&mut self, folder: ServerFolder) {
        if !self.shown.folders.iter().any(|known| known.id == folder.id) {
            self.shown.folders.push(ServerFolder { kind: FolderKind::Branch, ..folder });
        }
    }
}

const NOTHING_DONE: &str = "Nothing was changed on either side";
const ADVICE: &str = "it was deleted, has another name or is hidden from you. Nothing was changed on either side; \
                      `pimsync folders --public` lists what there is, and public_folders in identity.toml names what is to be here";

/// The folder of that name among siblings: as it is spelt, else in any case.
fn named<'r>(rows: &'r [Element], name: &str) -> Option<(&'r Element, ServerFolder)> {
    let folders = || rows.iter().filter_map(|row| Some((row, shape::folder(row)?)));
    let folded = name.to_lowercase();
    folders()
        .find(|(_, folder)| folder.name == name)
        .or_else(|| folders().find(|(_, folder)| folder.name.to_lowercase() == folded))
}

fn may_read(row: &Element) -> bool {
    shape::may(row, &["Read"])
}

/// PidTagReplicaList: a GUID in ASCII with a zero at the end.
fn guid_of(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64.trim()).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?.trim_end_matches('\0').trim_matches(['{', '}']);
    let is_guid = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_guid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_list_is_a_guid_or_nothing() {
        let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(guid_of(&STANDARD.encode(format!("{guid}\0"))).as_deref(), Some(guid));
        assert_eq!(guid_of(&STANDARD.encode(guid)).as_deref(), Some(guid));
        for odd in ["", "!", &STANDARD.encode("a@b"), &STANDARD.encode([0xff, 0xfe]), &STANDARD.encode("x".repeat(36))]
        {
            assert_eq!(guid_of(odd), None, "{odd}");
        }
    }
}
