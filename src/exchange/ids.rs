//! The ids and change keys that clients see: long, opaque, case-sensitive base64, shaped as Exchange shapes them
//! (MS-OXWSITEMID): the mailbox, then a store entry id, which for an item names its folder too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Marks an entry id as one of a private store.
const PROVIDER: [u8; 16] =
    [0x2a, 0x13, 0x9c, 0xe1, 0x77, 0x40, 0x4b, 0x0e, 0x9f, 0xd2, 0x31, 0x08, 0xc6, 0x55, 0xa7, 0x10];
const ITEM_ENTRY: usize = 70;
const FOLDER_ENTRY: usize = 46;
/// An item's and four bytes for the number of the occurrence.
const OCCURRENCE_ENTRY: usize = 74;
/// Where the entry id begins: two flags, a length, the mailbox's GUID as text, the processing byte, a length.
const ENTRY_AT: usize = 43;

/// What an id names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    Folder(i64),
    Item(i64),
    /// An occurrence: its series and which one it is, from 1 on.
    Occurrence(i64, i64),
    /// An attachment: its item and its key among the item's attachments.
    Attachment(i64, u64),
}

/// Makes and reads the ids of one mailbox.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    /// The mailbox's GUID, 36 characters.
    guid: String,
}

/// Why an id could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadId {
    Malformed,
    /// Well formed, but of a mailbox that is not this one.
    Foreign,
}

impl Ids {
    pub(super) fn new(guid: &str) -> Ids {
        Ids { guid: guid.to_owned() }
    }

    /// The id of a folder.
    pub(super) fn folder(&self, folder: i64) -> String {
        let mut bytes = self.head(FOLDER_ENTRY);
        bytes.extend_from_slice(&self.entry(1));
        bytes.extend_from_slice(&self.counter(folder));
        bytes.push(0);
        STANDARD.encode(bytes)
    }

    /// The id of an item, which changes whenever the item moves, for then it gets a new number.
    pub(super) fn item(&self, folder: i64, item: i64) -> String {
        STANDARD.encode(self.item_bytes(folder, item))
    }

    /// The id of an occurrence of a series.
    pub(super) fn occurrence(&self, folder: i64, master: i64, instance: i64) -> String {
        let mut bytes = self.head(OCCURRENCE_ENTRY);
        bytes.extend_from_slice(&self.entry(7));
        bytes.extend_from_slice(&self.counter(folder));
        bytes.extend_from_slice(&self.counter(master));
        bytes.extend_from_slice(&u32::try_from(instance).unwrap_or_default().to_be_bytes());
        bytes.push(0);
        STANDARD.encode(bytes)
    }

    /// The id of an attachment.
    pub(super) fn attachment(&self, folder: i64, item: i64, key: u64) -> String {
        let mut bytes = self.item_bytes(folder, item);
        bytes.pop();
        bytes.push(1);
        bytes.extend_from_slice(&8u16.to_le_bytes());
        bytes.extend_from_slice(&key.to_le_bytes());
        STANDARD.encode(bytes)
    }

