//! What a subcommand works with: the identity's places and configuration, checked once, and the way to its servers.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use secrecy::SecretString;

use super::Global;
use super::failure::UsageError;
use crate::backup::{Access, Keys, Target};
use crate::clock::SystemClock;
use crate::exchange;
use crate::identity::config::Tree;
use crate::identity::tokens::{TokenCommand, TokenFile};
use crate::identity::{self, Account, Auth, Config, ConfigError, IdentityName, Layout, Marker, OAuth2Settings};
use crate::local::{OTHER_MAILBOXES, PUBLIC_FOLDERS, Remembered, is_other_trees};
use crate::remote::RemoteError;
use crate::remote::auth::oauth::{Application, Client, Given, Grant, Issuer, Kept, Refreshed, TokenError};
use crate::remote::auth::{Basic, OAuth2, Offered, SignIn};
use crate::remote::ews::{EwsClient, PublicFolders, Settings, Store};
use crate::state::{State, StateError};
use crate::sync::{Env, NoFault};

pub(super) const ROOT_VARIABLE: &str = identity::layout::ROOT_VARIABLE;
pub(super) const DEFAULT_IDENTITY: &str = IdentityName::DEFAULT;

/// Names the file with what opens encrypted archives.
const KEYS_VARIABLE: &str = "PIMSYNC_AGE_IDENTITY";

/// The address of the demo account.
pub(super) const DEMO_ADDRESS: &str = "demo@example.org";
/// How many messages the demo mailbox begins with.
const DEMO_MESSAGES: usize = 200;

/// Where everything lies, and how to get things done.
pub(super) struct Context {
    pub(super) layout: Layout,
    pub(super) env: Env,
    pub(super) runtime: tokio::runtime::Runtime,
    trace: Option<PathBuf>,
}

/// What of a [`Context`] a run over an account takes.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) layout: Layout,
    pub(super) env: Env,
    trace: Option<PathBuf>,
    /// `state.db` as long as it is the same file: runs of a watch follow each other, and opening it is most of what one costs that has nothing to do.
    kept: Arc<Mutex<Option<KeptState>>>,
    /// What drafts said when they were read.
    pub(super) remembered: Arc<Remembered>,
}

/// `state.db`, and which file that is.
struct KeptState {
    state: Arc<State>,
    file: (u64, u64),
}

/// An identity that is there.
pub(super) struct Identity {
    pub(super) marker: Marker,
    pub(super) config: Config,
}

/// Whether a run talks to other accounts' servers, too: then the trace of each has a directory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Others,
}

/// What somebody signs in with, before it is stored.
pub(super) enum Fresh {
    /// A password, or a program's own secret.
    Password(SecretString),
    /// What a person's sign-in gave.
    Tokens(Kept),
}

/// The way to an account's server. The embedded server, if it is that, runs as long as this lives.
pub(super) struct Link {
    pub(super) client: Arc<Store>,
    _demo: Option<exchange::Server>,
}

impl Context {
    pub(super) fn new(global: Global) -> anyhow::Result<Self> {
        let layout = Layout::new(global.root.as_deref(), IdentityName::new(&global.identity)?)?;
        // Disk work is done in place, which takes a runtime of more than one thread.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let env = Env { clock: Arc::new(SystemClock::new()), fault: Arc::new(NoFault) };
        Ok(Self { layout, env, runtime, trace: global.trace_soap })
    }

    /// Whether requests and responses are to be written down.
    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// What a run over an account takes.
    pub(super) fn way(&self) -> Way {
        let (kept, remembered) = (Arc::default(), Arc::default());
        Way { layout: self.layout.clone(), env: self.env.clone(), trace: self.trace.clone(), kept, remembered }
    }

    /// Makes sure that the identity is there, and reads what identity.toml says.
    pub(super) fn identity(&self) -> anyhow::Result<Identity> {
        let marker = Marker::read(&self.layout)?;
        let config = Config::read(&self.layout.config())?;
        Ok(Identity { marker, config })
    }

