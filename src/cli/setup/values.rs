//! The account that is to be: what was given, else what it has already, else what the person says when asked.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{Args, search, tokens};
use crate::cli::context::{Context, DEMO_ADDRESS, Fresh};
use crate::cli::failure::UsageError;
use crate::cli::server_url::server;
use crate::identity::config::{MOST_FOLDERS, Tree, WatchSettings};
use crate::identity::{Account, AccountName, Auth, PasswordSource, Server};
use crate::pim::OtherMailbox;
use crate::pim::event::Mailing;
use crate::plan::ConflictPolicy;
use crate::remote::reach::Reach;

/// All that setting an account up takes.
pub(super) struct Values {
    pub(super) account: Account,
    /// The account as identity.toml has it.
    pub(super) before: Option<Account>,
    /// What is to be stored.
    pub(super) fresh: Option<Fresh>,
}

impl Values {
    /// Gathers the values, asking for what is missing where somebody can be asked.
    pub(super) fn gather(context: &Context, args: &Args) -> anyhow::Result<Self> {
        if args.demo {
            let before = context.config_or_none()?.account(DEMO_ADDRESS).cloned();
            if before.as_ref().is_some_and(|account| account.server != Server::Demo) {
                return Err(other_server(DEMO_ADDRESS));
            }
            return Self::demo(DEMO_ADDRESS.to_owned(), before);
        }
        let asker = Asker::new(args);
        let email = asker.or_ask(args.email.clone(), "Mail address: ", "EMAIL")?;
        let name = AccountName::from_email(&email)?;
        let before = context.config_or_none()?.account(&email).cloned();
        let known = before.as_ref();
        let named = match (&args.server, known) {
            (Some(given), _) => Some(server(given)?),
            (None, Some(account)) => Some(account.server.clone()),
            (None, None) => None,
        };
        let is_demo = named == Some(Server::Demo);
        if known.is_some_and(|account| (account.server == Server::Demo) != is_demo) {
            return Err(other_server(&email));
        }
        if is_demo {
            return Self::demo(email, before);
        }
        let name = known.map_or(name, |account| account.name.clone());
        let who = Who::gather(args, email, known, &asker)?;
        let server = match named {
            Some(server) => server,
            None => search::server(context, args, &who, &asker)?,
        };
        let Who { email, user, auth, reach, password, new_password } = who;
        let fresh = new_password.map(Fresh::Password);
        let account = Account {
            name,
            email,
            server,
            user,
            auth,
            reach,
            password,
            conflicts: known.map(|account| account.conflicts).unwrap_or_default(),
            meetings: known.map(|account| account.meetings).unwrap_or_default(),
            folders_at_a_time: known.map_or(MOST_FOLDERS, |account| account.folders_at_a_time),
            watch: known.map(|account| account.watch.clone()).unwrap_or_default(),
            public_folders: known.map(|account| account.public_folders.clone()).unwrap_or_default(),
            mailboxes: mailboxes(args, known),
            impersonate: args.impersonate.clone().or_else(|| known?.impersonate.clone()),
            tree: Tree::Mailbox,
        };
        Ok(Self { account, before, fresh })
    }

    fn demo(email: String, before: Option<Account>) -> anyhow::Result<Self> {
        let account = match &before {
            Some(account) => account.clone(),
            None => Account {
                name: AccountName::from_email(&email)?,
                user: email.clone(),
                email,
                server: Server::Demo,
                auth: Auth::Offered,
                reach: Reach::default(),
                password: PasswordSource::None,
                conflicts: ConflictPolicy::default(),
                meetings: Mailing::default(),
                folders_at_a_time: MOST_FOLDERS,
                watch: WatchSettings::default(),
                public_folders: Vec::new(),
                mailboxes: Vec::new(),
                impersonate: None,
                tree: Tree::Mailbox,
            },
        };
        Ok(Self { account, before, fresh: None })
    }
}

/// Who signs in, and how.
pub(super) struct Who {
    pub(super) email: String,
    pub(super) user: String,
    pub(super) auth: Auth,
    pub(super) reach: Reach,
    password: PasswordSource,
    new_password: Option<SecretString>,
}

