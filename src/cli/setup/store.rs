//! Writing what was set up, each thing only where it is not so already.

use secrecy::ExposeSecret as _;

use super::{Values, tokens};
use crate::cli::context::{Context, Fresh};
use crate::cli::failure::Hinted;
use crate::identity::{Account, IdentityLock, Marker, MarkerError, config, secrets};
use crate::local::{MailTree, on_my_computer};
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

/// What is not yet as it is to be.
pub(super) struct Missing {
    pub(super) place: bool,
    pub(super) secret: bool,
    account: bool,
}

impl Missing {
    pub(super) fn of(context: &Context, values: &Values) -> Self {
        let (layout, account) = (&context.layout, &values.account);
        Self {
            place: !layout.marker().exists() || !layout.account(&account.name).exists(),
            secret: values.fresh.as_ref().is_some_and(|fresh| match fresh {
                Fresh::Password(password) => {
                    // One that cannot be read, or that others can read, is replaced.
                    let stored = secrets::read_file(&layout.secret(&account.name)).ok();
                    stored.is_none_or(|stored| stored.expose_secret() != password.expose_secret())
                }
                Fresh::Tokens(_) => true,
            }),
            account: values.before.as_ref() != Some(account),
        }
    }

    pub(super) fn anything(&self) -> bool {
        self.place || self.secret || self.account
    }
}

/// Takes the lock, making what it lies in, and what is missing of *On My Computer*.
pub(super) fn lock(context: &Context) -> anyhow::Result<IdentityLock> {
    context.layout.create()?;
    let lock = IdentityLock::acquire(&context.layout, context.now())?;
    on_my_computer::complete(&context.layout.database())?;
    Ok(lock)
}

/// Writes what is missing.
pub(super) fn store(context: &Context, values: &Values, missing: &Missing) -> anyhow::Result<Marker> {
    let (layout, account) = (&context.layout, &values.account);
    let marker = marker(context)?;
    if missing.place {
        MailTree::create(&layout.database(), account.name.as_str(), context.env.clock.clone())?;
    }
    match values.fresh.as_ref().filter(|_| missing.secret) {
        Some(Fresh::Password(password)) => secrets::store_file(&layout.secret(&account.name), password)?,
        Some(Fresh::Tokens(kept)) => tokens::store(context, account, kept)?,
        None => {}
    }
    if missing.account {
        config::store_account(&layout.config(), account)?;
    }
    Ok(marker)
}

fn marker(context: &Context) -> Result<Marker, MarkerError> {
    match Marker::read(&context.layout) {
        Err(MarkerError::Missing { .. }) => Marker::new(context.env.clock.unique()).create(&context.layout),
        result => result,
    }
}
