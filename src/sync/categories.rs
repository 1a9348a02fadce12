//! The master list of categories: `categories.toml` and the server's list, in step both ways.
//!
//! # When the server is asked
//! A run that has nothing to do asks nothing of it. The list is asked for the first time, when the file says something else than it was left
//! with, when the last answer is as old as a hint is believed, in a full run, while deletions are held, and, at most every ten minutes, when
//! something in the calendar changed: the list is a hidden item of that folder.
//!
//! # Order of writing
//! Copy of what loses, file, server, row. Whatever a run that was cut off left of that, the plan of the next one is the same: what is done already
//! is a change that both sides show.

use super::{Action, Depth, Echo, HINT_GOOD_FOR, NoticeKind, Run, Step, SyncError, lock, stops_run};
use crate::format::categories::CategoryFile;
use crate::local::vdir::digest_of;
use crate::local::{Changed, EntryContent, FileStat, FolderDir, LocalWrite, NewEntry, Settled};
use crate::pim::{ActivityMark, CategoryList, Digest};
use crate::plan::categories::{ListPlan, Lists, plan};
use crate::plan::{HeldReason, Side};
use crate::remote::{ItemError, ItemErrorClass, RemoteError, RemoteWrite};
use crate::state::CategoryListRow;

/// The file, in the account's directory.
pub(super) const FILE: &str = "categories.toml";
const STEM: &str = "categories";
const EXTENSION: &str = ".toml";
/// So long, in seconds, changes in the calendar are no reason to ask again.
const REST: i64 = 600;
/// How often the list is merged anew when somebody else changed the server's meanwhile.
const TRIES: usize = 3;

/// The file as it was met.
struct Here {
    /// Its name, whatever the case of its letters.
    name: String,
    /// Its size and time, where they tell that it did not change since.
    stat: Option<FileStat>,
    content: Content,
}

enum Content {
    /// There is none.
    Away,
    /// As it was left.
    Same,
    /// Something else.
    Other(Box<(CategoryFile, Digest)>),
    /// Something that cannot be read as a list, and why.
    Unreadable(String),
}

/// The file, if there is one, and what it says.
type Known = Option<(CategoryFile, Digest)>;

/// What becomes of the list in this run.
enum Outcome {
    /// In step, as the row says.
    Noted(Box<CategoryListRow>),
    /// The file was changed in the very instant: the next round looks again.
    Again,
}

/// Puts the master list in step; `mark` is the calendar's hint.
pub(super) async fn sync_categories<R, L>(
    run: &Run<'_, R, L>,
    mark: Option<ActivityMark>,
    round: usize,
) -> Result<Echo, SyncError>
where
    R: RemoteWrite + 'static,
    L: LocalWrite + 'static,
{
    let row = run.state().read(|state| state.category_list(run.account))?;
    let here = match run.find(&row).await {
        Ok(here) => here,
        Err(SyncError::Local(error)) if !stops_run(&error) => Here::unreadable(FILE.to_owned(), error.to_string()),
        Err(error) => return Err(error),
    };
    if let Content::Unreadable(reason) = &here.content {
        let reason = format!("{reason}; the server's list is left as it is until the file is mended");
        run.notice(FILE, NoticeKind::Held, None, reason.clone());
        // Once it is mended, it is looked at whatever it says.
        let row = CategoryListRow { trouble: Some(reason), digest: None, stat: None, ..row };
        return run.note(row).await.map(|()| Echo::None);
    }
    if !run.is_list_due(&row, &here, mark.as_ref(), round) {
        return run.note_stat(row, &here).map(|()| Echo::None);
    }
    let known = match here.content {
        Content::Other(known) => Some(*known),
        Content::Away | Content::Unreadable(_) => None,
        Content::Same => match run.read_list(&here.name).await? {
            Ok(known) => known,
            Err(_) => return Ok(Echo::Expected),
        },
    };
    let asked = CategoryListRow { asked_at: Some(run.now()), activity: mark, ..row.clone() };
    match run.merge_lists(&row, asked, (&here.name, here.stat), known).await? {
        Outcome::Noted(row) => run.note(*row).await.map(|()| Echo::None),
        Outcome::Again => Ok(Echo::Expected),
    }
}

