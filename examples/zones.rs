//! Writes `src/format/timezone/table.rs`, the names of zones in Windows and in the IANA database:
//!
//! ```text
//! cargo run --example zones -- windows-to-iana.tsv iana-to-windows.tsv tzdata.zi
//! ```
//!
//! The first two are Unicode CLDR's `windowsZones` (licence Unicode-3.0) with a tabulator between the names, as its territory 001 and all its
//! territories have them; the third is the IANA time zone database in its compact form (public domain), for the names that CLDR does
//! not follow when zones are renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let paths: Vec<String> = env::args().skip(1).collect();
    let [windows, iana, database] = paths.as_slice() else {
        return Err(io::Error::other("usage: zones WINDOWS_TO_IANA IANA_TO_WINDOWS TZDATA_ZI"));
    };
    let windows = pairs(&fs::read_to_string(windows)?);
    let mut iana = pairs(&fs::read_to_string(iana)?);
    let links = links(&fs::read_to_string(database)?);
    for names in links {
        let Some(id) = names.iter().find_map(|name| iana.get(name)).cloned() else {
            continue;
        };
        for name in names {
            iana.entry(name).or_insert_with(|| id.clone());
        }
    }
    let table = format!(
        "//! Names of zones. Made by `cargo run --example zones`; do not edit.\n\
         //!\n\
         //! Data of Unicode CLDR, Copyright © 1991-2026 Unicode, Inc., under the Unicode License v3 (SPDX: Unicode-3.0,\n\
         //! <https://www.unicode.org/license.txt>), with the links of the IANA time zone database (public domain).\n\n\
         /// Ids of Windows and the zone that each means where nothing is known of the territory, sorted.\n\
         {}\n\
         /// Zones of IANA, old and new names, and the id of Windows for each, sorted.\n{}",
        written("WINDOWS", &windows),
        written("IANA", &iana)
    );
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format/timezone/table.rs"), table)
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).map(|(from, to)| (from.to_owned(), to.trim().to_owned())).collect()
}

/// The names of each zone that has several: `L TARGET LINK` lines.
fn links(text: &str) -> Vec<BTreeSet<String>> {
    let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("L ")) {
        if let Some((target, link)) = line.split_once(' ') {
            groups.entry(target).or_insert_with(|| [target.to_owned()].into()).insert(link.trim().to_owned());
        }
    }
    groups.into_values().collect()
}

fn written(name: &str, pairs: &BTreeMap<String, String>) -> String {
    let mut table = format!("#[rustfmt::skip]\npub(super) const {name}: &[(&str, &str)] = &[\n");
    for (from, to) in pairs {
        let _ = writeln!(table, "    ({from:?}, {to:?}),");
    }
    table + "];\n"
}
