//! Changes to `identity.toml` that leave alone what its owner wrote.

use std::io;
use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value, value};

use super::auth::Auth;
use super::config::{Config, ConfigError, MOST_FOLDERS};
use super::layout::FORMAT;
use super::{Account, PasswordSource, Server, files};
use crate::pim::event::Mailing;
use crate::plan::ConflictPolicy;
use crate::remote::auth::oauth::Authority;

const HEADER: &str = "\
# The accounts of this identity and their options. Passwords never belong in here: they are stored by `pimsync setup`,
# or printed by a password_command.
";

/// Adds the account to the file, or changes the one with its name; the file is made if need be. Comments, order and layout of
/// all else stay. Durable, and never half written.
///
/// # Errors
/// [`ConfigError::Invalid`] when the file cannot be understood as it is, or could not be with the account; it is unchanged then.
pub fn store_account(path: &Path, account: &Account) -> Result<(), ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("{HEADER}format = {FORMAT}\n"),
        Err(source) => return Err(ConfigError::Io { action: "read", path: path.to_owned(), source }),
    };
    Config::parse(&text, path)?;
    let edited = edit(&text, account).ok_or_else(|| ConfigError::Invalid {
        path: path.to_owned(),
        line: None,
        reason: "accounts must be written as [[account]] tables".to_owned(),
    })?;
    Config::parse(&edited, path)?;
    files::write(path, edited.as_bytes()).map_err(|source| ConfigError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn edit(text: &str, account: &Account) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let accounts =
        document.entry("account").or_insert(Item::ArrayOfTables(ArrayOfTables::new())).as_array_of_tables_mut()?;
    let is_it = |table: &Table| table.get("name").and_then(Item::as_str) == Some(account.name.as_str());
    let at = accounts.iter().position(is_it);
    match at.and_then(|at| accounts.get_mut(at)) {
        Some(table) => fill(table, account),
        None => {
            let mut table = Table::new();
            fill(&mut table, account);
            accounts.push(table);
        }
    }
    Some(document.to_string())
}

/// Says all that is not the default; a default that is written out stays written out.
fn fill(table: &mut Table, account: &Account) {
    let (command, credential) = match &account.password {
        PasswordSource::Command(command) => (Some(command.as_str()), None),
        PasswordSource::Credential(name) => (None, Some(name.as_str())),
        PasswordSource::File | PasswordSource::None => (None, None),
    };
    let file = (account.password == PasswordSource::File).then_some("file");
    let user = (account.server != Server::Demo || account.user != account.email).then_some(account.user.as_str());
    set(table, "name", Some(account.name.as_str().into()));
    set(table, "email", Some(account.email.as_str().into()));
    set(table, "server", Some(account.server.as_str().into()));
    set(table, "user", user.map(Value::from));
    fill_auth(table, &account.auth);
    set(table, "password", file.map(Value::from));
    set(table, "password_command", command.map(Value::from));
    set(table, "password_credential", credential.map(Value::from));
    let reach = &account.reach;
    let path = |path: &Option<PathBuf>| path.as_deref().map(|path| path.to_string_lossy().as_ref().into());
    set(table, "ca_file", path(&reach.ca_file));
    set(table, "pin", reach.pin.map(|pin| pin.to_string().into()));
    set(table, "client_certificate", path(&reach.client_certificate));
    set(table, "proxy", reach.proxy.as_ref().map(|proxy| proxy.as_str().into()));
    set(table, "impersonate", account.impersonate.as_deref().map(Value::from));
    let mailboxes: Array = account.mailboxes.iter().map(ToString::to_string).collect();
    set(table, "mailboxes", (!mailboxes.is_empty()).then_some(Value::Array(mailboxes)));
    let unless_default = |table: &Table, key: &str, is_default: bool| table.contains_key(key) || !is_default;
    if unless_default(table, "conflicts", account.conflicts == ConflictPolicy::default()) {
        set(table, "conflicts", Some(account.conflicts.as_str().into()));
    }
    if unless_default(table, "meetings", account.meetings == Mailing::default()) {
        set(table, "meetings", Some(account.meetings.as_str().into()));
    }
    if unless_default(table, "folders_at_a_time", account.folders_at_a_time == MOST_FOLDERS) {
        set(table, "folders_at_a_time", Some(i64::from(account.folders_at_a_time).into()));
    }
}

fn fill_auth(table: &mut Table, auth: &Auth) {
    let (settings, command) = match auth {
        Auth::OAuth2(settings) => (Some(settings), None),
        Auth::TokenCommand(command) => (None, Some(command.as_str())),
        Auth::Offered | Auth::Password(_) => (None, None),
    };
    let authority = settings.map(|settings| &settings.authority);
    let tenant = authority.filter(|authority| matches!(authority, Authority::Tenant(_)));
    let issuer = authority.filter(|authority| matches!(authority, Authority::Issuer(_)));
    set(table, "auth", auth.word().map(Value::from));
    set(table, "client_id", settings.map(|settings| settings.client_id.as_str().into()));
    set(table, "tenant", tenant.map(|authority| authority.as_str().into()));
    set(table, "authority", issuer.map(|authority| authority.as_str().into()));
    set(table, "grant", settings.map(|settings| settings.grant.word().into()));
    set(table, "scope", settings.and_then(|settings| settings.scope.as_deref()).map(Value::from));
    set(table, "token_command", command.map(Value::from));
}

