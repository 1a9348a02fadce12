//! The mailboxes that are synchronised.

use pimsync::exchange::{Mailbox, NewMessage, Options, Server};
use std::time::Duration;

pub const USER: &str = "demo@example.org";
pub const PASSWORD: &str = "demo";

/// How large messages are.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// A median of 8 KB, and a tail that ends at 20 MB.
    Mail,
    /// 1 KB each, for counts that matter more than bytes.
    Small,
    /// Each of so many bytes.
    Each(usize),
}

/// A server with a mailbox.
pub fn server(latency: Duration) -> Server {
    Server::start(Options { latency, ..Options::default() }).unwrap()
}

/// Makes so many folders below the Inbox, ten in each; answers their paths.
pub fn folders(mailbox: &Mailbox, count: usize) -> Vec<String> {
    let mut paths: Vec<String> = vec!["Inbox".to_owned()];
    for number in 0..count {
        let parent = paths[number / 10].clone();
        let name = format!("Folder {number:05}");
        mailbox.create_folder(&parent, &name, "IPF.Note").unwrap();
        paths.push(format!("{parent}/{name}"));
    }
    paths
}

/// Puts messages into the folders, in turn.
pub fn fill(mailbox: &Mailbox, paths: &[String], count: usize, sizes: Sizes) {
    let ids: Vec<String> = paths.iter().map(|path| mailbox.folder(path).unwrap()).collect();
    for number in 0..count {
        let mime = message(number, sizes);
        let folder = &ids[number % ids.len()];
        let new = NewMessage {
            mime: &mime,
            read: number % 10 != 0,
            received: Some(received(number)),
            ..NewMessage::default()
        };
        mailbox.add_message(folder, new).unwrap();
    }
}

/// One a minute.
fn received(number: usize) -> i64 {
    1_500_000_000_000 + i64::try_from(number).unwrap() * 60_000
}

/// The same message for the same number.
pub fn message(number: usize, sizes: Sizes) -> Vec<u8> {
    let size = match sizes {
        Sizes::Small => 1024,
        Sizes::Each(size) => size,
        Sizes::Mail => mail_size(number),
    };
    let mut mime = format!(
        "From: Ada <ada@example.org>\r\nTo: Demo <demo@example.org>\r\nSubject: Message {number}\r\nDate: Fri, 14 Jul 2017 02:40:00 +0000\r\n\
         Message-ID: <bench-{number}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    .into_bytes();
    let line = b"It was a bright cold day in the harbour, and the ferry was late again, as ferries are.\r\n";
    while mime.len() + line.len() <= size {
        mime.extend_from_slice(line);
    }
    mime
}

/// Sizes by rank: half of all below 8 KB, one in a hundred above 200 KB, one in two thousand above 4 MB, one in ten thousand of 20 MB.
fn mail_size(number: usize) -> usize {
    // A spread of ranks that is the same each time (a multiplier that is prime to 10,000).
    match (number * 7919) % 10_000 {
        0 => 20 << 20,
        rank @ 1..5 => (4 << 20) * rank,
        rank @ 5..100 => 20_000_000 / rank,
        rank @ 100..5000 => 8192 + 4000 * (5000 - rank) / rank,
        rank => 8192 - (rank - 5000),
    }
}
