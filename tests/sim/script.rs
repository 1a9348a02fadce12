//! What happens in a simulation: a flat list of entries, so that any of them can be left out.

use pimsync::exchange::Personality;
use pimsync::plan::ConflictPolicy;

/// One simulation.
#[derive(Clone, Debug)]
pub struct Script {
    pub like: Personality,
    /// Who wins where both sides were written over.
    pub policy: ConflictPolicy,
    /// One folder at a time is deterministic; four at a time are not.
    pub folders_at_once: usize,
    pub entries: Vec<Entry>,
}

/// One entry. What it means does not depend on the others, as far as possible: `pick` chooses among what is there.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Somebody does something: before the next run, or during it, at its `n`th step.
    Edit { at: Option<usize>, edit: Edit, pick: u64 },
    /// The server misbehaves from now on, until everything settles.
    Trouble { pick: u64 },
    /// A run, which may be cut off at its `n`th step.
    Run { asked: Asked, cut: Option<usize> },
    /// Somebody does something while the next watch lives, at that second of it.
    Amid { second: u64, edit: Edit, pick: u64 },
    /// A watch lives for so long; it may die at its `n`th step, and then begins anew. `pick` chooses which notices are lost.
    Watch { minutes: u64, pick: u64, cut: Option<usize> },
    /// Nobody does anything any more, nothing goes wrong, and a sync brings everything in step.
    Settle,
}

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Plain,
    Full,
    AllowDeletes,
    OneFolder(u64),
    /// All folders, but one keeps its local changes.
    Later(u64),
}

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    // On the server.
    Arrive,
    ArriveDraft,
    ArriveMany,
    CopyThere,
    MoveThere,
    TrashThere,
    DeleteThere,
    ReadThere,
    FlagThere,
    VerbThere,
    CategoriesThere,
    DraftThere,
    BodyThere,
    Touch,
    // In the directory.
    Put,
    PutDraft,
    CopyHere,
    MoveHere,
    RenameHere,
    DeleteHere,
    FlagsHere,
    VerbHere,
    CategoriesHere,
    DraftHere,
    BodyHere,
    FinishHere,
    // Folders.
    FolderThere,
    RenameFolderThere,
    MoveFolderThere,
    DeleteFolderThere,
    FolderHere,
    RenameFolderHere,
    MoveFolderHere,
    DeleteFolderHere,
    // Neither.
    Hours,
    Weeks,
    LoseState,
}

/// How often each is done.
const OFTEN: &[(Edit, u32)] = {
    use Edit::*;
    &[
        (Arrive, 9),
        (ArriveDraft, 3),
        (ArriveMany, 1),
        (CopyThere, 3),
        (MoveThere, 8),
        (TrashThere, 2),
        (DeleteThere, 5),
        (ReadThere, 4),
        (FlagThere, 4),
        (VerbThere, 2),
        (CategoriesThere, 4),
        (DraftThere, 4),
        (BodyThere, 1),
        (Touch, 2),
        (Put, 7),
        (PutDraft, 2),
        (CopyHere, 3),
        (MoveHere, 8),
        (RenameHere, 2),
        (DeleteHere, 5),
        (FlagsHere, 6),
        (VerbHere, 2),
        (CategoriesHere, 4),
        (DraftHere, 5),
        (BodyHere, 2),
        (FinishHere, 2),
        (FolderThere, 2),
        (RenameFolderThere, 1),
        (MoveFolderThere, 1),
        (DeleteFolderThere, 1),
        (FolderHere, 2),
        (RenameFolderHere, 1),
        (MoveFolderHere, 1),
        (DeleteFolderHere, 1),
        (Hours, 2),
        (Weeks, 1),
    ]
};

struct Dice(fastrand::Rng);

impl Dice {
    fn percent(&mut self, chance: u32) -> bool {
        self.0.u32(0..100) < chance
    }

