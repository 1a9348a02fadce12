//! Groups as aliases of mutt and neomutt.
//!
//! A line of their settings is taken apart as by a shell: a backtick runs a program, `$` puts a variable in, `#` begins a comment, and a backslash
//! takes the meaning from what follows it. Names are anybody's, so none of these may stand as it is. In the second half of `alias` quotes mean nothing
//! to this, but to the list of addresses (RFC 5322 §3.4) that comes out.

use std::collections::BTreeSet;

use super::member::line;
use crate::pim::group::{Expansion, Mailbox};

/// A line for each group that reaches anybody.
pub(super) fn aliases(groups: &[(&str, Expansion)]) -> String {
    let mut taken = BTreeSet::new();
    let reaching = groups.iter().filter(|(_, found)| !found.mailboxes.is_empty());
    reaching.fold(String::new(), |mut text, (name, found)| {
        let list: Vec<String> = found.mailboxes.iter().map(|mailbox| protect(&address(mailbox))).collect();
        text.push_str(&format!("alias {} {}\n", key(name, &mut taken), list.join(", ")));
        text
    })
}

/// What is typed for the group: its name without what an alias cannot have, unlike all others in any case.
fn key(name: &str, taken: &mut BTreeSet<String>) -> String {
    let fits = |character: char| character.is_alphanumeric() || "_+.=".contains(character);
    let words: Vec<&str> = name.split(|character| !fits(character)).filter(|word| !word.is_empty()).collect();
    let base = if words.is_empty() { "group".to_owned() } else { words.join("-") };
    let numbered = (2_u64..).map(|number| format!("{base}-{number}"));
    let free = std::iter::once(base.clone()).chain(numbered).find(|key| taken.insert(key.to_lowercase()));
    free.unwrap_or(base)
}

/// A mailbox as RFC 5322 writes it, on one line.
fn address(mailbox: &Mailbox) -> String {
    let name = line(mailbox.name.as_str());
    if name.is_empty() {
        return mailbox.address.to_string();
    }
    let is_plain = |character: char| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_');
    if name.chars().all(is_plain) {
        return format!("{name} <{}>", mailbox.address);
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\" <{}>", mailbox.address)
}

fn protect(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).fold(String::new(), |mut safe, character| {
        if matches!(character, '\\' | '`' | '$' | '#') {
            safe.push('\\');
        }
        safe.push(character);
        safe
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pim::Text;
    use crate::pim::group::EmailAddress;

    fn mailbox(name: &str, address: &str) -> Mailbox {
        Mailbox { name: Text::new(name), address: EmailAddress::new(address).unwrap() }
    }

    fn of(mailboxes: Vec<Mailbox>) -> Expansion {
        Expansion { mailboxes, unreached: Vec::new() }
    }

    /// As mutt takes the second half of an alias apart (`mutt_extract_token` with M_TOKEN_QUOTE, M_TOKEN_SPACE and M_TOKEN_SEMICOLON).
    fn as_mutt_reads(line: &str) -> Option<String> {
        let mut text = String::new();
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            match character {
                '`' | '$' | '#' => return None,
                '\\' => match characters.next()? {
                    letter if letter.is_alphanumeric() => return None,
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        Some(text)
    }

    #[test]
    fn names_of_people_run_no_program_and_end_no_list() {
        let hostile = of(vec![
            mailbox("Anna Berg", "anna@x"),
            mailbox("`touch /tmp/x` $HOME # \"Ben\"\\, <b@y>\nalias z z@z", "ben@x"),
            mailbox("", "a`b`$c#@x"),
        ]);
        let expected = r#"alias Team-A Anna Berg <anna@x>, "\`touch /tmp/x\` \$HOME \# \\"Ben\\"\\\\, <b@y> alias z z@z" <ben@x>, a\`b\`\$c\#@x"#;
        assert_eq!(aliases(&[("Team `A`", hostile)]), format!("{expected}\n"));
    }

    #[test]
    fn each_group_has_its_own_key() {
        let one = || of(vec![mailbox("", "a@x")]);
        let groups = [
            ("Team A", one()),
            ("team a", one()),
            ("-group x", one()),
            (";", one()),
            ("Empty", of(Vec::new())),
            ("Büro", one()),
        ];
        let keys: Vec<String> =
            aliases(&groups).lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        assert_eq!(keys, ["Team-A", "team-a-2", "group-x", "group", "Büro"]);
    }

    proptest! {
        #[test]
        fn mutt_reads_what_was_meant(name in "[ -~ä\n\t]{0,30}", local in "[a-z!#$%&'*+/=?^_`{|}~-]{1,9}") {
            let Ok(address) = EmailAddress::new(&format!("{local}@x")) else { return Ok(()) };
            let mailbox = Mailbox { name: Text::from(name), address };
            let written = aliases(&[("team", of(vec![mailbox.clone()]))]);
            let rest = written.strip_prefix("alias team ").and_then(|rest| rest.strip_suffix('\n')).unwrap();
            prop_assert!(!rest.contains('\n'));
            let read = Mailbox::parse(&as_mutt_reads(rest).unwrap()).unwrap();
            prop_assert_eq!(line(read.name.as_str()), line(mailbox.name.as_str()));
            prop_assert_eq!(read.address.as_str(), mailbox.address.as_str());
        }
    }
}
