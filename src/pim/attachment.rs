//! Files that belong to an event: what they are called and what is in them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::fields::FieldValue;
use super::{Digest, Text};

/// The content of a file. Two are equal when their bytes are.
///
/// What is noted of one is its hash: what is only remembered can be compared, and not written.
#[derive(Clone, Serialize, Deserialize)]
pub struct Blob {
    digest: Digest,
    #[serde(skip)]
    data: Bytes,
}

impl Blob {
    /// The content with these bytes.
    pub fn new(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&data);
        Self { digest: Digest::of(&hasher), data }
    }

    /// Its bytes; `None` where it is only remembered.
    pub fn data(&self) -> Option<&Bytes> {
        let is_empty = || self.digest == Self::new(Bytes::new()).digest;
        Some(&self.data).filter(|data| !data.is_empty() || is_empty())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data() {
            Some(data) if data.len() <= 64 => f.debug_struct("Blob").field("data", data).finish(),
            _ => f.debug_struct("Blob").field("digest", &self.digest).field("length", &self.data.len()).finish(),
        }
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Blob {}

/// A file that belongs to an event. Two are the same when their names and their bytes are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is called.
    pub name: Text,
    /// What is in it.
    #[serde(flatten)]
    pub content: Blob,
    /// Its media type; empty where nobody tells it.
    #[serde(skip)]
    pub media_type: Text,
    /// By which the HTML of the event shows it (RFC 2392); empty where it does not.
    #[serde(skip)]
    pub content_id: Text,
}

impl Attachment {
    /// A file of that name and content.
    pub fn new(name: &str, content: Blob) -> Self {
        Self { name: name_of(name), content, media_type: Text::default(), content_id: Text::default() }
    }

    /// Whether it is called so.
    pub fn has_name(&self, name: &str) -> bool {
        self.name == name_of(name)
    }

    fn key(&self) -> (&str, Digest) {
        (self.name.as_str(), self.content.digest)
    }
}

/// What a file is called. One without a name gets one, since the server takes none without.
fn name_of(name: &str) -> Text {
    Text::from(if name.trim().is_empty() { "attachment" } else { name })
}

impl PartialEq for Attachment {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Attachment {}

impl PartialOrd for Attachment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Attachment {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// All files of an event, each once and in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attachments(BTreeSet<Attachment>);

impl Attachments {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Attachment> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether that one is among them.
    pub fn contains(&self, attachment: &Attachment) -> bool {
        self.0.contains(attachment)
    }

    /// Those that are not among the others.
    pub fn without<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a Attachment> {
        self.0.difference(&others.0)
    }

    /// How many bytes those have that are not only remembered.
    pub fn size(&self) -> u64 {
        self.0.iter().filter_map(|attachment| attachment.content.data()).map(|data| data.len() as u64).sum()
    }

    /// Gives those that are only remembered their bytes, where the others have them.
    pub fn recall(&mut self, others: &Self) {
        let recalled = |file: &Attachment| match others.0.get(file) {
            Some(same) if file.content.data().is_none() => same.clone(),
            _ => file.clone(),
        };
        self.0 = self.0.iter().map(recalled).collect();
    }

    /// Those that are among the others, too.
    #[must_use]
    pub fn common(&self, others: &Self) -> Self {
        self.0.iter().filter(|attachment| others.contains(attachment)).cloned().collect()
    }
}

impl FromIterator<Attachment> for Attachments {
    /// Of two equal ones that stays which can be written.
    fn from_iter<T: IntoIterator<Item = Attachment>>(attachments: T) -> Self {
        let mut all = BTreeSet::new();
        for attachment in attachments {
            if attachment.content.data().is_some() || !all.contains(&attachment) {
                all.replace(attachment);
            }
        }
        Self(all)
    }
}

/// Each side may add some and take others away.
impl FieldValue for Attachments {
    fn merge(base: &Self, remote: &Self, local: &Self) -> Option<Self> {
        let stays = |attachment: &&Attachment| {
            let (was, there, here) =
                (base.contains(attachment), remote.contains(attachment), local.contains(attachment));
            if was { there && here } else { there || here }
        };
        Some(remote.iter().chain(local.iter()).filter(stays).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, data: &str) -> Attachment {
        Attachment::new(name, Blob::new(data.as_bytes().to_vec()))
    }

    fn files<const N: usize>(files: [&Attachment; N]) -> Attachments {
        files.into_iter().cloned().collect()
    }

    #[test]
    fn each_side_may_add_and_take_away() {
        let [kept, gone, old, new, here, there] = ["kept", "gone", "old", "new", "here", "there"].map(|data| {
            let name = if matches!(data, "old" | "new") { "edited" } else { data };
            file(name, data)
        });
        let base = files([&kept, &gone, &old]);
        let remote = files([&kept, &gone, &new, &there]);
        let local = files([&kept, &old, &here]);
        let merged = Attachments::merge(&base, &remote, &local).unwrap();
        assert_eq!(merged, files([&kept, &new, &here, &there]));
        assert_eq!(Attachments::merge(&base, &local, &remote).unwrap(), merged);
    }

    #[test]
    fn what_is_remembered_gives_way_to_what_can_be_written() {
        let whole = file("minutes.txt", "We met.");
        let noted = serde_json::to_string(&files([&whole])).unwrap();
        let remembered: Attachments = serde_json::from_str(&noted).unwrap();
        assert_eq!(remembered, files([&whole]));
        assert!(remembered.iter().all(|file| file.content.data().is_none()) && remembered.size() == 0);
        for both in [[remembered.clone(), files([&whole])], [files([&whole]), remembered]] {
            let one: Attachments = both.iter().flat_map(Attachments::iter).cloned().collect();
            assert_eq!(one.size(), 7);
        }
        assert!(Blob::new("").data().is_some(), "an empty file is whole");
    }
}
