//! Writing what was set up, each thing only where it is not so already.

use secrecy::ExposeSecret as _;

use super::Values;
use crate::cli::context::Context;
use crate::cli::failure::Hinted;
use crate::identity::{Account, IdentityLock, Marker, MarkerError, PasswordSource, config, secrets};
use crate::local::MailTree;
use crate::state::State;

/// Refuses to make an account's directory anew where one is missing: the sync would take all that was in it for deleted.
pub(super) fn check(context: &Context, account: &Account) -> anyhow::Result<()> {
    let layout = &context.layout;
    if layout.account(&account.name).exists() || !layout.state().exists() {
        return Ok(());
    }
    let known = State::open_to_read(&layout.state())?.read(|state| match state.account(account.name.as_str())? {
        Some(account) => Ok(!state.folders(account.key)?.is_empty()),
        None => Ok(false),
    })?;
    if !known {
        return Ok(());
    }
    let directory = layout.account(&account.name);
    Err(Hinted {
        message: format!("{} is missing, though the account was synchronized before", directory.display()),
        hint: "is its disk mounted? To begin anew without the local files, move state.db aside and run this again: everything is downloaded \
               again, and nothing is deleted",
    }
    .into())
}

/// Writes everything; tells whether anything was written.
pub(super) fn store(context: &Context, values: &Values) -> anyhow::Result<(IdentityLock, Marker, bool)> {
    let (layout, account) = (&context.layout, &values.account);
    let is_new = !layout.marker().exists() || !layout.account(&account.name).exists();
    layout.create()?;
    let lock = IdentityLock::acquire(layout, context.now())?;
    let marker = marker(context)?;
    if is_new {
        MailTree::create(&layout.database(), account.name.as_str(), context.file_clock())?;
    }
    let new_password = store_password(context, values)?;
    let new_account = values.before.as_ref() != Some(account);
    if new_account {
        config::store_account(&layout.config(), account)?;
    }
    Ok((lock, marker, is_new || new_password || new_account))
}

fn marker(context: &Context) -> Result<Marker, MarkerError> {
    match Marker::read(&context.layout) {
        Err(MarkerError::Missing { .. }) => Marker::new(fastrand::u128(..)).create(&context.layout),
        result => result,
    }
}

fn store_password(context: &Context, values: &Values) -> anyhow::Result<bool> {
    let Some(password) = &values.new_password else { return Ok(false) };
    let file = context.layout.secret(&values.account.name);
    // One that cannot be read, or that others can read, is replaced.
    let stored = PasswordSource::File.read(&file).ok().flatten();
    if stored.is_some_and(|stored| stored.expose_secret() == password.expose_secret()) {
        return Ok(false);
    }
    secrets::store_file(&file, password)?;
    Ok(true)
}
