//! The order in which the server is told of new, renamed and moved folders.
//!
//! Exchange refuses a folder whose name a sibling has, so names must be given up before they are taken. Where folders wait for each
//! other in a circle (two swapped their names), one of them gets a spare name in between; a run that ends there finds it still to
//! be renamed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::folders::{FolderOp, Parent, RemoteFolder, fold, spare_name};
use crate::pim::{FolderId, FolderKey};

/// Something that folders can lie in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot<'a, D> {
    /// The root.
    Top,
    /// A folder of the server, with or without a directory.
    Folder(&'a FolderId),
    /// A directory that the server does not have yet.
    Dir(&'a D),
}

impl<D> Clone for Spot<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Spot<'_, D> {}

/// What a folder shall become: only what shall change.
#[derive(Debug)]
pub(super) struct Target<'a, D> {
    /// What it shall lie in, also as the directory that the operation names.
    pub(super) into: Option<(Spot<'a, D>, Parent<&'a D>)>,
    pub(super) name: Option<String>,
}

/// Something to tell the server about one folder.
#[derive(Debug)]
pub(super) struct Wish<'a, D> {
    pub(super) spot: Spot<'a, D>,
    /// `None` for a directory that is new.
    pub(super) key: Option<FolderKey>,
    pub(super) target: Target<'a, D>,
}

/// A name among siblings.
type Seat<'a, D> = (Spot<'a, D>, String);

/// The server's tree as it becomes while it is told.
pub(super) struct Pushing<'a, D> {
    wishes: Vec<Wish<'a, D>>,
    leaving: BTreeSet<Spot<'a, D>>,
    by_spot: BTreeMap<Spot<'a, D>, usize>,
    seats: BTreeMap<Seat<'a, D>, Spot<'a, D>>,
    /// Where each folder lies, and its name.
    places: BTreeMap<Spot<'a, D>, (Spot<'a, D>, String)>,
    waiting: BTreeMap<Seat<'a, D>, Vec<usize>>,
    waiting_for_parent: BTreeMap<Spot<'a, D>, Vec<usize>>,
    ready: VecDeque<usize>,
    /// Wishes to move a folder into what still lies within it.
    entangled: Vec<usize>,
    /// Whether no move had to wait so far.
    in_order: bool,
    ops: Vec<FolderOp<D>>,
}

impl<'a, D: Clone + Ord> Pushing<'a, D> {
    /// `wishes` with parents first; `leaving`: folders that will soon be deleted, whose names are not fought for.
    pub(super) fn new(remote: &'a [RemoteFolder], wishes: Vec<Wish<'a, D>>, leaving: BTreeSet<Spot<'a, D>>) -> Self {
        let mut pushing = Self {
            by_spot: wishes.iter().enumerate().map(|(index, wish)| (wish.spot, index)).collect(),
            ready: (0..wishes.len()).collect(),
            wishes,
            leaving,
            seats: BTreeMap::new(),
            places: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_for_parent: BTreeMap::new(),
            entangled: Vec::new(),
            in_order: true,
            ops: Vec::new(),
        };
        for folder in remote {
            let parent = folder.parent.as_ref().map_or(Spot::Top, Spot::Folder);
            pushing.sit(Spot::Folder(&folder.id), parent, folder.name.clone());
        }
        pushing
    }

    pub(super) fn ops(mut self) -> Vec<FolderOp<D>> {
        let mut hopeless = BTreeSet::new();
        let mut next = 0;
        loop {
            self.follow();
            if next == self.wishes.len() {
                break;
            }
            self.step_aside(next, &mut hopeless);
            next += 1;
        }
        let mut waits = BTreeMap::new();
        for index in 0..self.wishes.len() {
            self.waits_for_leaving(index, &mut waits);
        }
        for index in (0..self.wishes.len()).filter(|index| waits.get(index) != Some(&true)) {
            self.ask_all_the_same(index);
        }
        self.ops
    }

    /// Whether what is in a folder's way, or in the way of that, will soon be gone. Remembers what it learns of all on the way.
    fn waits_for_leaving(&self, index: usize, waits: &mut BTreeMap<usize, bool>) {
        let mut path = Vec::new();
        let mut at = index;
        let leaves = loop {
            if let Some(known) = waits.get(&at) {
                break *known;
            }
            // A circle of which nobody could step aside does not wait for anybody else.
            waits.insert(at, false);
            path.push(at);
            let Some(holder) = self.in_the_way(at) else { break false };
            if self.leaving.contains(&holder) {
                break true;
            }
            match self.by_spot.get(&holder) {
                Some(next) => at = *next,
                None => break false,
            }
        };
        waits.extend(path.into_iter().map(|index| (index, leaves)));
    }