impl Who {
    pub(super) fn gather(args: &Args, email: String, known: Option<&Account>, asker: &Asker) -> anyhow::Result<Self> {
        let user = match (&args.user, known) {
            (Some(user), _) => user.clone(),
            (None, Some(account)) => account.user.clone(),
            (None, None) => asker.ask_or("User name", &email)?,
        };
        let auth = tokens::auth(args, known.map(|account| &account.auth))?;
        let reach = reach(args, known.map(|account| account.reach.clone()).unwrap_or_default())?;
        let (password, new_password) = password(args, &auth, known, asker)?;
        Ok(Self { email, user, auth, reach, password, new_password })
    }

    /// The password, wherever it is; none where there is none to be shown to servers.
    pub(super) async fn password(&self, context: &Context) -> anyhow::Result<Option<SecretString>> {
        if let Auth::OAuth2(_) | Auth::TokenCommand(_) = self.auth {
            return Ok(None);
        }
        if let Some(password) = &self.new_password {
            return Ok(Some(password.clone()));
        }
        let file = context.layout.secret(&AccountName::from_email(&self.email)?);
        Ok(Some(self.password.read(&file, &*context.env.clock).await?.unwrap_or_default()))
    }
}

/// The other mailboxes: those that it has, and those that are given.
fn mailboxes(args: &Args, known: Option<&Account>) -> Vec<OtherMailbox> {
    let mut mailboxes = known.map(|account| account.mailboxes.clone()).unwrap_or_default();
    for mailbox in &args.mailbox {
        if !mailboxes.contains(mailbox) {
            mailboxes.push(mailbox.clone());
        }
    }
    mailboxes
}

/// What was synchronized with the sample mailbox must not meet a real one.
fn other_server(email: &str) -> anyhow::Error {
    UsageError(format!(
        "one of {email}'s two servers is the embedded one, which has another mailbox; set the other account up with another --identity"
    ))
    .into()
}

/// A later run may start elsewhere, so the path becomes absolute; and it must be readable now.
fn certificates(option: &str, path: &Path) -> anyhow::Result<PathBuf> {
    std::fs::File::open(path).map_err(|error| UsageError(format!("{option} {}: {error}", path.display())))?;
    Ok(std::path::absolute(path)?)
}

/// How the server is reached: as before, but for what is given.
fn reach(args: &Args, mut reach: Reach) -> anyhow::Result<Reach> {
    if let Some(path) = &args.ca_file {
        reach.ca_file = Some(certificates("--ca-file", path)?);
    }
    if let Some(path) = &args.client_certificate {
        reach.client_certificate = Some(certificates("--client-certificate", path)?);
    }
    reach.pin = args.pin.or(reach.pin);
    if let Some(proxy) = &args.proxy {
        // Not told back, as the parser of arguments would: it may hold a password.
        reach.proxy = Some(proxy.parse().map_err(|reason| UsageError(format!("--proxy: {reason}")))?);
    }
    Ok(reach)
}

/// Where the password comes from, and the password if it is to be stored.
fn password(
    args: &Args,
    auth: &Auth,
    known: Option<&Account>,
    asker: &Asker,
) -> anyhow::Result<(PasswordSource, Option<SecretString>)> {
    if !auth.takes_secret() {
        let Args { password_command, password_credential, password_stdin, password_file, .. } = args;
        let is_given = password_command.is_some() || password_credential.is_some() || password_file.is_some();
        if is_given || *password_stdin {
            let reason =
                "with --auth oauth2 there is no password; with --grant application it is the program's own secret";
            return Err(UsageError(reason.to_owned()).into());
        }
        return Ok((PasswordSource::None, None));
    }
    if let Some(command) = &args.password_command {
        return Ok((PasswordSource::Command(command.clone()), None));
    }
    if let Some(name) = &args.password_credential {
        return Ok((PasswordSource::Credential(name.clone()), None));
    }
    if args.password_stdin {
        let password = first_line(io::stdin().lock()).context("cannot read standard input")?;
        return stored(password, "standard input");
    }
    if let Some(path) = &args.password_file {
        let file = std::fs::File::open(path)
            .map_err(|error| UsageError(format!("--password-file {}: {error}", path.display())))?;
        let password =
            first_line(io::BufReader::new(file)).with_context(|| format!("cannot read {}", path.display()))?;
        return stored(password, &path.display().to_string());
    }
    // A password is no program's secret, and neither of them a token.
    let serves = |known: &&Account| {
        known.auth.takes_secret() && matches!(known.auth, Auth::OAuth2(_)) == matches!(auth, Auth::OAuth2(_))
    };
    match known.filter(serves) {
        Some(account) => Ok((account.password.clone(), None)),
        None => stored(asker.password(auth)?, "the prompt"),
    }
}

