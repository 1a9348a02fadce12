//! SyncFolderHierarchy and SyncFolderItems, and the sync states that they hand out.
//!
//! A state is opaque base64 of: a version, which folder of which mailbox it is for, whether its first listing still goes
//! on, and change numbers. While a listing goes on, they are where it began and how far (downwards) it came; later,
//! after which change the client knows nothing, and how far a page of changes came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::faults::Action;
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, FolderChange, FolderRow, Item, ItemChange, ItemPage};
use super::super::xml::{Element, XmlOut};
use super::access::Right;
use super::fields::{self, Depth};
use super::folders;
use super::shape::Shape;
use super::{Context, Slot};

const MAGIC: [u8; 4] = *b"\x1f\x50\x53\x01";
const LENGTH: usize = 64;
/// The length of a state without its seal.
const HEAD: usize = 48;
/// The most changes of one page.
const MOST: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// b'I' for items, b'H' for the hierarchy.
    kind: u8,
    mailbox: i64,
    folder: i64,
    listing: bool,
    base: i64,
    cursor: i64,
    /// gromox only: between two pages, the last change that they show, and what kind of change the page ended with.
    until: i64,
    rank: u8,
}

impl State {
    fn write(self) -> String {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.kind, u8::from(self.listing), self.rank, 0]);
        for number in [self.mailbox, self.folder, self.base, self.cursor, self.until] {
            bytes.extend(number.to_le_bytes());
        }
        let seal = blake3::hash(&bytes);
        bytes.extend(seal.as_bytes().iter().take(LENGTH - bytes.len()));
        STANDARD.encode(bytes)
    }

    fn read(text: &str) -> Option<State> {
        let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (head, seal) = bytes.split_at_checked(HEAD)?;
        if !head.starts_with(&MAGIC) || blake3::hash(head).as_bytes().get(..LENGTH - HEAD) != Some(seal) {
            return None;
        }
        let number = |at: usize| head.get(at..at + 8)?.try_into().ok().map(i64::from_le_bytes);
        Some(State {
            kind: *head.get(4)?,
            listing: *head.get(5)? == 1,
            mailbox: number(8)?,
            folder: number(16)?,
            base: number(24)?,
            cursor: number(32)?,
            until: number(40)?,
            rank: *head.get(6)?,
        })
    }
}

/// The state that a request brings, for this folder; none for a first synchronization.
fn state_of(context: &Context<'_>, request: &Element, kind: u8, folder: i64) -> Result<Option<State>, Refusal> {
    let invalid = || Refusal::new("ErrorInvalidSyncStateData");
    let text = request.child_text("SyncState").unwrap_or_default();
    if context.has(&Action::InvalidSyncState) {
        return Err(invalid());
    }
    if text.is_empty() || context.has(&Action::SilentlyResetSyncState) {
        return Ok(None);
    }
    let fits = |state: &State| state.kind == kind && state.mailbox == context.mailbox.id && state.folder == folder;
    match State::read(text).filter(fits) {
        Some(state) => Ok(Some(state)),
        // gromox takes any rubbish for the wish to begin anew.
        None if context.is_gromox() => Ok(None),
        None => Err(invalid()),
    }
}

fn repeats(context: &Context<'_>) -> usize {
    if context.has(&Action::DuplicateChanges) { 2 } else { 1 }
}

pub(super) fn hierarchy(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = hierarchy_slot(context, request);
    answer.message("m:SyncFolderHierarchyResponseMessage", &slot, super::on_error("SyncFolderHierarchy"));
}

/// Exchange tells no changes of public folders; gromox does.
fn check_public(context: &Context<'_>) -> Result<(), Refusal> {
    match context.is_public() && !context.is_gromox() {
        true => Err(Refusal::new("ErrorPublicFolderSyncException")),
        false => Ok(()),
    }
}

