//! What setting an account up changes, in words.

use super::store::Missing;
use super::values::Values;
use crate::cli::context::Fresh;
use crate::identity::{Account, Auth, PasswordSource};
use crate::pim::event::Mailing;

/// A setting and its value, as identity.toml names it. Never a secret.
type Setting = (&'static str, String);

pub(super) fn of(values: &Values, missing: &Missing) -> Vec<String> {
    let mut changes = Vec::new();
    if missing.place {
        changes.push("the account's directory is made".to_owned());
    }
    match values.fresh.as_ref().filter(|_| missing.secret) {
        Some(Fresh::Password(_)) => changes.push("the password is stored".to_owned()),
        Some(Fresh::Tokens(_)) => changes.push("the tokens of the sign-in are stored".to_owned()),
        None => {}
    }
    let before = values.before.as_ref().map(settings).unwrap_or_default();
    let after = settings(&values.account);
    for (key, value) in &after {
        match before.iter().find(|(other, _)| other == key) {
            Some((_, old)) if old == value => {}
            Some((_, old)) => changes.push(format!("{key}: {old} becomes {value}")),
            None => changes.push(format!("{key}: {value}")),
        }
    }
    for (key, old) in before.iter().filter(|(key, _)| !after.iter().any(|(other, _)| other == key)) {
        changes.push(format!("{key}: {old} is removed"));
    }
    changes
}

fn settings(account: &Account) -> Vec<Setting> {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let (tokens, command) = match &account.auth {
        Auth::OAuth2(settings) => (Some(settings), None),
        Auth::TokenCommand(command) => (None, Some(command.clone())),
        Auth::Offered | Auth::Password(_) => (None, None),
    };
    let password = match &account.password {
        PasswordSource::Command(command) => Some(("password_command", command.clone())),
        PasswordSource::Credential(name) => Some(("password_credential", name.clone())),
        PasswordSource::File => Some(("password", "file".to_owned())),
        PasswordSource::None => None,
    };
    let reach = &account.reach;
    let mailboxes: Vec<String> = account.mailboxes.iter().map(ToString::to_string).collect();
    let all = [
        ("email", Some(account.email.clone())),
        ("server", Some(account.server.as_str().to_owned())),
        ("user", Some(account.user.clone())),
        ("auth", account.auth.word().map(str::to_owned)),
        ("client_id", tokens.map(|tokens| tokens.client_id.clone())),
        ("authority", tokens.map(|tokens| tokens.authority.as_str().to_owned())),
        ("grant", tokens.map(|tokens| tokens.grant.word().to_owned())),
        ("scope", tokens.and_then(|tokens| tokens.scope.clone())),
        ("token_command", command),
        ("ca_file", path(&reach.ca_file)),
        ("pin", reach.pin.map(|pin| pin.to_string())),
        ("client_certificate", path(&reach.client_certificate)),
        ("proxy", reach.proxy.as_ref().map(|proxy| proxy.as_str().to_owned())),
        ("impersonate", account.impersonate.clone()),
        ("mailboxes", (!mailboxes.is_empty()).then(|| mailboxes.join(", "))),
        ("conflicts", Some(account.conflicts.as_str().to_owned())),
        ("meetings", (account.meetings != Mailing::default()).then(|| account.meetings.as_str().to_owned())),
        ("folders_at_a_time", Some(account.folders_at_a_time.to_string())),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).chain(password).collect()
}
