//! The whole decision table of the plan at a glance: a change to a decision is a change to this page.

use std::fmt::Write;

use pimsync::pim::{Flag, Flags, FolderKey, ItemKey, Marks, ServerMarks};
use pimsync::plan::{
    Base, Brake, Case, ConflictPolicy, Content, Evidence, FolderSize, Held, HeldReason, LocalState, Op, Plan,
    PushContent, RemoteState, Seen, Side, plan,
};

const HOME: FolderKey = FolderKey(1);
const KEY: ItemKey = ItemKey(7);

/// What a side can show of a message that lay in `HOME`, unread.
#[derive(Clone, Copy)]
enum Shown {
    Same,
    Unchanged,
    Read,
    Edited,
    Moved,
    Away,
    Unknown,
}

impl Shown {
    const ALL: [Self; 7] =
        [Self::Same, Self::Unchanged, Self::Read, Self::Edited, Self::Moved, Self::Away, Self::Unknown];

    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Unchanged => "unchanged",
            Self::Read => "read",
            Self::Edited => "edited",
            Self::Moved => "moved",
            Self::Away => "away",
            Self::Unknown => "unknown",
        }
    }

    fn remote(self, draft: bool) -> Seen<RemoteState<()>> {
        let state = RemoteState {
            at: (),
            folder: if matches!(self, Self::Moved) { FolderKey(2) } else { HOME },
            marks: ServerMarks { read: matches!(self, Self::Read), draft, ..ServerMarks::default() },
            edited: matches!(self, Self::Edited),
        };
        self.seen(state)
    }

    fn local(self, draft: bool) -> Seen<LocalState<()>> {
        let flags = Flags::NONE.with(Flag::Seen, matches!(self, Self::Read)).with(Flag::Draft, draft);
        let state = LocalState {
            at: (),
            folder: if matches!(self, Self::Moved) { FolderKey(3) } else { HOME },
            marks: Marks { flags, ..Marks::default() },
            edited: matches!(self, Self::Edited),
        };
        self.seen(state)
    }

    fn seen<T>(self, state: T) -> Seen<T> {
        match self {
            Self::Same => Seen::Same,
            Self::Away => Seen::Away(Evidence::CompleteListing),
            Self::Unknown => Seen::Unknown,
            Self::Unchanged | Self::Read | Self::Edited | Self::Moved => Seen::Here(state),
        }
    }
}

fn base(draft: bool) -> Base {
    let remote = ServerMarks { draft, ..ServerMarks::default() };
    Base { key: KEY, folder: HOME, local: remote.to_local(), remote }
}

fn decide(case: Case<(), ()>, policy: ConflictPolicy) -> String {
    print(&plan([case], policy, Brake::On, &[FolderSize { folder: HOME, items: 100 }]))
}

fn print(plan: &Plan<(), ()>) -> String {
    let ops = plan.pulls.iter().chain(&plan.pushes).map(print_op);
    let all: Vec<String> = ops.chain(plan.held.iter().map(print_held)).collect();
    if all.is_empty() { "-".into() } else { all.join("; ") }
}

fn print_op(op: &Op<(), ()>) -> String {
    let place = |folder: &Option<FolderKey>| folder.map_or(String::new(), |folder| format!(", to folder {}", folder.0));
    match op {
        Op::Download { instead_of, .. } => format!("download{}", anew(*instead_of)),
        Op::Update { marks, content, move_to, .. } => {
            let content = match content {
                Content::Keep => "",
                Content::Replace => ", body",
                Content::ReplaceKeepingCopy => ", body, keeping a copy",
            };
            format!("update file [{}]{content}{}", letters(marks), place(move_to))
        }
        Op::Remove { .. } => "remove file".into(),
        Op::Adopt { marks, agreed, .. } => format!("adopt [{}], agreed [{}]", letters(marks), letters(agreed)),
        Op::Refresh { remote, local, .. } => {
            format!("refresh{}{}", remote.as_ref().map_or("", |_| " message"), local.as_ref().map_or("", |_| " file"))
        }
        Op::Forget { .. } => "forget".into(),
        Op::Upload { instead_of, .. } => format!("upload{}", anew(*instead_of)),
        Op::Push { marks, content, move_to, .. } => {
            let content = match content {
                PushContent::Keep => "",
                PushContent::ReplaceDraft => ", body",
                PushContent::Recreate(_) => ", made anew",
            };
            format!("push [{}]{content}{}", letters(&marks.to_local()), place(move_to))
        }
        Op::Delete { .. } => "delete message".into(),
    }
}

fn print_held(held: &Held) -> String {
    let reason = match held.reason {
        HeldReason::Brake => "brake",
        HeldReason::Restored => "restored",
        HeldReason::OtherSideUnknown => "unknown",
    };
    let side = match held.side {
        Side::Remote => "remote",
        Side::Local => "local",
    };
    format!("hold {side}: {reason}")
}

fn anew(instead_of: Option<ItemKey>) -> &'static str {
    if instead_of.is_some() { " again" } else { "" }
}

fn letters(marks: &Marks) -> String {
    marks.flags.letters().map(char::from).collect()
}