/// Sets or removes one key; the comment behind a value stays behind it.
fn set(table: &mut Table, key: &str, new: Option<Value>) {
    let Some(mut new) = new else {
        table.remove(key);
        return;
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) if same(old, &new) => {}
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => {
            table.insert(key, value(new));
        }
    }
}

fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::String(old), Value::String(new)) => old.value() == new.value(),
        (Value::Integer(old), Value::Integer(new)) => old.value() == new.value(),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new.iter()).all(|(old, new)| same(old, new))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::identity::AccountName;
    use crate::identity::auth::OAuth2Settings;
    use crate::identity::config::{Tree, WatchSettings};
    use crate::remote::auth::Scheme;
    use crate::remote::auth::oauth::Grant;
    use crate::remote::reach::{Pin, Reach};

    fn account(email: &str) -> Account {
        Account {
            name: AccountName::from_email(email).unwrap(),
            email: email.to_owned(),
            server: Server::Ews("https://x.org/e".to_owned()),
            user: "X\\a".to_owned(),
            auth: Auth::Offered,
            reach: Reach::default(),
            password: PasswordSource::File,
            conflicts: ConflictPolicy::KeepBoth,
            meetings: Mailing::Nobody,
            folders_at_a_time: 4,
            watch: WatchSettings::default(),
            public_folders: Vec::new(),
            mailboxes: Vec::new(),
            impersonate: None,
            tree: Tree::Mailbox,
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("identity.toml");
        let mut all = ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org", "f@x.org"].map(account);
        all[1].password = PasswordSource::Command("pass 'show' \"x\"".to_owned());
        all[1].reach.ca_file = Some("/etc/ca.pem".into());
        all[1].reach.pin = Some(Pin::of(b"x"));
        all[1].reach.client_certificate = Some("/etc/me.pem".into());
        all[1].reach.proxy = Some("http://proxy:8080".parse().unwrap());
        (all[1].conflicts, all[1].folders_at_a_time) = (ConflictPolicy::Server, 2);
        all[1].meetings = Mailing::Concerned;
        all[1].auth = Auth::Password(Scheme::Negotiate);
        all[1].mailboxes = vec!["shared@x.org".parse().unwrap(), "archive".parse().unwrap()];
        all[1].impersonate = Some("b@x.org".to_owned());
        (all[2].server, all[2].password, all[2].user) = (Server::Demo, PasswordSource::None, "c@x.org".to_owned());
        let settings = OAuth2Settings {
            client_id: "x".to_owned(),
            authority: Authority::issuer("https://x.org/realm").unwrap(),
            grant: Grant::Browser,
            scope: Some("a b".to_owned()),
        };
        let tenant = Authority::tenant("x.org").unwrap();
        let application =
            OAuth2Settings { authority: tenant, grant: Grant::Application, scope: None, ..settings.clone() };
        all[3].auth = Auth::OAuth2(settings);
        all[4].auth = Auth::OAuth2(application);
        all[5].auth = Auth::TokenCommand("oama access 'x'".to_owned());
        all[4].password = PasswordSource::Credential("mail".to_owned());
        (all[3].password, all[5].password) = (PasswordSource::None, PasswordSource::None);
        for one in &all {
            store_account(&path, one).unwrap();
        }
        assert_eq!(Config::read(&path).unwrap().accounts, all);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn comments_and_order_stay() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("identity.toml");
        let text = "# mine\nformat = 1 # v\n\n[[account]] # first\nemail = 'a@x.org'\nname='a@x.org' # n\n\
                    server = 'https://old.org/e' # was new\n# who\nuser = 'X\\a'\nconflicts = 'keep-both'\n\
                    password_command = 'p' # secret\n\n# end\n";
        fs::write(&path, text).unwrap();
        store_account(&path, &account("a@x.org")).unwrap();
        let edited = fs::read_to_string(&path).unwrap();
        let expected = text
            .replace("'https://old.org/e'", "\"https://x.org/e\"")
            .replace("password_command = 'p' # secret\n", "password = \"file\"\n");
        assert_eq!(edited, expected);
        store_account(&path, &account("a@x.org")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected, "nothing to change, nothing changed");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("identity.toml");
        for text in ["format = 1\naccount = 7\n", "format = 2\n", "{"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(store_account(&path, &account("a@x.org")), Err(ConfigError::Invalid { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