    /// Tells the server all that it can follow now.
    fn follow(&mut self) {
        loop {
            let told = self.ops.len();
            while let Some(index) = self.ready.pop_front() {
                self.advance(index);
            }
            if self.ops.len() == told || self.entangled.is_empty() {
                return;
            }
            self.ready.extend(std::mem::take(&mut self.entangled));
        }
    }

    /// Tells the server as much of a wish as it can follow now; the rest waits for what is in its way.
    fn advance(&mut self, index: usize) {
        let Some(wish) = self.wishes.get(index) else { return };
        if wish.key.is_none() {
            return self.make(index);
        }
        // A move can free the way for the renaming, and the other way round.
        let moved = self.try_move(index);
        let renamed = self.try_rename(index);
        if !moved && renamed {
            self.try_move(index);
        }
        for seat in self.seats_wanted(index) {
            self.waiting.entry(seat).or_default().push(index);
        }
    }

    fn make(&mut self, index: usize) {
        let Some(Wish { spot, target: Target { into: Some((into, _)), name: Some(name) }, .. }) =
            self.wishes.get(index)
        else {
            return;
        };
        let (spot, into, name) = (*spot, *into, name.clone());
        if !self.is_there(into) {
            self.waiting_for_parent.entry(into).or_default().push(index);
        } else if let Some(seat) = self.taken(spot, into, &name) {
            self.waiting.entry(seat).or_default().push(index);
        } else {
            self.tell_made(index);
            self.sit(spot, into, name);
            self.ready.extend(self.waiting_for_parent.remove(&spot).unwrap_or_default());
        }
    }

    fn try_move(&mut self, index: usize) -> bool {
        let Some(Wish { spot, target: Target { into: Some((into, _)), .. }, .. }) = self.wishes.get(index) else {
            return false;
        };
        let (spot, into) = (*spot, *into);
        let Some((_, name)) = self.places.get(&spot).cloned() else { return false };
        if !self.is_there(into) {
            self.waiting_for_parent.entry(into).or_default().push(index);
            self.in_order = false;
            return false;
        }
        if self.lies_within(into, spot) {
            self.entangled.push(index);
            return false;
        }
        let free = self.taken(spot, into, &name).is_none();
        if free {
            self.tell_moved(index);
            self.sit(spot, into, name);
        }
        self.in_order &= free;
        free
    }

    /// Whether something lies within a folder that is to be moved into it. With parents first that cannot be, unless one had to wait.
    fn lies_within(&self, inner: Spot<'a, D>, outer: Spot<'a, D>) -> bool {
        let above = |spot: &Spot<'a, D>| self.places.get(spot).map(|(parent, _)| *parent);
        !self.in_order && std::iter::successors(Some(inner), above).take(self.places.len()).any(|spot| spot == outer)
    }

    fn try_rename(&mut self, index: usize) -> bool {
        let Some(Wish { spot, target: Target { name: Some(name), .. }, .. }) = self.wishes.get(index) else {
            return false;
        };
        let (spot, name) = (*spot, name.clone());
        let Some((parent, _)) = self.places.get(&spot).cloned() else { return false };
        let free = self.taken(spot, parent, &name).is_none();
        if free {
            self.tell_renamed(index, name.clone());
            if let Some(wish) = self.wishes.get_mut(index) {
                wish.target.name = None;
            }
            self.sit(spot, parent, name);
        }
        free
    }

