//! Adoption: a message and a file that are new to us on both sides can be the same one, after state.db was lost, a crash, or when a
//! person filled both sides before the first sync. Then neither is copied to the other side.

use std::collections::HashMap;
use std::hash::Hash;

use crate::pim::Digest;

/// Something that tells whether a message and a file are the same one. Stronger clues are smaller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clue {
    /// The file's name was derived from this item id.
    Name(String),
    /// The message carries the tag that this file would be uploaded with.
    Tag(String),
    /// Both say this (semantic digest). Asked for where Message-IDs do not tell apart what they are to.
    Text(Digest),
    /// Both have this Message-ID. Duplicates are common, so it counts last, and each copy pairs once.
    MessageId(String),
}

/// Something on one side, with the clues that it gives.
#[derive(Clone, Debug)]
pub struct Loose<T> {
    /// Where the caller finds it.
    pub at: T,
    /// What it could be known by.
    pub clues: Vec<Clue>,
}

/// Pairs what lies in one folder on both sides, strongest clues first; each takes part in one pair at most.
pub fn adopt<R, L>(remote: &[Loose<R>], local: &[Loose<L>]) -> Vec<(R, L)>
where
    R: Clone + Eq + Hash,
    L: Clone + Eq + Hash,
{
    let mut by_clue: HashMap<&Clue, Vec<&L>> = HashMap::new();
    for file in local.iter().rev() {
        for clue in &file.clues {
            by_clue.entry(clue).or_default().push(&file.at);
        }
    }
    let mut offers: Vec<(&Clue, &R)> =
        remote.iter().flat_map(|message| message.clues.iter().map(move |clue| (clue, &message.at))).collect();
    offers.sort_by_key(|(clue, _)| strength(clue));

    let mut taken_remote = std::collections::HashSet::new();
    let mut taken_local = std::collections::HashSet::new();
    let mut pairs = Vec::new();
    for (clue, message) in offers {
        if taken_remote.contains(message) {
            continue;
        }
        let Some(files) = by_clue.get_mut(clue) else { continue };
        while let Some(file) = files.pop() {
            if taken_local.insert(file.clone()) {
                taken_remote.insert(message.clone());
                pairs.push((message.clone(), file.clone()));
                break;
            }
        }
    }
    pairs
}

fn strength(clue: &Clue) -> u8 {
    match clue {
        Clue::Name(_) => 0,
        Clue::Tag(_) => 1,
        Clue::Text(_) => 2,
        Clue::MessageId(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Clue {
        Clue::MessageId(text.into())
    }

    #[test]
    fn a_stronger_clue_wins_and_each_pairs_once() {
        let remote = [
            Loose { at: 1, clues: vec![id("m")] },
            Loose { at: 2, clues: vec![Clue::Tag("t".into()), id("m")] },
            Loose { at: 3, clues: vec![id("m")] },
        ];
        let local =
            [Loose { at: 'a', clues: vec![Clue::Tag("t".into()), id("m")] }, Loose { at: 'b', clues: vec![id("m")] }];
        assert_eq!(adopt(&remote, &local), [(2, 'a'), (1, 'b')]);
    }
}