    /// What identity.toml says; nothing where it is missing.
    pub(super) fn config_or_none(&self) -> Result<Config, ConfigError> {
        match Config::read(&self.layout.config()) {
            Err(ConfigError::Missing { .. }) => Ok(Config::default()),
            result => result,
        }
    }

    /// The target that backups go to or come from: a directory, or what an URL names. `keys` is a file with what opens encrypted archives, instead of the one
    /// that the environment names.
    pub(super) fn target(&self, at: &Path, keys: Option<&Path>) -> anyhow::Result<Target> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables: Vec<(String, String)> = variables.collect();
        let named = variables.iter().find(|(name, value)| name == KEYS_VARIABLE && !value.is_empty());
        let keys = keys.or_else(|| named.map(|(_, value)| Path::new(value)));
        let keys = keys.map(Keys::read).transpose()?.unwrap_or_default();
        let (runtime, clock) = (self.runtime.handle().clone(), self.env.clock.clone());
        Ok(Target::open(at, &Access { variables, runtime, clock, keys })?)
    }

    /// Prepares the way to an account's server, with the password that is stored for it.
    pub(super) fn connect(&self, account: &Account, company: Company) -> anyhow::Result<Link> {
        self.runtime.block_on(self.way().connect(account, company))
    }

    /// The same with what is not stored yet.
    pub(super) fn connect_with(&self, account: &Account, fresh: &Fresh, company: Company) -> anyhow::Result<Link> {
        self.way().connect_with(account, Some(fresh), company)
    }

    /// Now.
    pub(super) fn now(&self) -> crate::pim::UnixTime {
        self.env.clock.now()
    }
}

impl Way {
    /// `state.db`, where there is one.
    pub(super) fn known_state(&self) -> Option<Result<Arc<State>, StateError>> {
        self.layout.state().exists().then(|| self.state())
    }

