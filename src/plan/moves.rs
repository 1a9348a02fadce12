//! Moves: what vanished here and appeared there with the same content was moved, not deleted and made anew.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::pim::{Digest, FileKey, Flag, Flags, FolderKey, ItemKey, SearchKey};

/// What a file is known again by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// The folder it lies in, or lay in.
    pub folder: FolderKey,
    /// The unique part of its name.
    pub file: FileKey,
    /// The flags in its name.
    pub flags: Flags,
    /// What it holds, or held.
    pub digest: Digest,
}

impl Likeness {
    fn is_draft(&self) -> bool {
        self.flags.has(Flag::Draft)
    }
}

/// A known item whose file is no longer where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// The item.
    pub key: ItemKey,
    /// Its file.
    pub was: Likeness,
}

/// A file that no item is known for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeared<L> {
    /// Where the caller finds it.
    pub at: L,
    /// The file.
    pub is: Likeness,
}

/// Pairs vanished items with files that hold the same bytes. Where several would do, one that kept its name goes first, then one that stayed in
/// its folder, then one with the same flags, then the order given decides: two copies that are both renamed must not change places. A draft and
/// what is none are each other's last choice, since what becomes the other is made anew on the server. What is left over was deleted, or is new.
pub fn local_moves<L: Clone>(vanished: &[Vanished], appeared: &[Appeared<L>]) -> Vec<(ItemKey, L)> {
    let mut pairing = Pairing::new(vanished, appeared);
    pairing.pair_alike(|like| Some((like.digest, &like.file)));
    pairing.pair_alike(|like| Some((like.digest, like.folder, like.flags)));
    pairing.pair_alike(|like| Some((like.digest, like.folder, like.is_draft())));
    pairing.pair_alike(|like| Some((like.digest, like.flags)));
    pairing.pair_alike(|like| Some((like.digest, like.is_draft())));
    pairing.pair_alike(|like| Some(like.digest));
    pairing.moved()
}

/// Pairs what is left by the names alone, where the caller knows a name to be no other item's: such a file was edited and moved.
pub fn edited_moves<L: Clone>(
    vanished: &[Vanished],
    appeared: &[Appeared<L>],
    is_unique: impl Fn(&FileKey) -> bool,
) -> Vec<(ItemKey, L)> {
    let mut pairing = Pairing::new(vanished, appeared);
    pairing.pair_alike(|like| is_unique(&like.file).then_some(&like.file));
    pairing.moved()
}

impl<'a, L: Clone> Pairing<'a, Vanished, Appeared<L>> {
    fn pair_alike<K: Hash + Eq>(&mut self, key: impl Fn(&'a Likeness) -> Option<K>) {
        self.pair_by(|item| key(&item.was), |file| key(&file.is));
    }

    fn moved(self) -> Vec<(ItemKey, L)> {
        self.pairs.into_iter().map(|(item, file)| (item.key, file.at.clone())).collect()
    }
}

/// Pairs the things of two lists, each with one of the other at most.
struct Pairing<'a, A, B> {
    /// What is not paired yet.
    ones: Vec<&'a A>,
    others: Vec<&'a B>,
    pairs: Vec<(&'a A, &'a B)>,
}

impl<'a, A, B> Pairing<'a, A, B> {
    fn new(ones: &'a [A], others: &'a [B]) -> Self {
        Self { ones: ones.iter().collect(), others: others.iter().collect(), pairs: Vec::new() }
    }

    /// Pairs what has the same of something, in the order given.
    fn pair_by<K: Hash + Eq>(&mut self, key: impl Fn(&'a A) -> Option<K>, of_other: impl Fn(&'a B) -> Option<K>) {
        let mut free: HashMap<K, Vec<usize>> = HashMap::new();
        for (at, other) in self.others.iter().enumerate().rev() {
            if let Some(key) = of_other(other) {
                free.entry(key).or_default().push(at);
            }
        }
        let mut taken = HashSet::new();
        let (others, pairs) = (&self.others, &mut self.pairs);
        self.ones.retain(|one| {
            let found = key(one).and_then(|key| free.get_mut(&key)?.pop());
            let Some((at, other)) = found.and_then(|at| Some((at, *others.get(at)?))) else { return true };
            taken.insert(at);
            pairs.push((*one, other));
            false
        });
        let mut at = 0..;
        self.others.retain(|_| at.next().is_none_or(|at| !taken.contains(&at)));
    }
}

/// A known item that is no longer under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// The item.
    pub key: ItemKey,
    /// What it keeps through moves.
    pub search_key: SearchKey,
    /// What it said, where that was looked at.
    pub text: Option<Digest>,
    /// What its file says, where that is something else. Should the message say so, too, its body came here right before a crash.
    pub here: Option<Digest>,
    /// What it takes to know it again.
    pub known_by: KnownBy,
}

/// What it takes to know a departed item again among copies of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// Its search key: should it be taken for another, then a file is brought up to date that nobody has edited.
    SearchKey,
    /// Its text, too: its file was edited here, and the edit is for no other message than this.
    Text,
}

/// A message of the server that no item is known for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived<R> {
    /// Where the caller finds it.
    pub at: R,
    /// What it keeps through moves.
    pub search_key: SearchKey,
    /// What it says, where that was looked at.
    pub text: Option<Digest>,
}