impl Here {
    fn unreadable(name: String, reason: String) -> Self {
        Self { name, stat: None, content: Content::Unreadable(reason) }
    }
}

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Run<'_, R, L> {
    /// Looks at the file; it is read where its size and time do not tell that it is as it was left.
    async fn find(&self, row: &CategoryListRow) -> Result<Here, SyncError> {
        let listing = self.blocking(|local| local.list_entries(&FolderDir::root(), EXTENSION)).await?;
        if let Some(name) = listing.held.iter().find(|name| name.eq_ignore_ascii_case(FILE)) {
            let reason = "something else than a file has this name; rename it".to_owned();
            return Ok(Here::unreadable(name.clone(), reason));
        }
        let is_ours = |(name, ..): &(String, FileStat, Settled)| name.eq_ignore_ascii_case(FILE);
        let Some((name, stat, settled)) = listing.files.into_iter().find(is_ours) else {
            return Ok(Here { name: FILE.to_owned(), stat: None, content: Content::Away });
        };
        let settled = Some(stat).filter(|_| settled == Settled::Yes);
        if row.digest.is_some() && row.trouble.is_none() && row.stat == Some(stat) {
            return Ok(Here { name, stat: settled, content: Content::Same });
        }
        let content = match self.read_list(&name).await? {
            Err(reason) => Content::Unreadable(reason),
            Ok(None) => Content::Away,
            Ok(Some((_, digest))) if row.digest == Some(digest) => Content::Same,
            Ok(Some(known)) => Content::Other(Box::new(known)),
        };
        Ok(Here { name, stat: settled, content })
    }

    /// The file; or why it cannot be read as a list.
    async fn read_list(&self, name: &str) -> Result<Result<Known, String>, SyncError> {
        let at = name.to_owned();
        let content = self.blocking(move |local| local.read_entry(&FolderDir::root(), &at)).await?;
        Ok(match content {
            EntryContent::Vanished => Ok(None),
            EntryContent::TooLarge(length) => Err(format!("it has {length} bytes, more than any list of categories")),
            EntryContent::Bytes(bytes) => match CategoryFile::parse(&bytes) {
                Ok(file) => Ok(Some((file, digest_of(&bytes)))),
                Err(error) => Err(error.to_string()),
            },
        })
    }

    /// Whether the server is to be asked for its list.
    fn is_list_due(&self, row: &CategoryListRow, here: &Here, mark: Option<&ActivityMark>, round: usize) -> bool {
        let differs = match &here.content {
            Content::Away => !row.base.is_empty(),
            Content::Other(..) => true,
            Content::Same | Content::Unreadable(_) => false,
        };
        let Some(asked) = row.asked_at else { return true };
        let age = self.now().0.saturating_sub(asked.0);
        let is_old = |most: i64| !(0..most).contains(&age);
        let moved = mark.is_some() && mark != row.activity.as_ref() && is_old(REST);
        let looks = self.request.depth == Depth::Full || !row.held.is_empty() || moved || is_old(HINT_GOOD_FOR);
        differs || (round == 0 && looks)
    }

    /// Merges the two lists, and writes what differs.
    async fn merge_lists(
        &self,
        row: &CategoryListRow,
        mut noted: CategoryListRow,
        (name, mut stat): (&str, Option<FileStat>),
        mut known: Known,
    ) -> Result<Outcome, SyncError> {
        noted.trouble = None;
        for _ in 0..TRIES {
            let there = match self.servers_list().await? {
                Ok(there) => there,
                Err((Lasts::Passing, reason)) => {
                    self.tell_once(row, NoticeKind::Held, &reason);
                    return Ok(Outcome::Noted(Box::new(CategoryListRow { trouble: Some(reason), ..row.clone() })));
                }
                Err((Lasts::Lasting, reason)) => {
                    self.tell_once(row, NoticeKind::Held, &reason);
                    let digest = known.as_ref().map(|(_, digest)| *digest);
                    let noted = CategoryListRow { trouble: Some(reason), held: row.held.clone(), digest, ..noted };
                    return Ok(Outcome::Noted(Box::new(noted)));
                }
            };
            let local = known.as_ref().map(|(file, _)| file.list());
            let lists = Lists { base: &row.base, remote: there.as_ref(), local, held: &row.held };
            let plan = plan(lists, self.engine.settings.policy, self.request.brake);
            self.tell_held(&plan);
            noted.held = plan.held.iter().flat_map(|(.., names)| names.iter().cloned()).collect();
            let here = local.cloned().unwrap_or_default();
            let now_there = there.clone().unwrap_or_default();
            if self.is_dry() {
                self.plan_lists(plan.local.differences(&here), plan.remote.differences(&now_there));
                return Ok(Outcome::Noted(Box::new(row.clone())));
            }
            if plan.local != here {
                match self.write_list(name, known.take(), &plan).await? {
                    Ok(Some(written)) => (known, stat) = (Some(written), None),
                    Ok(None) => return Ok(Outcome::Again),
                    Err(reason) => {
                        self.tell_once(row, NoticeKind::Held, &reason);
                        return Ok(Outcome::Noted(Box::new(CategoryListRow { trouble: Some(reason), ..noted })));
                    }
                }
            }
            let digest = known.as_ref().map(|(_, digest)| *digest);
            (noted.digest, noted.stat) = (digest, stat);
            noted.base.clone_from(&plan.base);
            if plan.remote == now_there {
                noted.refused = None;
                return Ok(Outcome::Noted(Box::new(noted)));
            }
            let refused = match self.refusal(row, digest) {
                Some(reason) => reason,
                None => match self.push_list(there.as_ref(), &plan).await? {
                    Pushed::Done => {
                        noted.refused = None;
                        return Ok(Outcome::Noted(Box::new(noted)));
                    }
                    // Somebody was faster: what they wrote is taken in first.
                    Pushed::Changed => continue,
                    Pushed::Refused(lasts, reason) => {
                        let kind = if lasts == Lasts::Lasting { NoticeKind::Refused } else { NoticeKind::Held };
                        self.tell_once(row, kind, &reason);
                        if lasts == Lasts::Passing {
                            // The file counts as not looked at: the next run tries again.
                            (noted.digest, noted.stat) = (None, None);
                        }
                        reason
                    }
                },
            };
            // What was not taken is still to be pushed.
            noted.base = still_open(&row.base, &now_there, &plan);
            (noted.refused, noted.trouble) = (noted.digest, Some(refused));
            return Ok(Outcome::Noted(Box::new(noted)));
        }
        Ok(Outcome::Again)
    }

    /// Why the server did not take the list as the file has it, if it was tried.
    fn refusal(&self, row: &CategoryListRow, digest: Option<Digest>) -> Option<String> {
        let was = digest.is_some() && row.refused == digest && self.request.depth != Depth::Full;
        row.trouble.clone().filter(|_| was)
    }

    /// The server's list; or why it cannot be had.
    async fn servers_list(&self) -> Result<Result<Option<CategoryList>, (Lasts, String)>, SyncError> {
        let (lasts, error) = match self.remote().category_list().await {
            Ok(Ok(list)) => return Ok(Ok(list)),
            Ok(Err(error)) => (Lasts::of(&error), error.to_string()),
            Err(error) => (Lasts::Lasting, of_list(error)?),
        };
        Ok(Err((lasts, format!("the server's list of categories cannot be read: {error}"))))
    }

    /// Writes the file, with a copy of it first where it loses something. `None` where it was changed in the very instant.
    async fn write_list(&self, name: &str, known: Known, plan: &ListPlan) -> Result<Result<Known, String>, SyncError> {
        if !plan.clash.is_empty() {
            self.keep_list_copy(name, plan).await?;
        }
        let (old, expect) = known.map_or((None, None), |(file, digest)| (Some(file), Some(digest)));
        let file = match old.map_or_else(|| CategoryFile::new(&plan.local), |file| file.with(&plan.local)) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let content = file.to_bytes();
        let digest = digest_of(&content);
        let at = name.to_owned();
        let written = match expect {
            Some(expect) => {
                let replace = move |local: &L| local.replace_entry(&FolderDir::root(), &at, expect, &content);
                self.blocking(replace).await.map(|changed| changed == Changed::Done)
            }
            None => {
                let new = NewEntry { stem: STEM.to_owned(), extension: EXTENSION, content };
                let create = move |local: &L| local.create_entries(&FolderDir::root(), vec![new]);
                self.blocking(create).await.map(|names| names.iter().any(|(name, _)| *name == at))
            }
        };
        match written {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(None)),
            Err(SyncError::Local(error)) if !stops_run(&error) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        }
        self.step(Step::FileChanged)?;
        lock(&self.report).folders.entry(FILE.to_owned()).or_default().changed_here += 1;
        Ok(Ok(Some((file, digest))))
    }

    async fn keep_list_copy(&self, name: &str, plan: &ListPlan) -> Result<(), SyncError> {
        let at = name.to_owned();
        let copy = self.blocking(move |local| local.keep_entry_copy(&FolderDir::root(), &at)).await?;
        let Some(copy) = copy else { return Ok(()) };
        let names: Vec<String> = plan.clash.iter().map(|category| format!("{:?}", category.0)).collect();
        let text = format!(
            "both sides changed {}; the server's version is in the file, and yours in {}",
            names.join(", "),
            copy.display()
        );
        self.notice(FILE, NoticeKind::Conflict, None, text);
        lock(&self.report).folders.entry(FILE.to_owned()).or_default().conflicts += 1;
        Ok(())
    }

    async fn push_list(&self, there: Option<&CategoryList>, plan: &ListPlan) -> Result<Pushed, SyncError> {
        let (lasts, error) = match self.remote().update_category_list(there, &plan.remote).await {
            Ok(Ok(said)) if said == plan.remote => {
                self.step(Step::MarksPushed)?;
                lock(&self.report).folders.entry(FILE.to_owned()).or_default().changed_there += 1;
                return Ok(Pushed::Done);
            }
            Ok(Ok(_)) => (Lasts::Lasting, "it keeps its own".to_owned()),
            Ok(Err(error)) if matches!(error.class, ItemErrorClass::Conflict | ItemErrorClass::Unknown) => {
                return Ok(Pushed::Changed);
            }
            Ok(Err(error)) => (Lasts::of(&error), error.to_string()),
            Err(error) => (Lasts::Lasting, of_list(error)?),
        };
        let text = match lasts {
            Lasts::Passing => {
                format!("the changed list of categories did not reach the server: {error}; the next sync tries again")
            }
            Lasts::Lasting => format!(
                "the server did not take the changed list of categories: {error}; the file stays as it is, and is sent again when it is \
                 changed, or by `pimsync sync --full`"
            ),
        };
        Ok(Pushed::Refused(lasts, text))
    }

    /// Deletions that are held are told in each run, until their owner says what is meant.
    fn tell_held(&self, plan: &ListPlan) {
        for (side, reason, names) in &plan.held {
            let side = match side {
                Side::Remote => "on the server",
                Side::Local => "in the file",
            };
            let why = match reason {
                HeldReason::Restored => "the file was restored from a backup",
                HeldReason::Brake | HeldReason::OtherSideUnknown => "they are many for one run",
            };
            let count = names.len();
            let plural = if count == 1 { "y is" } else { "ies are" };
            let text = format!(
                "{count} categor{plural} not deleted {side}, since {why}; if that is meant, run `pimsync sync --allow-deletes`"
            );
            self.notice(FILE, NoticeKind::Held, None, text);
        }
    }

    fn tell_once(&self, row: &CategoryListRow, kind: NoticeKind, reason: &str) {
        if row.trouble.as_deref() != Some(reason) {
            self.notice(FILE, kind, None, reason.to_owned());
        }
    }

    fn plan_lists(&self, here: usize, there: usize) {
        for (count, action) in [(here, Action::ChangeHere), (there, Action::ChangeThere)] {
            if count > 0 {
                let item = format!("{count} categor{}", if count == 1 { "y" } else { "ies" });
                self.planned(FILE, action, item, String::new());
            }
        }
    }

    /// By its size and time the file need not be read again.
    fn note_stat(&self, row: CategoryListRow, here: &Here) -> Result<(), SyncError> {
        let is_known = here.stat.is_none() || here.stat == row.stat;
        if self.is_dry() || is_known || !matches!(here.content, Content::Same) {
            return Ok(());
        }
        let row = CategoryListRow { stat: here.stat, ..row };
        Ok(self.state().jot(|tx| tx.set_category_list(self.account, &row))?)
    }

    async fn note(&self, row: CategoryListRow) -> Result<(), SyncError> {
        let account = self.account;
        if self.is_dry() || self.state().read(|state| state.category_list(account))? == row {
            return Ok(());
        }
        self.commit(move |tx| tx.set_category_list(account, &row)).await?;
        self.step(Step::PushNoted)
    }
}

/// Whether it is worth trying again soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    Passing,
    Lasting,
}

impl Lasts {
    fn of(error: &ItemError) -> Self {
        if error.class == ItemErrorClass::Transient { Self::Passing } else { Self::Lasting }
    }
}

/// What came of a push.
enum Pushed {
    /// The server's list says so.
    Done,
    /// It was changed meanwhile.
    Changed,
    /// The server does not take it.
    Refused(Lasts, String),
}

/// What of the base still holds when the server's list stays as it is.
fn still_open(base: &CategoryList, there: &CategoryList, plan: &ListPlan) -> CategoryList {
    let agreed = plan.base.iter().filter(|category| there.get(&category.name) == Some(category));
    let before = base.iter().filter(|category| plan.remote.get(&category.name) != there.get(&category.name));
    before.chain(agreed).cloned().collect()
}

/// An error that concerns the list alone, as text; one that concerns the account, as it is.
fn of_list(error: RemoteError) -> Result<String, SyncError> {
    match error {
        RemoteError::Protocol { .. } | RemoteError::Rejected { .. } | RemoteError::AccessDenied => {
            Ok(error.to_string())
        }
        RemoteError::FolderGone => Ok("there is no calendar".to_owned()),
        error => Err(error.into()),
    }
}