fn stored(password: SecretString, what: &str) -> anyhow::Result<(PasswordSource, Option<SecretString>)> {
    if password.expose_secret().is_empty() {
        return Err(UsageError(format!("{what} gave an empty password")).into());
    }
    Ok((PasswordSource::File, Some(password)))
}

/// The first line, without its end.
fn first_line(mut input: impl io::BufRead) -> io::Result<SecretString> {
    let mut line = Zeroizing::new(String::new());
    input.read_line(&mut line)?;
    Ok(SecretString::from(line.trim_end_matches(['\n', '\r'])))
}

/// Asks the person, if there is one.
pub(super) struct Asker {
    can_ask: bool,
}

impl Asker {
    pub(super) fn new(args: &Args) -> Self {
        let can_ask =
            !args.non_interactive && !args.password_stdin && io::stdin().is_terminal() && io::stderr().is_terminal();
        Self { can_ask }
    }

    pub(super) fn can_ask(&self) -> bool {
        self.can_ask
    }

    pub(super) fn tell(&self, words: &str) -> anyhow::Result<()> {
        Ok(writeln!(io::stderr(), "{words}")?)
    }

    /// The answer, where there is somebody to give one.
    pub(super) fn ask_or_none(&self, question: &str) -> Option<String> {
        if self.can_ask { read_answer(question).ok() } else { None }
    }

    pub(super) fn or_ask(&self, given: Option<String>, question: &str, option: &str) -> anyhow::Result<String> {
        match given {
            Some(given) => Ok(given),
            None => self.ask(question, option),
        }
    }

    /// Asks until there is an answer.
    pub(super) fn ask(&self, question: &str, option: &str) -> anyhow::Result<String> {
        if !self.can_ask {
            return Err(missing(option));
        }
        loop {
            let answer = read_answer(question)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
        }
    }

    /// Asks where no answer means the default. Where nobody can be asked, that is the answer.
    fn ask_or(&self, question: &str, default: &str) -> anyhow::Result<String> {
        if !self.can_ask {
            return Ok(default.to_owned());
        }
        let answer = read_answer(&format!("{question} [{default}]: "))?;
        Ok(if answer.is_empty() { default.to_owned() } else { answer })
    }

    fn password(&self, auth: &Auth) -> anyhow::Result<SecretString> {
        let question = if let Auth::OAuth2(_) = auth { "Secret of the program: " } else { "Password: " };
        if !self.can_ask {
            return Err(missing("--password-command, --password-stdin or --password-file"));
        }
        rpassword::prompt_password(question).map(SecretString::from).context("cannot ask for the password")
    }
}

fn missing(option: &str) -> anyhow::Error {
    UsageError(format!("{option} is missing, and there is no terminal to ask on")).into()
}

fn read_answer(question: &str) -> anyhow::Result<String> {
    write!(io::stderr(), "{question}")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(UsageError("the answer is missing".to_owned()).into());
    }
    Ok(answer.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_end_is_no_part_of_a_password() {
        for (input, password) in
            [("secret\n", "secret"), ("secret\r\nmore\n", "secret"), (" s \n", " s "), ("secret", "secret"), ("", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose_secret(), password, "{input:?}");
        }
    }
}