    /// `state.db`, which is made where there is none.
    pub(super) fn state(&self) -> Result<Arc<State>, StateError> {
        let path = self.layout.state();
        let file = || std::fs::metadata(&path).ok().map(|found| (found.dev(), found.ino()));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| file() == Some(kept.file)) {
            return Ok(Arc::clone(&kept.state));
        }
        // What was there is another file's now, or none's.
        *kept = None;
        let state = Arc::new(State::open(&path)?);
        *kept = file().map(|file| KeptState { state: Arc::clone(&state), file });
        Ok(state)
    }

    /// Where the demo server keeps its mailbox: not in the identity, since a server's data is none of it.
    fn demo_store(&self) -> PathBuf {
        self.layout.root().join("Demo").join(format!("{}.db", self.layout.identity()))
    }

    /// Prepares the way to an account's server, with the password that is stored for it.
    pub(super) async fn connect(&self, account: &Account, company: Company) -> anyhow::Result<Link> {
        let file = self.layout.secret(account.signs_in_as());
        let password = account.password.read(&file, &*self.env.clock).await?.map(Fresh::Password);
        self.connect_with(account, password.as_ref(), company)
    }

    fn connect_with(&self, account: &Account, fresh: Option<&Fresh>, company: Company) -> anyhow::Result<Link> {
        let demo = match account.server {
            identity::Server::Demo => Some(self.start_demo(&account.email)?),
            identity::Server::Ews(_) => None,
        };
        let (url, sign_in): (String, Box<dyn SignIn>) = match (&account.server, &demo) {
            (identity::Server::Ews(url), _) => (url.clone(), self.sign_in(account, fresh)?),
            (identity::Server::Demo, Some((server, password))) => {
                (server.url(), Box::new(Basic::new(account.user.clone(), password.clone())))
            }
            (identity::Server::Demo, None) => anyhow::bail!("the demo server does not run"),
        };
        let mut settings = Settings::new(url, sign_in, self.env.clock.clone());
        settings.reach.clone_from(&account.reach);
        settings.address.clone_from(&account.email);
        settings.mailing = account.meetings;
        settings.impersonate = account.acts_as();
        settings.trace = self.trace.as_deref().map(|folder| trace_folder(folder, account, company));
        if let Tree::OtherMailbox { mailbox, .. } = &account.tree {
            // A meeting that its owner organises is its own.
            settings.address = mailbox.owner().unwrap_or(&account.email).to_owned();
            settings.mailbox = Some(mailbox.clone());
        }
        let client = Arc::new(match &account.tree {
            Tree::Mailbox | Tree::OtherMailbox { .. } => Store::Mailbox(EwsClient::new(settings)?),
            Tree::PublicFolders { .. } => {
                Store::Public(Box::new(PublicFolders::new(settings, account.public_folders.clone())?))
            }
        });
        Ok(Link { client, _demo: demo.map(|(server, _)| server) })
    }

    /// How the account signs in: with what is fresh, or was read from where it is stored; tokens come from where they are kept.
    fn sign_in(&self, account: &Account, fresh: Option<&Fresh>) -> anyhow::Result<Box<dyn SignIn>> {
        let (user, clock) = (account.user.clone(), Arc::clone(&self.env.clock));
        let password = || match fresh {
            Some(Fresh::Password(password)) => password.clone(),
            Some(Fresh::Tokens(_)) | None => SecretString::default(),
        };
        let settings = match &account.auth {
            Auth::Offered => return Ok(Box::new(Offered::new(user, password()))),
            Auth::Password(scheme) => return Ok(scheme.sign_in(user, password())),
            Auth::TokenCommand(command) => {
                let issuer = TokenCommand::new(command.as_str(), Arc::clone(&clock));
                return Ok(Box::new(OAuth2::new(user, Box::new(issuer), clock)));
            }
            Auth::OAuth2(settings) => settings,
        };
        let client = || self.token_client(account, settings).map_err(RemoteError::from);
        let (user, issuer): (_, Box<dyn Issuer>) = match (settings.grant, fresh) {
            // A program has no mailbox: requests are led to that of the person.
            (Grant::Application, _) => (account.email.clone(), Box::new(Application::new(client()?, password()))),
            (Grant::Device | Grant::Browser, Some(Fresh::Tokens(kept))) => (user, Box::new(Given(kept.access.clone()))),
            (Grant::Device | Grant::Browser, _) => {
                let vault = self.token_file(account, settings);
                (user.clone(), Box::new(Refreshed::new(client()?, user, Box::new(vault))))
            }
        };
        Ok(Box::new(OAuth2::new(user, issuer, clock)))
    }

    /// The way to the authority that issues an account's tokens.
    pub(super) fn token_client(&self, account: &Account, settings: &OAuth2Settings) -> Result<Client, TokenError> {
        Client::new(settings.registration(&account.server), &account.reach, Arc::clone(&self.env.clock))
    }

    /// Where an account's tokens are kept.
    pub(super) fn token_file(&self, account: &Account, settings: &OAuth2Settings) -> TokenFile {
        TokenFile::new(&self.layout, account.signs_in_as(), settings, Arc::clone(&self.env.clock))
    }

    /// Runs the embedded server on its store, with a password for this run only.
    fn start_demo(&self, address: &str) -> anyhow::Result<(exchange::Server, SecretString)> {
        let store = self.demo_store();
        if let Some(folder) = store.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let password = format!("{:032x}", self.env.clock.unique());
        let server = exchange::Server::start(exchange::Options {
            store: Some(store),
            users: vec![exchange::User { address: address.to_owned(), password: password.clone() }],
            sample_messages: DEMO_MESSAGES,
            lists: exchange::List::samples(),
            ..exchange::Options::default()
        })
        .context("the demo server does not start")?;
        Ok((server, SecretString::from(password)))
    }

    /// Now.
    pub(super) fn now(&self) -> crate::pim::UnixTime {
        self.env.clock.now()
    }
}

fn trace_folder(folder: &Path, account: &Account, company: Company) -> PathBuf {
    match company {
        Company::Alone => folder.to_owned(),
        Company::Others => folder.join(account.name.as_str()),
    }
}