fn hierarchy_slot(context: &Context<'_>, request: &Element) -> Slot {
    check_public(context)?;
    let shape = Shape::read(request.child("FolderShape"))?;
    let db = context.store.read();
    // Naming no folder is another root than naming one.
    let (root, mark) = match request.child("SyncFolderId") {
        Some(_) => {
            let folder = context.folder_in(&db, request, "SyncFolderId")?;
            (folder.id, folder.id)
        }
        None => {
            let root = store::distinguished_folder(&db, context.mailbox.id, "msgfolderroot")?;
            (root.map_or(0, |root| root.id), 0)
        }
    };
    let state = state_of(context, request, b'H', mark)?;
    let now = store::last_change(&db, context.mailbox.id)?;
    let mut changes = store::changed_folders(&db, context.mailbox.id, root, state.map_or(0, |state| state.base))?;
    changes.retain(|change| match change {
        FolderChange::Create(folder) | FolderChange::Update(folder) => context.may(folder.id, Right::See).is_ok(),
        FolderChange::Delete(_) => true,
    });
    let next = State {
        kind: b'H',
        mailbox: context.mailbox.id,
        folder: mark,
        listing: false,
        base: now,
        cursor: now,
        until: 0,
        rank: 0,
    };
    let mut out = XmlOut::new();
    out.put("m:SyncState", &next.write());
    out.raw("<m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange><m:Changes>");
    for _ in 0..repeats(context) {
        for change in &changes {
            folder_change(context, &mut out, change, &shape);
        }
    }
    out.raw("</m:Changes>");
    Ok(out.buffer)
}

fn folder_change(context: &Context<'_>, out: &mut XmlOut, change: &FolderChange, shape: &Shape) {
    match change {
        FolderChange::Create(folder) => wrap(out, "t:Create", &folders::render(context, folder, shape)),
        FolderChange::Update(folder) => wrap(out, "t:Update", &folders::render(context, folder, shape)),
        FolderChange::Delete(folder) => wrap(out, "t:Delete", &folders::id_xml(context, "t:FolderId", *folder, 0)),
    }
}

fn wrap(out: &mut XmlOut, name: &str, xml: &str) {
    out.open(name, &[]);
    out.raw(xml);
    out.close(name);
}

pub(super) fn items(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = items_slot(context, request);
    answer.message("m:SyncFolderItemsResponseMessage", &slot, super::on_error("SyncFolderItems"));
}

fn items_slot(context: &Context<'_>, request: &Element) -> Slot {
    check_public(context)?;
    let shape = Shape::read(request.child("ItemShape"))?;
    fields::check_depth(context, &shape, Depth::Find)?;
    let db = context.store.read();
    let folder = context.folder_in(&db, request, "SyncFolderId").map_err(|refusal| match refusal.code.as_str() {
        "ErrorFolderNotFound" => Refusal::new("ErrorSyncFolderNotFound"),
        _ => refusal,
    })?;
    let state = state_of(context, request, b'I', folder.id)?;
    let limit =
        request.child_text("MaxChangesReturned").and_then(|most| most.parse::<usize>().ok()).unwrap_or(MOST).min(MOST);
    let associated = request.child_text("SyncScope") == Some("NormalAndAssociatedItems");
    let scan = Scan { context, db: &db, folder: &folder, associated, limit };
    let (state, page) = scan.next_page(state)?;
    let ignored: Vec<&str> = match context.is_gromox() {
        true => Vec::new(),
        false => request.list("Ignore").iter().filter_map(|id| id.attribute("Id")).collect(),
    };
    let mut out = XmlOut::new();
    out.put("m:SyncState", &state.write());
    out.put("m:IncludesLastItemInRange", if page.more { "false" } else { "true" });
    out.raw("<m:Changes>");
    for _ in 0..repeats(context) {
        for change in &page.changes {
            item_change(context, &db, &mut out, &folder, change, &shape, &ignored)?;
        }
    }
    out.raw("</m:Changes>");
    Ok(out.buffer)
}

struct Scan<'a> {
    context: &'a Context<'a>,
    db: &'a Connection,
    folder: &'a FolderRow,
    associated: bool,
    limit: usize,
}