    /// The seats that a folder must have for its next step.
    fn seats_wanted(&self, index: usize) -> Vec<Seat<'a, D>> {
        let Some(wish) = self.wishes.get(index) else { return vec![] };
        let Some((parent, name)) = self.places.get(&wish.spot) else { return vec![] };
        let moving = wish.target.into.map(|(into, _)| (into, fold(name)));
        let renaming = wish.target.name.as_ref().map(|name| (*parent, fold(name)));
        moving.into_iter().chain(renaming).collect()
    }

    /// What keeps a folder from where it shall be in the end: a parent that is not made yet, or who has its name there.
    fn in_the_way(&self, index: usize) -> Option<Spot<'a, D>> {
        let wish = self.wishes.get(index)?;
        let into = wish.target.into.map(|(into, _)| into);
        if let Some(unmade) = into.filter(|into| !self.is_there(*into)) {
            return Some(unmade);
        }
        let place = self.places.get(&wish.spot);
        let parent = into.or(place.map(|(parent, _)| *parent))?;
        let name = wish.target.name.as_ref().or(place.map(|(_, name)| name))?;
        let seat = self.taken(wish.spot, parent, name)?;
        self.seats.get(&seat).copied()
    }

    /// Gives a folder a spare name, if what it waits for waits for it in turn.
    fn step_aside(&mut self, index: usize, hopeless: &mut BTreeSet<usize>) {
        let unfinished = |wish: &Wish<'a, D>| wish.target.into.is_some() || wish.target.name.is_some();
        let Some(key) = self.wishes.get(index).filter(|wish| unfinished(wish)).and_then(|wish| wish.key) else {
            return;
        };
        let mut path = BTreeSet::new();
        let mut at = index;
        while path.insert(at) {
            let Some(holder) = self.in_the_way(at) else {
                // Only its steps are in the way of each other. It has its own turn for that.
                if at == index {
                    self.take_spare_name(index, key);
                }
                return;
            };
            // What is moved out of a folder to take its place must be out before that can go.
            let moves = self.wishes.get(index).is_some_and(|wish| wish.target.into.is_some());
            if at == index && moves && self.leaving.contains(&holder) {
                return self.take_spare_name(index, key);
            }
            let waits = |next: &usize| self.wishes.get(*next).is_some_and(unfinished) && !hopeless.contains(next);
            match self.by_spot.get(&holder).copied().filter(waits) {
                Some(next) if next == index => return self.take_spare_name(index, key),
                Some(next) => at = next,
                None => return hopeless.extend(path),
            }
        }
    }

    fn take_spare_name(&mut self, index: usize, key: FolderKey) {
        let Some(wish) = self.wishes.get_mut(index) else { return };
        let spot = wish.spot;
        let Some((parent, name)) = self.places.get(&spot).cloned() else { return };
        let wanted = wish.target.name.get_or_insert(name).clone();
        let spares = (key.0..).map(|number| spare_name(&wanted, FolderKey(number)));
        let Some(spare) = spares.into_iter().find(|name| self.taken(spot, parent, name).is_none()) else { return };
        self.tell_renamed(index, spare.clone());
        self.sit(spot, parent, spare);
        self.ready.push_back(index);
    }

    /// What nothing gives up is asked for all the same.
    fn ask_all_the_same(&mut self, index: usize) {
        let Some(wish) = self.wishes.get_mut(index) else { return };
        if wish.key.is_none() {
            return self.tell_made(index);
        }
        let name = wish.target.name.take();
        let (spot, into) = (wish.spot, wish.target.into.map(|(into, _)| into));
        if into.is_none_or(|into| !self.lies_within(into, spot)) {
            self.tell_moved(index);
        }
        if let Some(name) = name {
            self.tell_renamed(index, name);
        }
    }

    fn tell_made(&mut self, index: usize) {
        let Some(wish) = self.wishes.get_mut(index) else { return };
        if let (Spot::Dir(dir), Some(_)) = (wish.spot, wish.target.into.take()) {
            self.ops.push(FolderOp::MakeRemote(dir.clone()));
        }
    }

    fn tell_moved(&mut self, index: usize) {
        let Some(wish) = self.wishes.get_mut(index) else { return };
        if let (Some(key), Some((_, into))) = (wish.key, wish.target.into.take()) {
            self.ops.push(FolderOp::MoveRemote { key, into: into.cloned() });
        }
    }

    fn tell_renamed(&mut self, index: usize, name: String) {
        if let Some(key) = self.wishes.get(index).and_then(|wish| wish.key) {
            self.ops.push(FolderOp::RenameRemote { key, name });
        }
    }

    fn is_there(&self, spot: Spot<'a, D>) -> bool {
        spot == Spot::Top || self.places.contains_key(&spot)
    }

    /// The seat, if another folder has it.
    fn taken(&self, spot: Spot<'a, D>, parent: Spot<'a, D>, name: &str) -> Option<Seat<'a, D>> {
        let seat = (parent, fold(name));
        self.seats.get(&seat).is_some_and(|holder| *holder != spot).then_some(seat)
    }

    /// Puts a folder in its place, and wakes who waited for the one that it leaves.
    fn sit(&mut self, spot: Spot<'a, D>, parent: Spot<'a, D>, name: String) {
        if let Some((parent, name)) = self.places.remove(&spot) {
            let seat = (parent, fold(&name));
            if self.seats.get(&seat) == Some(&spot) {
                self.seats.remove(&seat);
                self.ready.extend(self.waiting.remove(&seat).unwrap_or_default());
            }
        }
        self.seats.insert((parent, fold(&name)), spot);
        self.places.insert(spot, (parent, name));
    }
}
