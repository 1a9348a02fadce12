//! The works that are measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use pimsync::exchange::{Mailbox, Server};

use super::home::{Home, Rubbish, bare, directory, files};
use super::mailbox::{Sizes, USER, fill, folders, message, server};
use super::{compare, megabytes, scaled, seconds};

pub fn first_sync() {
    first(Duration::ZERO);
}

pub fn first_sync_far() {
    first(Duration::from_millis(50));
}

/// 20,000 messages, median 8 KB with a tail to 20 MB, in 60 folders.
fn first(latency: Duration) {
    let (server, _) = filled(latency, 60, scaled(20_000), Sizes::Mail);
    let rubbish = Rubbish::default();
    compare(
        "bare client",
        || {
            let dir = directory();
            let cost = bare("download", &server.url(), dir.path());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), scaled(20_000));
            rubbish.put(dir);
            cost
        },
        || {
            let home = Home::set_up(&server);
            let cost = home.sync();
            assert_eq!(home.messages(), scaled(20_000));
            rubbish.put(home.into_directory());
            cost
        },
    );
}

fn filled(latency: Duration, folder_count: usize, messages: usize, sizes: Sizes) -> (Server, Mailbox) {
    let server = server(latency);
    let mailbox = server.mailbox(USER).unwrap();
    let paths = folders(&mailbox, folder_count);
    fill(&mailbox, &paths, messages, sizes);
    (server, mailbox)
}

/// 5,000 new local messages.
pub fn upload() {
    let count = scaled(5000);
    let rubbish = Rubbish::default();
    compare(
        "bare client",
        || {
            let server = server(Duration::ZERO);
            let dir = directory();
            (0..count).for_each(|number| {
                fs::write(dir.path().join(format!("{number}.eml")), message(number, Sizes::Mail)).unwrap()
            });
            let cost = bare("upload", &server.url(), dir.path());
            rubbish.put(dir);
            cost
        },
        || {
            let server = server(Duration::ZERO);
            let home = Home::set_up(&server);
            home.sync();
            let new = home.account().join("Inbox/new");
            (0..count).for_each(|number| {
                fs::write(new.join(format!("{number}.local")), message(number, Sizes::Mail)).unwrap()
            });
            let cost = home.sync();
            assert_eq!(server.mailbox(USER).unwrap().items("Inbox").unwrap().len(), count);
            rubbish.put(home.into_directory());
            cost
        },
    );
}

/// 100,000 messages in 200 folders, none of which changed.
pub fn nothing() {
    let (server, _) = filled(Duration::ZERO, 200, scaled(100_000), Sizes::Small);
    let home = Home::set_up(&server);
    home.sync();
    home.sync();
    compare(
        "bare walk",
        || bare("walk", &server.url(), &home.account()),
        || {
            server.clear_requests();
            home.sync()
        },
    );
    println!("requests: {}", told(&server));
}

/// 10,000 marks changed here, then there.
pub fn flags() {
    let count = scaled(10_000);
    let (server, mailbox) = filled(Duration::ZERO, 20, scaled(20_000), Sizes::Small);
    let home = Home::set_up(&server);
    home.sync();
    home.sync();
    for path in files(&home.account()).into_iter().take(count) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let flagged = match name.split_once(":2,") {
            Some((key, letters)) if letters.contains('F') => format!("{key}:2,{}", letters.replace('F', "")),
            Some((key, letters)) => format!("{key}:2,F{letters}"),
            None => format!("{name}:2,F"),
        };
        fs::rename(&path, path.with_file_name(flagged)).unwrap();
    }
    server.clear_requests();
    let cost = home.sync();
    println!("{count} made here: {}, requests: {}", seconds(cost.wall), told(&server));
    let mut left = count;
    for folder in mailbox.folders().unwrap() {
        for item in mailbox.items(&folder.id).unwrap().into_iter().take(left) {
            mailbox.set_read(&item.id, !item.read).unwrap();
            left -= 1;
        }
    }
    server.clear_requests();
    let cost = home.sync();
    println!("{} made there: {}, requests: {}", count - left, seconds(cost.wall), told(&server));
}

/// One message of 150 MB comes down.
pub fn large_message() {
    let (server, _) = filled(Duration::ZERO, 0, 1, Sizes::Each(150 << 20));
    let home = Home::set_up(&server);
    let cost = home.sync();
    assert_eq!(home.messages(), 1);
    println!(
        "150 MB: {}, processor {}, memory {:.1} MB",
        seconds(cost.wall),
        seconds(cost.processor),
        megabytes(cost.memory)
    );
}

/// 10,000 folders with a message each.
pub fn many_folders() {
    let (server, _) = filled(Duration::ZERO, scaled(10_000), scaled(10_000), Sizes::Small);
    let home = Home::set_up(&server);
    let cost = home.sync();
    println!(
        "first sync: {}, processor {}, memory {:.1} MB",
        seconds(cost.wall),
        seconds(cost.processor),
        megabytes(cost.memory)
    );
    server.clear_requests();
    let cost = home.sync();
    println!(
        "nothing to do: {}, memory {:.1} MB, requests: {}",
        seconds(cost.wall),
        megabytes(cost.memory),
        told(&server)
    );
}

/// How the cost grows with the mailbox.
pub fn growth() {
    println!("| messages | first sync | processor | memory | requests | state.db a message | nothing to do | memory |");
    println!("|---|---|---|---|---|---|---|---|");
    for count in [1000, 3000, 10_000, 30_000, 100_000, 300_000].map(scaled) {
        let (server, _) = filled(Duration::ZERO, 60, count, Sizes::Small);
        let home = Home::set_up(&server);
        server.clear_requests();
        let first = home.sync();
        let requests = server.requests().len();
        home.sync();
        let idle = home.sync();
        println!(
            "| {count} | {} | {} | {:.1} MB | {requests} | {} B | {} | {:.1} MB |",
            seconds(first.wall),
            seconds(first.processor),
            megabytes(first.memory),
            home.state_bytes() / count as u64,
            seconds(idle.wall),
            megabytes(idle.memory),
        );
    }
}

/// One message changed among 500,000, here and there in turn.
pub fn one_of_many() {
    let (server, mailbox) = filled(Duration::ZERO, 200, scaled(500_000), Sizes::Small);
    let home = Home::set_up(&server);
    home.sync();
    home.sync();
    let mut read = false;
    let id = mailbox.items("Inbox").unwrap()[0].id.clone();
    compare(
        "nothing to do",
        || home.sync(),
        || {
            read = !read;
            mailbox.set_read(&id, read).unwrap();
            server.clear_requests();
            home.sync()
        },
    );
    println!("changed there; requests: {}", told(&server));
    let mut file: PathBuf = files(&home.account().join("Inbox/cur")).remove(0);
    compare(
        "nothing to do",
        || home.sync(),
        || {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let (key, letters) = name.split_once(":2,").unwrap();
            let letters = if letters.contains('F') { letters.replace('F', "") } else { format!("F{letters}") };
            let renamed = file.with_file_name(format!("{key}:2,{letters}"));
            fs::rename(&file, &renamed).unwrap();
            file = renamed;
            server.clear_requests();
            home.sync()
        },
    );
    println!("changed here; requests: {}", told(&server));
}

/// The requests that the server got, by operation.
pub fn told(server: &Server) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for request in server.requests() {
        *counts.entry(request.operation).or_default() += 1;
    }
    let each: Vec<String> = counts.iter().map(|(operation, count)| format!("{count} {operation}")).collect();
    format!("{} ({})", counts.values().sum::<usize>(), each.join(", "))
}
