//! A sample mailbox: mail of many years in nested folders, a year of appointments, and items of every other kind. The
//! same number of messages always makes the same mailbox.

mod calendar;
mod compose;
mod items;
mod picture;
mod public;
mod words;

use rusqlite::Connection;

use super::ops::{self, Maker};
use super::store::{self, Item, MailboxRow, NewItem};
use super::xml::{self, TYPES};
use super::zones::Zone;
use super::{Error, List, Personality, intake};
use compose::{Letter, Random};
pub(super) use public::seed as seed_public;

/// Folders besides the standard ones: parent path and name.
const FOLDERS: &[(&str, &str)] = &[
    ("Inbox", "Projects"),
    ("Inbox/Projects", "Harbour"),
    ("Inbox/Projects", "Library"),
    ("Inbox/Projects/Library", "Drawings & Plans"),
    ("Inbox", "Newsletters"),
    ("", "Archive"),
    ("Archive", "2019"),
    ("Archive", "2021"),
    ("Archive", "Überseekoffer"),
    ("", "Reisen/Voyages"),
];

/// Where the messages go: a path and its share of a hundred.
const SHARES: &[(&str, u64)] = &[
    ("Inbox", 34),
    ("Sent Items", 16),
    ("Inbox/Projects", 6),
    ("Inbox/Projects/Harbour", 10),
    ("Inbox/Projects/Library", 8),
    ("Inbox/Projects/Library/Drawings & Plans", 2),
    ("Inbox/Newsletters", 7),
    ("Archive/2019", 6),
    ("Archive/2021", 4),
    ("Archive/Überseekoffer", 2),
    ("Deleted Items", 2),
    ("Junk Email", 1),
    ("Drafts", 2),
];

/// The first and the last day of the mail: 2 January 2012 and 30 October 2026.
const FROM: i64 = 1_325_491_200_000;
const UNTIL: i64 = 1_793_354_400_000;

/// The lists of the directory: some of the people who write, and one list within another.
pub(super) fn lists() -> Vec<List> {
    let list = |name: &str, address: &str, members: &[(&str, &str)]| List {
        name: name.to_owned(),
        address: address.to_owned(),
        members: members.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect(),
    };
    let (harbour, others) = words::PEOPLE.split_at(4);
    let library = ("Library Team", "library-team@example.org");
    vec![
        list("Harbour Project", "harbour-project@example.org", &[harbour, &[library]].concat()),
        list(library.0, library.1, others),
    ]
}

/// Fills a new mailbox with this many messages, and with items of the other kinds when it gets any at all.
pub(super) fn seed(db: &Connection, mailbox: &MailboxRow, messages: usize) -> Result<(), Error> {
    if messages == 0 {
        return Ok(());
    }
    let folders = make_folders(db, mailbox)?;
    let mut random = Random::new(0x5EED);
    let step = (UNTIL - FROM) / i64::try_from(messages).unwrap_or(1).max(1);
    let mut thread = Letter::default();
    for number in 0..messages {
        let when = FROM + step.saturating_mul(i64::try_from(number).unwrap_or(0));
        let path = pick_folder(&mut random);
        let letter = compose::letter(&mut random, number, when, &mailbox.address, path == "Sent Items", &thread);
        let item = dress(&mut random, letter.mime.clone(), path);
        if let Some((_, folder)) = folders.iter().find(|(known, _)| known == path) {
            store::insert_item(db, mailbox.id, *folder, item)?;
        }
        if random.below(3) > 0 {
            thread = letter;
        } else {
            thread = Letter::default();
        }
    }
    let zone = Zone::utc();
    let maker = Maker { like: Personality::Exchange, zone: &zone, owner: &mailbox.address };
    items::seed(db, mailbox, &maker)?;
    calendar::seed(db, mailbox, &maker)
}

/// Puts an item into a distinguished folder, made of its element as CreateItem makes it.
fn put(
    db: &Connection,
    mailbox: &MailboxRow,
    maker: &Maker<'_>,
    folder: &str,
    xml: &str,
) -> Result<Option<Item>, Error> {
    match store::distinguished_folder(db, mailbox.id, folder)? {
        Some(folder) => put_into(db, mailbox, maker, folder.id, xml),
        None => Ok(None),
    }
}

/// The same for any folder.
fn put_into(
    db: &Connection,
    mailbox: &MailboxRow,
    maker: &Maker<'_>,
    folder: i64,
    xml: &str,
) -> Result<Option<Item>, Error> {
    let wrong = |why: String| Error::Refused(format!("{why} for the sample item {xml}"));
    let tree = xml::parse(&format!("<t:Items xmlns:t=\"{TYPES}\">{xml}</t:Items>"));
    let tree = tree.map_err(|malformed| wrong(malformed.reason))?;
    let Some(element) = tree.children.first() else { return Ok(None) };
    let mut new = ops::build(maker, element).map_err(|refusal| wrong(refusal.code))?;
    (new.received, new.sent, new.is_draft) = (UNTIL, UNTIL, false);
    Ok(Some(store::insert_item(db, mailbox.id, folder, new)?))
}

/// Makes the folders; answers the number of each path.
fn make_folders(db: &Connection, mailbox: &MailboxRow) -> Result<Vec<(String, i64)>, Error> {
    let root = store::distinguished_folder(db, mailbox.id, "msgfolderroot")?.map_or(0, |root| root.id);
    let mut known: Vec<(String, i64)> = vec![(String::new(), root)];
    let standard = store::folders_under(db, mailbox.id, root, false)?;
    known.extend(standard.into_iter().map(|folder| (folder.name, folder.id)));
    for (parent, name) in FOLDERS {
        let parent_id = known.iter().find(|(path, _)| path == parent).map(|(_, id)| *id);
        let id = store::create_folder(db, mailbox.id, parent_id, name, Some("IPF.Note"), &[])?;
        known.push((if parent.is_empty() { (*name).to_owned() } else { format!("{parent}/{name}") }, id));
    }
    Ok(known)
}

fn pick_folder(random: &mut Random) -> &'static str {
    let mut ticket = random.below(100);
    for (path, share) in SHARES {
        if ticket < *share {
            return path;
        }
        ticket -= share;
    }
    "Inbox"
}

/// Gives a message what its reader did with it.
fn dress(random: &mut Random, mime: Vec<u8>, path: &str) -> NewItem {
    let mut item = intake::from_mime(mime);
    item.is_read = path != "Junk Email" && random.below(10) > 0;
    item.is_draft = path == "Drafts";
    item.received = item.sent + 1000 * i64::try_from(random.below(300)).unwrap_or(0);
    if random.below(12) == 0 {
        item.meta.flag = 1 + i64::try_from(random.below(2)).unwrap_or(0);
    }
    match random.below(9) {
        0 => item.meta.last_verb = Some(102),
        1 => item.meta.last_verb = Some(104),
        _ => {}
    }
    if random.below(8) == 0 {
        item.meta.categories.push(random.one(items::CATEGORIES).0.to_owned());
    }
    if random.below(30) == 0 {
        item.meta.categories.push("Überfällig".to_owned());
    }
    item
}