    /// Reads an id that a client sent.
    pub(super) fn read(&self, text: &str) -> Result<Id, BadId> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| BadId::Malformed)?;
        let guid = bytes.get(4..40).ok_or(BadId::Malformed)?;
        let entry = usize::from(number::<2>(&bytes, 41).map(u16::from_le_bytes).ok_or(BadId::Malformed)?);
        let short = if entry == OCCURRENCE_ENTRY { ITEM_ENTRY } else { entry };
        let counter_at = ENTRY_AT + short - 24.min(short) + 16;
        let counter = number::<6>(&bytes, counter_at).map(counter_value).ok_or(BadId::Malformed)?;
        let tail = ENTRY_AT + entry;
        let attachments = *bytes.get(tail).ok_or(BadId::Malformed)?;
        let id = match (entry, attachments, bytes.len() - tail) {
            (FOLDER_ENTRY, 0, 1) => Id::Folder(counter),
            (ITEM_ENTRY, 0, 1) => Id::Item(counter),
            (OCCURRENCE_ENTRY, 0, 1) => {
                let instance = number::<4>(&bytes, ENTRY_AT + ITEM_ENTRY).map(u32::from_be_bytes);
                Id::Occurrence(counter, instance.map(i64::from).ok_or(BadId::Malformed)?)
            }
            (ITEM_ENTRY, 1, 11) => {
                let key = number::<8>(&bytes, tail + 3).map(u64::from_le_bytes).ok_or(BadId::Malformed)?;
                Id::Attachment(counter, key)
            }
            _ => return Err(BadId::Malformed),
        };
        if !guid.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') {
            return Err(BadId::Malformed);
        }
        if guid == self.guid.as_bytes() { Ok(id) } else { Err(BadId::Foreign) }
    }

    fn item_bytes(&self, folder: i64, item: i64) -> Vec<u8> {
        let mut bytes = self.head(ITEM_ENTRY);
        bytes.extend_from_slice(&self.entry(7));
        bytes.extend_from_slice(&self.counter(folder));
        bytes.extend_from_slice(&self.counter(item));
        bytes.push(0);
        bytes
    }

    fn head(&self, entry: usize) -> Vec<u8> {
        let mut bytes = vec![0, 2];
        bytes.extend_from_slice(&36u16.to_le_bytes());
        bytes.extend_from_slice(self.guid.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&u16::try_from(entry).unwrap_or_default().to_le_bytes());
        bytes
    }

    fn entry(&self, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&PROVIDER);
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes
    }

    fn counter(&self, value: i64) -> Vec<u8> {
        let mut bytes = self.replica().to_vec();
        bytes.extend(value.to_be_bytes().iter().skip(2));
        bytes.extend_from_slice(&[0, 0]);
        bytes
    }

    fn replica(&self) -> [u8; 16] {
        let hash = blake3::hash(self.guid.as_bytes());
        number::<16>(hash.as_bytes(), 0).unwrap_or_default()
    }

    /// The change key of a folder (type 1) or an item (type 9 for messages, 15 for calendar items …).
    pub(super) fn change_key(&self, kind: u32, change: i64) -> String {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend_from_slice(&22u32.to_le_bytes());
        bytes.extend_from_slice(&self.replica());
        bytes.extend(change.to_be_bytes().iter().skip(2));
        STANDARD.encode(bytes)
    }

    /// The change that a change key tells; none when it is not a change key of this mailbox.
    pub(super) fn read_change_key(&self, text: &str) -> Option<i64> {
        let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == 30)?;
        if bytes.get(8..24) != Some(&self.replica()) {
            return None;
        }
        number::<6>(&bytes, 24).map(counter_value)
    }
}

/// The GUID of the mailbox that an id is of; none where it is no id.
pub(super) fn guid_of(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let guid = std::str::from_utf8(bytes.get(4..40)?).ok()?;
    let is_guid = guid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_guid.then(|| guid.to_owned())
}

/// The type number that leads the change key of an item.
pub(super) fn key_kind(element: &str) -> u32 {
    match element {
        "CalendarItem" => 15,
        "Contact" => 11,
        "DistributionList" => 8,
        "Task" => 19,
        _ => 9,
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn counter_value(bytes: [u8; 6]) -> i64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn ids_are_long_and_come_back() {
        let ids = Ids::new(GUID);
        let item = ids.item(12, 3456);
        assert_eq!(item.len(), 152);
        assert_eq!(ids.read(&item), Ok(Id::Item(3456)));
        assert_eq!(ids.read(&ids.folder(12)), Ok(Id::Folder(12)));
        assert_eq!(ids.read(&ids.occurrence(12, 3456, 7)), Ok(Id::Occurrence(3456, 7)));
        assert_eq!(ids.read(&ids.attachment(12, 3456, 77)), Ok(Id::Attachment(3456, 77)));
        assert_eq!(ids.read_change_key(&ids.change_key(9, 88)), Some(88));
    }

    #[test]
    fn a_broken_or_foreign_id_is_told_apart() {
        let ids = Ids::new(GUID);
        assert_eq!(ids.read("AAMkAD"), Err(BadId::Malformed));
        assert_eq!(ids.read("!"), Err(BadId::Malformed));
        assert_eq!(ids.read(&ids.item(1, 2)[4..]), Err(BadId::Malformed));
        let other = Ids::new("1f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!(ids.read(&other.item(1, 2)), Err(BadId::Foreign));
    }
}