/// The accounts that are meant: the one that is named, or all.
pub(super) fn chosen<'c>(config: &'c Config, wanted: Option<&str>) -> Result<Vec<&'c Account>, UsageError> {
    let Some(wanted) = wanted else {
        return match config.accounts.as_slice() {
            [] => Err(UsageError("this identity has no account: run pimsync setup".to_owned())),
            accounts => Ok(accounts.iter().collect()),
        };
    };
    match config.account(wanted) {
        Some(account) => Ok(vec![account]),
        None => {
            let known: Vec<&str> = config.accounts.iter().map(|account| account.name.as_str()).collect();
            Err(UsageError(format!("there is no account {wanted:?} in this identity; it has: {}", known.join(", "))))
        }
    }
}

/// The trees of the accounts that are meant. An account's public folders, or one of its other mailboxes, can be named by themselves.
pub(super) fn chosen_trees(config: &Config, wanted: Option<&str>) -> Result<Vec<Account>, UsageError> {
    let tree = wanted.and_then(within_account).map(|(_, tree)| tree);
    let accounts = chosen(config, owner_of(wanted))?;
    let trees: Vec<Account> = accounts.into_iter().flat_map(Account::trees).collect();
    let is_meant = |candidate: &Account| match (tree, place_of(candidate)) {
        (None, _) => true,
        (Some(tree), Some(place)) => place.eq_ignore_ascii_case(tree),
        (Some(_), None) => false,
    };
    let meant: Vec<Account> = trees.into_iter().filter(is_meant).collect();
    match meant.as_slice() {
        [] => Err(no_such_tree()),
        _ => Ok(meant),
    }
}

/// What somebody is told who means public folders or a mailbox where none such is named.
pub(super) fn no_such_tree() -> UsageError {
    UsageError(
        "the account names no such public folders or mailbox (public_folders and mailboxes in identity.toml)"
            .to_owned(),
    )
}

/// The account whose public folders or other mailbox is named, or that is named itself.
pub(super) fn owner_of(wanted: Option<&str>) -> Option<&str> {
    wanted.map(|wanted| within_account(wanted).map_or(wanted, |(account, _)| account))
}

/// The account in a tree's name, and where the tree lies in its directory.
fn within_account(wanted: &str) -> Option<(&str, &str)> {
    wanted.split_once('/').filter(|(_, tree)| tree.split('/').next().is_some_and(is_other_trees))
}

/// Where a tree lies in the account's directory; none for the mailbox, which is all of it but for the others.
fn place_of(tree: &Account) -> Option<&str> {
    match tree.tree {
        Tree::Mailbox => None,
        Tree::PublicFolders { .. } | Tree::OtherMailbox { .. } => {
            tree.name.as_str().split_once('/').map(|(_, place)| place)
        }
    }
}

/// Which of the folders that somebody names are in a tree, by their paths in it: those of other trees than the mailbox are named as they lie in the
/// account's directory. All of the tree where none are named, or the tree itself; `None` where none of them is in it.
pub(super) fn share_of(tree: &Account, folders: &[String]) -> Option<Vec<String>> {
    if folders.is_empty() {
        return Some(Vec::new());
    }
    let folders = folders.iter().map(|folder| folder.trim_matches('/'));
    let share: Vec<String> = match place_of(tree) {
        None => {
            let is_own = |folder: &&str| !folder.split('/').next().is_some_and(is_other_trees_in_any_case);
            folders.filter(is_own).map(str::to_owned).collect()
        }
        Some(place) => folders.filter_map(|folder| below(place, folder)).map(str::to_owned).collect(),
    };
    match share.iter().any(String::is_empty) {
        true => Some(Vec::new()),
        false => (!share.is_empty()).then_some(share),
    }
}

/// What is left of a path below a place; nothing for the place itself.
fn below<'p>(place: &str, path: &'p str) -> Option<&'p str> {
    path.get(..place.len()).filter(|head| head.eq_ignore_ascii_case(place))?;
    match path.get(place.len()..)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

fn is_other_trees_in_any_case(name: &str) -> bool {
    [PUBLIC_FOLDERS, OTHER_MAILBOXES].iter().any(|tree| tree.eq_ignore_ascii_case(name))
}
