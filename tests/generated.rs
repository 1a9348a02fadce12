//! Stale manual pages and completions tell users of options that are no more. `cargo run --example docs` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

#[path = "../examples/docs/pages.rs"]
mod pages;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn manual_pages_and_completions_are_those_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = pages::generate().unwrap();
    for (path, content) in &files {
        let found = fs::read(root.join(path)).unwrap_or_default();
        let same = String::from_utf8_lossy(&found) == String::from_utf8_lossy(content);
        assert!(same, "{path} is stale: run `cargo run --example docs`");
    }
    let present = pages::FOLDERS.iter().flat_map(|folder| {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        entries.map(move |entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()))
    });
    assert_eq!(present.collect::<BTreeSet<_>>(), files.into_keys().collect(), "there are pages that nothing generates");
}

#[test]
fn no_page_names_a_place_of_the_machine_that_made_it() {
    for (path, content) in pages::generate().unwrap() {
        let text = String::from_utf8_lossy(&content);
        for place in [env!("CARGO_MANIFEST_DIR"), "/home/", "/tmp/", "/root"] {
            assert!(!text.contains(place), "{path} holds {place}");
        }
    }
}