    fn edit(&mut self) -> Edit {
        let mut ticket = self.0.u32(0..OFTEN.iter().map(|(_, weight)| weight).sum());
        for (edit, weight) in OFTEN {
            if ticket < *weight {
                return *edit;
            }
            ticket -= weight;
        }
        Edit::Arrive
    }

    fn entry(&mut self, at: Option<usize>) -> Entry {
        let edit = self.edit();
        self.this(at, edit)
    }

    fn this(&mut self, at: Option<usize>, edit: Edit) -> Entry {
        Entry::Edit { at, edit, pick: self.0.u64(..) }
    }

    fn asked(&mut self) -> Asked {
        match self.0.u32(0..20) {
            0..=12 => Asked::Plain,
            13..=15 => Asked::Full,
            16 => Asked::AllowDeletes,
            17 => Asked::Later(self.0.u64(..)),
            _ => Asked::OneFolder(self.0.u64(..)),
        }
    }
}

/// The simulation of a seed.
pub fn script(seed: u64) -> Script {
    script_of(seed, run)
}

/// The same with runs that a watch decides on.
pub fn watched(seed: u64) -> Script {
    script_of(seed, watch)
}

fn script_of(seed: u64, runs: fn(&mut Dice, &mut Vec<Entry>)) -> Script {
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let like = if dice.percent(40) { Personality::Gromox } else { Personality::Exchange };
    let folders_at_once = if dice.percent(20) { 4 } else { 1 };
    let mut entries = Vec::new();
    for (edit, most) in [(Edit::FolderThere, 3), (Edit::Arrive, 8), (Edit::ArriveDraft, 2), (Edit::Put, 2)] {
        for _ in 0..dice.0.usize(0..=most) {
            entries.push(dice.this(None, edit));
        }
    }
    for _ in 0..dice.0.usize(1..=3) {
        for _ in 0..dice.0.usize(1..=3) {
            runs(&mut dice, &mut entries);
        }
        entries.push(Entry::Settle);
    }
    let policy = match dice.0.u32(0..10) {
        0 => ConflictPolicy::Server,
        1 => ConflictPolicy::Local,
        _ => ConflictPolicy::KeepBoth,
    };
    Script { like, policy, folders_at_once, entries }
}

fn run(dice: &mut Dice, entries: &mut Vec<Entry>) {
    before(dice, entries, 6);
    if dice.percent(50) {
        for _ in 0..dice.0.usize(1..=5) {
            let at = dice.0.usize(0..24);
            entries.push(dice.entry(Some(at)));
        }
    }
    let cut = dice.percent(25).then(|| dice.0.usize(1..24));
    entries.push(Entry::Run { asked: dice.asked(), cut });
}

fn watch(dice: &mut Dice, entries: &mut Vec<Entry>) {
    before(dice, entries, 3);
    let minutes = dice.0.u64(1..=4);
    for _ in 0..dice.0.usize(1..=7) {
        let (second, edit) = (dice.0.u64(0..minutes * 60), dice.edit());
        entries.push(Entry::Amid { second, edit, pick: dice.0.u64(..) });
    }
    if dice.percent(50) {
        for _ in 0..dice.0.usize(1..=4) {
            let at = dice.0.usize(0..60);
            entries.push(dice.entry(Some(at)));
        }
    }
    let cut = dice.percent(40).then(|| dice.0.usize(1..60));
    entries.push(Entry::Watch { minutes, pick: dice.0.u64(..), cut });
}

/// What happens before a run.
fn before(dice: &mut Dice, entries: &mut Vec<Entry>, edits: usize) {
    if dice.percent(6) {
        entries.push(dice.this(None, Edit::LoseState));
    }
    for _ in 0..dice.0.usize(0..=edits) {
        entries.push(dice.entry(None));
    }
    if dice.percent(35) {
        for _ in 0..dice.0.usize(1..=2) {
            entries.push(Entry::Trouble { pick: dice.0.u64(..) });
        }
    }
}