/// Pairs departed items with messages of the same search key. Copies share it, so that one with the same text goes first, and each departed
/// item takes one message at most, in the order given.
pub fn remote_moves<R: Clone>(departed: &[Departed], arrived: &[Arrived<R>]) -> Vec<(ItemKey, R)> {
    let mut pairing = Pairing::new(arrived, departed);
    pairing.pair_by(|message| Some((&message.search_key, message.text?)), |item| Some((&item.search_key, item.text?)));
    pairing.pair_by(|message| Some((&message.search_key, message.text?)), |item| Some((&item.search_key, item.here?)));
    pairing.pair_by(
        |message| Some(&message.search_key),
        |item| (item.known_by == KnownBy::SearchKey).then_some(&item.search_key),
    );
    pairing.pairs.into_iter().map(|(message, item)| (item.key, message.at.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(folder: i64, file: &str, content: u8) -> Likeness {
        let (file, digest) = (FileKey::new(file.as_bytes()), Digest([content; 16]));
        Likeness { folder: FolderKey(folder), file, flags: Flags::default(), digest }
    }

    fn vanished(key: i64, was: Likeness) -> Vanished {
        Vanished { key: ItemKey(key), was }
    }

    fn appeared(at: u32, is: Likeness) -> Appeared<u32> {
        Appeared { at, is }
    }

    #[test]
    fn a_kept_name_goes_before_the_order() {
        let pairs = local_moves(
            &[vanished(1, like(1, "a", 7)), vanished(2, like(1, "b", 7)), vanished(3, like(1, "c", 9))],
            &[appeared(10, like(2, "b", 7)), appeared(11, like(1, "x", 7)), appeared(12, like(1, "c", 8))],
        );
        assert_eq!(pairs, [(ItemKey(2), 10), (ItemKey(1), 11)]);
    }

    #[test]
    fn one_file_is_the_file_of_one_item() {
        let gone = [vanished(1, like(1, "a", 7)), vanished(2, like(1, "b", 7))];
        assert_eq!(local_moves(&gone, &[appeared(10, like(2, "x", 7))]), [(ItemKey(1), 10)]);
    }

    #[test]
    fn copies_that_are_renamed_do_not_change_places() {
        let draft = Flags::default().with(Flag::Draft, true);
        let pairs = local_moves(
            &[
                vanished(1, like(1, "a", 7)),
                vanished(2, like(2, "b", 7)),
                vanished(3, Likeness { flags: draft, ..like(2, "c", 7) }),
            ],
            &[
                appeared(30, Likeness { flags: draft, ..like(2, "x", 7) }),
                appeared(20, like(2, "y", 7)),
                appeared(10, like(1, "z", 7)),
            ],
        );
        assert_eq!(pairs, [(ItemKey(1), 10), (ItemKey(2), 20), (ItemKey(3), 30)]);
    }

    #[test]
    fn a_draft_goes_before_a_copy_that_is_none() {
        let draft = Flags::default().with(Flag::Draft, true);
        let gone = [vanished(1, Likeness { flags: draft, ..like(1, "a", 7) })];
        let moved = Likeness { flags: draft.with(Flag::Seen, true), ..like(3, "y", 7) };
        for folder in [1, 2] {
            let new = [appeared(10, like(folder, "x", 7)), appeared(30, moved.clone())];
            assert_eq!(local_moves(&gone, &new), [(ItemKey(1), 30)]);
        }
    }

    #[test]
    fn a_name_that_can_be_no_other_items_tells_what_was_edited_and_moved() {
        let gone = [vanished(1, like(1, "ours", 7)), vanished(2, like(1, "theirs", 7))];
        let new = [appeared(10, like(2, "ours", 8)), appeared(20, like(2, "theirs", 8))];
        let pairs = edited_moves(&gone, &new, |file| file.as_bytes() == b"ours");
        assert_eq!(pairs, [(ItemKey(1), 10)]);
    }

    fn departed(key: i64, text: Option<u8>, known_by: KnownBy) -> Departed {
        let text = text.map(|text| Digest([text; 16]));
        Departed { key: ItemKey(key), search_key: SearchKey::new("k"), text, here: None, known_by }
    }

    fn arrived(at: char, text: Option<u8>) -> Arrived<char> {
        Arrived { at, search_key: SearchKey::new("k"), text: text.map(|text| Digest([text; 16])) }
    }

    #[test]
    fn copies_do_not_share_one_departed_item() {
        let gone = [departed(5, None, KnownBy::SearchKey)];
        assert_eq!(remote_moves(&gone, &[arrived('a', None), arrived('b', None)]), [(ItemKey(5), 'a')]);
    }

    #[test]
    fn among_copies_the_same_text_goes_first() {
        let gone = [departed(5, Some(1), KnownBy::SearchKey), departed(6, Some(2), KnownBy::SearchKey)];
        let new = [arrived('a', Some(2)), arrived('b', Some(3))];
        assert_eq!(remote_moves(&gone, &new), [(ItemKey(6), 'a'), (ItemKey(5), 'b')]);
    }

    #[test]
    fn a_message_that_says_what_the_file_says_is_the_files() {
        let came = Departed { here: Some(Digest([3; 16])), ..departed(6, Some(1), KnownBy::Text) };
        let new = [arrived('a', Some(2)), arrived('b', Some(3))];
        assert_eq!(remote_moves(&[came], &new), [(ItemKey(6), 'b')]);
    }

    #[test]
    fn what_was_edited_here_is_not_taken_for_a_copy_with_another_text() {
        assert_eq!(remote_moves(&[departed(5, Some(1), KnownBy::Text)], &[arrived('a', Some(2))]), []);
        assert_eq!(remote_moves(&[departed(5, Some(1), KnownBy::Text)], &[arrived('a', Some(1))]), [(ItemKey(5), 'a')]);
    }
}