/// A line for each pair of what the sides show.
fn table(base: Option<&Base>, draft: bool, shown: &[Shown], policy: ConflictPolicy) -> String {
    let mut lines = String::new();
    for remote in shown {
        for local in shown {
            let case = Case { base: base.cloned(), remote: remote.remote(draft), local: local.local(draft) };
            let decision = decide(case, policy);
            let _ = writeln!(lines, "{:<10} {:<10} {decision}", remote.word(), local.word());
        }
    }
    lines
}

#[test]
fn a_known_message() {
    insta::assert_snapshot!(table(Some(&base(false)), false, &Shown::ALL, ConflictPolicy::KeepBoth), @r"
    same       same       -
    same       unchanged  refresh file
    same       read       push [S]
    same       edited     push [], made anew
    same       moved      push [], to folder 3
    same       away       delete message
    same       unknown    -
    unchanged  same       refresh message
    unchanged  unchanged  refresh message file
    unchanged  read       refresh message; push [S]
    unchanged  edited     refresh message; push [], made anew
    unchanged  moved      refresh message; push [], to folder 3
    unchanged  away       refresh message; delete message
    unchanged  unknown    hold local: unknown
    read       same       update file [S]
    read       unchanged  update file [S]
    read       read       refresh message file
    read       edited     update file [S]; push [S], made anew
    read       moved      update file [S]; push [S], to folder 3
    read       away       download again
    read       unknown    hold local: unknown
    edited     same       update file [], body
    edited     unchanged  update file [], body
    edited     read       update file [S], body; push [S]
    edited     edited     update file [], body, keeping a copy
    edited     moved      update file [], body; push [], to folder 3
    edited     away       download again
    edited     unknown    hold local: unknown
    moved      same       update file [], to folder 2
    moved      unchanged  update file [], to folder 2
    moved      read       update file [S], to folder 2; push [S]
    moved      edited     update file [], to folder 2; push [], made anew
    moved      moved      update file [], to folder 2
    moved      away       download again
    moved      unknown    hold local: unknown
    away       same       remove file
    away       unchanged  remove file
    away       read       upload again
    away       edited     upload again
    away       moved      upload again
    away       away       forget
    away       unknown    hold local: unknown
    unknown    same       -
    unknown    unchanged  hold remote: unknown
    unknown    read       hold remote: unknown
    unknown    edited     hold remote: unknown
    unknown    moved      hold remote: unknown
    unknown    away       hold remote: unknown
    unknown    unknown    -
    ");
}

#[test]
fn a_new_message() {
    let shown = [Shown::Same, Shown::Unchanged, Shown::Read, Shown::Away, Shown::Unknown];
    insta::assert_snapshot!(table(None, false, &shown, ConflictPolicy::KeepBoth), @r"
    same       same       -
    same       unchanged  upload
    same       read       upload
    same       away       -
    same       unknown    -
    unchanged  same       download
    unchanged  unchanged  adopt [], agreed []
    unchanged  read       adopt [S], agreed []
    unchanged  away       download
    unchanged  unknown    hold local: unknown
    read       same       download
    read       unchanged  adopt [S], agreed [S]
    read       read       adopt [S], agreed [S]
    read       away       download
    read       unknown    hold local: unknown
    away       same       -
    away       unchanged  upload
    away       read       upload
    away       away       -
    away       unknown    -
    unknown    same       -
    unknown    unchanged  hold remote: unknown
    unknown    read       hold remote: unknown
    unknown    away       -
    unknown    unknown    -
    ");
}

#[test]
fn a_known_draft() {
    let shown = [Shown::Same, Shown::Edited, Shown::Away];
    insta::assert_snapshot!(table(Some(&base(true)), true, &shown, ConflictPolicy::KeepBoth), @r"
    same       same       -
    same       edited     push [D], body
    same       away       delete message
    edited     same       update file [D], body
    edited     edited     update file [D], body, keeping a copy
    edited     away       download again
    away       same       remove file
    away       edited     upload again
    away       away       forget
    ");
}

#[test]
fn a_conflict_that_the_server_wins() {
    let shown = [Shown::Edited, Shown::Moved];
    insta::assert_snapshot!(table(Some(&base(false)), false, &shown, ConflictPolicy::Server), @r"
    edited     edited     update file [], body
    edited     moved      update file [], body; push [], to folder 3
    moved      edited     update file [], to folder 2; push [], made anew
    moved      moved      update file [], to folder 2
    ");
}

#[test]
fn a_conflict_that_the_directory_wins() {
    let shown = [Shown::Edited, Shown::Moved];
    insta::assert_snapshot!(table(Some(&base(false)), false, &shown, ConflictPolicy::Local), @r"
    edited     edited     refresh message; push [], made anew
    edited     moved      update file [], body; push [], to folder 3
    moved      edited     update file [], to folder 2; push [], made anew
    moved      moved      refresh message; push [], to folder 3
    ");
}

/// A message marked as a draft cannot be told so on the server: it is made anew as one, and not over and over again.
#[test]
fn a_message_that_becomes_a_draft() {
    let shown = Shown::Unchanged;
    let case = Case { base: Some(base(false)), remote: Seen::Same, local: shown.local(true) };
    insta::assert_snapshot!(decide(case, ConflictPolicy::KeepBoth), @"push [D], made anew");
    let case = Case { base: Some(base(true)), remote: Seen::Same, local: shown.local(false) };
    insta::assert_snapshot!(decide(case, ConflictPolicy::KeepBoth), @"push [], made anew");
}