impl Scan<'_> {
    fn state(&self, listing: bool, base: i64, cursor: i64) -> State {
        State {
            kind: b'I',
            mailbox: self.context.mailbox.id,
            folder: self.folder.id,
            listing,
            base,
            cursor,
            until: 0,
            rank: 0,
        }
    }

    fn next_page(&self, state: Option<State>) -> Result<(State, ItemPage), Refusal> {
        match state {
            None => {
                let now = store::last_change(self.db, self.context.mailbox.id)?;
                self.list(now, i64::MAX)
            }
            Some(state) if state.listing => self.list(state.base, state.cursor),
            Some(state) if self.context.is_gromox() => self.changes_of_gromox(state),
            Some(state) => self.changes(state),
        }
    }

    fn list(&self, snapshot: i64, below: i64) -> Result<(State, ItemPage), Refusal> {
        let most = i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut items = store::listed_items(self.db, self.folder.id, self.associated, snapshot, below, most)?;
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let cursor = items.last().map_or(0, |item| item.created_cn);
        let state = if more { self.state(true, snapshot, cursor) } else { self.state(false, snapshot, snapshot) };
        Ok((state, ItemPage { changes: items.into_iter().map(ItemChange::Create).collect(), cursor, more }))
    }

    fn changes(&self, state: State) -> Result<(State, ItemPage), Refusal> {
        let now = store::last_change(self.db, self.context.mailbox.id)?;
        let page =
            store::changed_items(self.db, self.folder.id, self.associated, state.base, state.cursor, self.limit)?;
        let next = if page.more { self.state(false, state.base, page.cursor) } else { self.state(false, now, now) };
        Ok((next, page))
    }

    /// Changes as gromox has them: deletions, then creations and updates, then read flags. When deletions alone fill a
    /// page it says that there is no more, although there is; read flags that don't fit a page are lost.
    fn changes_of_gromox(&self, state: State) -> Result<(State, ItemPage), Refusal> {
        let now = store::last_change(self.db, self.context.mailbox.id)?;
        // Between two pages of one listing only what had happened when it began is looked at; later changes wait.
        let until = if state.until > 0 { state.until } else { now };
        let all =
            store::changed_items(self.db, self.folder.id, self.associated, state.base, state.base, usize::MAX / 2)?;
        let rank = |change: &ItemChange| match change {
            ItemChange::Delete(..) => 0,
            ItemChange::Create(_) | ItemChange::Update(_) => 1,
            ItemChange::ReadFlag(_) => 2,
        };
        // A new item keeps its place however often it changes before its page comes.
        let number = |change: &ItemChange| match change {
            ItemChange::Create(item) => item.created_cn,
            change => change.number(),
        };
        let place = |change: &ItemChange| (rank(change), number(change));
        let begun = state.until > 0;
        let mut page: Vec<ItemChange> = all
            .changes
            .into_iter()
            .filter(|change| number(change) <= until && (!begun || place(change) > (state.rank, state.cursor)))
            .collect();
        page.sort_by_key(place);
        let content = page.iter().filter(|change| rank(change) <= 1).count();
        let more_deletions = page.get(self.limit).is_some_and(|change| rank(change) == 0);
        page.truncate(self.limit);
        let more = page.len() < content;
        let next = match page.last().map(place).filter(|_| more) {
            Some((rank, cursor)) => State { until, rank, ..self.state(false, state.base, cursor) },
            None => self.state(false, until, until),
        };
        Ok((next, ItemPage { changes: page, cursor: next.cursor, more: more && !more_deletions }))
    }
}

fn item_change(
    context: &Context<'_>,
    db: &Connection,
    out: &mut XmlOut,
    folder: &FolderRow,
    change: &ItemChange,
    shape: &Shape,
    ignored: &[&str],
) -> Result<(), Refusal> {
    let number = match change {
        ItemChange::Create(item) | ItemChange::Update(item) | ItemChange::ReadFlag(item) => item.id,
        ItemChange::Delete(number, _) => *number,
    };
    let id = context.ids.item(folder.id, number);
    if ignored.contains(&id.as_str()) {
        return Ok(());
    }
    match change {
        ItemChange::Create(item) => wrap(out, "t:Create", &fields::render(context, db, item, shape, Depth::Find)?),
        ItemChange::Update(item) => wrap(out, "t:Update", &fields::render(context, db, item, shape, Depth::Find)?),
        ItemChange::ReadFlag(item) => read_flag(context, out, item),
        ItemChange::Delete(..) => {
            let mut inner = XmlOut::new();
            inner.leaf("t:ItemId", &[("Id", &id), ("ChangeKey", &context.ids.change_key(9, 0))], "");
            wrap(out, "t:Delete", &inner.buffer);
        }
    }
    Ok(())
}

fn read_flag(context: &Context<'_>, out: &mut XmlOut, item: &Item) {
    let read = format!("{}<t:IsRead>{}</t:IsRead>", context.item_id_xml(item), item.is_read);
    wrap(out, "t:ReadFlagChange", &read);
}
