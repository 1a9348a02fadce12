//! Moves: what vanished here and appeared there with the same content was moved, not deleted and made anew.

use std::collections::HashMap;

use crate::pim::{Digest, FileKey, FolderKey, ItemKey, SearchKey};

/// A known item whose file is no longer where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// The item.
    pub key: ItemKey,
    /// The unique part of its file's name.
    pub file: FileKey,
    /// What it held.
    pub digest: Digest,
}

/// A file that no item is known for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeared<L> {
    /// Where the caller finds it.
    pub at: L,
    /// The unique part of its name.
    pub file: FileKey,
    /// What it holds.
    pub digest: Digest,
}

/// Pairs vanished items with files that hold the same bytes. Where several would do, one that kept its name goes first, then the
/// order given decides. What is left over was deleted, or is new.
pub fn local_moves<L: Clone>(vanished: &[Vanished], appeared: &[Appeared<L>]) -> Vec<(ItemKey, L)> {
    let mut free: HashMap<Digest, Vec<&Appeared<L>>> = HashMap::new();
    for file in appeared.iter().rev() {
        free.entry(file.digest).or_default().push(file);
    }
    let mut pairs = Vec::new();
    let mut unnamed = Vec::new();
    for item in vanished {
        let candidates = free.get_mut(&item.digest);
        match candidates.and_then(|files| Some((files.iter().position(|file| file.file == item.file)?, files))) {
            Some((position, files)) => pairs.push((item.key, files.remove(position).at.clone())),
            None => unnamed.push(item),
        }
    }
    for item in unnamed {
        if let Some(file) = free.get_mut(&item.digest).and_then(Vec::pop) {
            pairs.push((item.key, file.at.clone()));
        }
    }
    pairs
}

/// A known item that is no longer under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// The item.
    pub key: ItemKey,
    /// What it keeps through moves.
    pub search_key: SearchKey,
}

/// A message of the server that no item is known for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived<R> {
    /// Where the caller finds it.
    pub at: R,
    /// The folder it lies in.
    pub folder: FolderKey,
    /// What it keeps through moves.
    pub search_key: SearchKey,
}

/// Pairs departed items with messages of the same search key. Copies share it, so each departed item takes one message at most,
/// in the order given.
pub fn remote_moves<R: Clone>(departed: &[Departed], arrived: &[Arrived<R>]) -> Vec<(ItemKey, R)> {
    let mut free: HashMap<&SearchKey, Vec<ItemKey>> = HashMap::new();
    for item in departed.iter().rev() {
        free.entry(&item.search_key).or_default().push(item.key);
    }
    arrived.iter().filter_map(|message| Some((free.get_mut(&message.search_key)?.pop()?, message.at.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vanished(key: i64, file: &str, content: u8) -> Vanished {
        Vanished { key: ItemKey(key), file: FileKey::new(file.as_bytes()), digest: Digest([content; 16]) }
    }

    fn appeared(at: u32, file: &str, content: u8) -> Appeared<u32> {
        Appeared { at, file: FileKey::new(file.as_bytes()), digest: Digest([content; 16]) }
    }

    #[test]
    fn a_kept_name_goes_before_the_order() {
        let pairs = local_moves(
            &[vanished(1, "a", 7), vanished(2, "b", 7), vanished(3, "c", 9)],
            &[appeared(10, "b", 7), appeared(11, "x", 7), appeared(12, "c", 8)],
        );
        assert_eq!(pairs, [(ItemKey(2), 10), (ItemKey(1), 11)]);
    }

    #[test]
    fn copies_do_not_share_one_departed_item() {
        let search_key = SearchKey::new("k");
        let arrived = |at| Arrived { at, folder: FolderKey(1), search_key: search_key.clone() };
        let departed = [Departed { key: ItemKey(5), search_key: search_key.clone() }];
        assert_eq!(remote_moves(&departed, &[arrived('a'), arrived('b')]), [(ItemKey(5), 'a')]);
    }
}
