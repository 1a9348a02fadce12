//! `pimsync send`: takes a message as sendmail does, and sends it, now or later.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use super::account::{self, AccountRun};
use super::context::{Company, Context, Identity, Link, chosen};
use super::exit::Sysexit;
use super::failure::Failure;
use super::output::Output;
use super::watch::{self, Wish};
use super::{ExitCode, Global};
use crate::clock::within;
use crate::format::mime::{BadAddresses, Letterhead, as_sent, letterhead, read_head};
use crate::identity::{Account, IdentityLock};
use crate::local::outgoing::{Letter, Note, Outgoing, Stage, letter_id};
use crate::pim::SpecialFolder;
use crate::remote::RemoteRead as _;
use crate::state::State;
use crate::sync::Request;
use crate::sync::sending::{SendError, Sender, Sent, Which, never_cut};

/// How long the server may take to be reached before the message is left to the next run.
const REACH: Duration = Duration::from_secs(8);

/// Send a message, as sendmail does
///
/// The message is read from standard input. It goes out at once where the server is reached, with a copy in Sent Items; else it is kept in the
/// identity and sent by the next pimsync sync or by pimsync watch. Either way it is sent exactly once, and the exit code is 0 as soon as it is safe.
///
/// Exchange mails everybody in To and Cc: a message that names somebody there who is not among the recipients is not taken. Recipients who are in
/// neither get it blind. Bcc is removed.
///
/// For mutt: set sendmail="pimsync send -i" and set record="", since the server keeps the copy. For git: sendemail.sendmailCmd is pimsync send. The exit
/// codes are those of sysexits.h.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Who gets it
    #[arg(value_name = "RECIPIENT")]
    recipients: Vec<String>,
    /// Read the recipients from To, Cc and Bcc; those on the command line get it, too
    #[arg(short = 't')]
    from_header: bool,
    /// The sender's address: says which account sends it
    #[arg(short = 'f', value_name = "ADDRESS")]
    sender: Option<String>,
    /// A line with a single dot does not end the message; -oi means the same
    #[arg(short = 'i')]
    ignore_dots: bool,
    /// The account that sends it, by its name or its address; else that of -f, of From, or the first
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Send what is kept, also what the server refused, instead of reading a message
    #[arg(long, conflicts_with_all = ["recipients", "from_header", "sender", "ignore_dots"])]
    retry: bool,
    /// Options of sendmail: -oi, and others that mean nothing here
    #[arg(short = 'o', value_name = "OPTION", hide = true)]
    options: Vec<String>,
    /// The sender's name; From says it
    #[arg(short = 'F', value_name = "NAME", hide = true)]
    full_name: Option<String>,
    /// The kind of body; it is sent as it is
    #[arg(short = 'B', value_name = "TYPE", hide = true)]
    body_type: Option<String>,
    /// Only -bm, to read a message
    #[arg(short = 'b', value_name = "MODE", hide = true, value_parser = ["m"])]
    mode: Option<String>,
}

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Message(String),
    #[error(transparent)]
    Addresses(#[from] BadAddresses),
    #[error("{0:?} is no mail address")]
    NoAddress(String),
    #[error("the message could not be read: {0}")]
    Unreadable(io::Error),
}

impl NotTaken {
    fn code(&self) -> Sysexit {
        match self {
            Self::Usage(_) => Sysexit::Usage,
            Self::Message(_) | Self::Addresses(_) => Sysexit::Data,
            Self::NoAddress(_) => Sysexit::NoUser,
            Self::Unreadable(_) => Sysexit::Io,
        }
    }
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> ExitCode {
    let sent = prepare(&args, global).and_then(|(context, identity)| match args.retry {
        true => retry(&context, &identity, &args, output),
        false => take(&context, &identity, &args, output),
    });
    ExitCode::Mail(sent.unwrap_or_else(|(error, code)| {
        output.complain(&Failure::of(&error));
        code
    }))
}

type Failed = (anyhow::Error, Sysexit);

fn because<E: Into<anyhow::Error>>(code: Sysexit) -> impl FnOnce(E) -> Failed {
    move |error| (error.into(), code)
}

fn not_taken(why: NotTaken) -> Failed {
    let code = why.code();
    (why.into(), code)
}

fn prepare(args: &Args, global: Global) -> Result<(Context, Identity), Failed> {
    let context = Context::new(global).map_err(because(Sysexit::Config))?;
    let identity = context.identity().map_err(because(Sysexit::Config))?;
    chosen(&identity.config, args.account.as_deref()).map_err(because(Sysexit::Config))?;
    Ok((context, identity))
}

/// Takes a message in, and sends it if the server is reached.
fn take(context: &Context, identity: &Identity, args: &Args, output: &Output) -> Result<Sysexit, Failed> {
    let mut input = io::stdin().lock();
    let (head, begun) = read_head(&mut input).map_err(|error| not_taken(NotTaken::Unreadable(error)))?;
    let said = letterhead(&head).map_err(|error| not_taken(error.into()))?;
    let envelope = Envelope::of(args, &said).map_err(not_taken)?;
    let account = sender(identity, args, &said).map_err(because(Sysexit::Config))?;
    if head.is_empty() && begun.is_empty() {
        return Err(not_taken(NotTaken::Message("the message is empty".to_owned())));
    }
    let (now, chance) = (context.now(), context.env.clock.unique());
    let domain = account.email.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let head = as_sent(&head, &account.email, now, &format!("<{chance:032x}@{domain}>"));
    let note = Note {
        account: account.name.to_string(),
        tag: format!("{:032x}", context.env.clock.unique()),
        recipients: envelope.all,
        blind: envelope.blind,
        subject: said.subject,
        accepted: now.0,
        stage: Stage::Waiting,
        tries: 0,
        not_before: 0,
        reason: None,
    };
    let outgoing = Outgoing::of(&context.layout.database());
    let ends_at_dot = !args.ignore_dots && !args.options.iter().any(|option| option == "i");
    let mut body =
        Dotted { inner: io::Cursor::new(begun).chain(input), line: Vec::new(), at: 0, over: false, ends_at_dot };
    let letter = outgoing
        .accept(&letter_id(context.env.clock.wall(), chance), &head, &mut body, note)
        .map_err(because(Sysexit::Io))?;
    Ok(send_now(context, identity, account, &outgoing, letter, output))
}

/// From here on the letter is safe.
fn send_now(
    context: &Context,
    identity: &Identity,
    account: &Account,
    outgoing: &Outgoing,
    letter: Letter,
    output: &Output,
) -> Sysexit {
    let recipients = letter.note.recipients.join(", ");
    let kept = |reason: &str| {
        if !output.is_quiet() {
            output.remark(&format!(
                "pimsync: the message to {recipients} is kept, and sent by the next pimsync sync or watch: {reason}"
            ));
        }
        Sysexit::Ok
    };
    if identity.marker.fence.is_some() {
        return kept(
            "the identity was restored from a backup, and nothing was confirmed since (pimsync sync --allow-deletes)",
        );
    }
    let link = match reach(context, account) {
        Ok(link) => link,
        Err(error) => return kept(&Failure::of(&error).message),
    };
    let sender = Sender {
        remote: &*link.client,
        outgoing,
        account: account.name.as_str(),
        clock: &*context.env.clock,
        fault: &never_cut,
    };
    match context.runtime.block_on(sender.send_new(letter)) {
        Ok(Sent::Yes) => {
            sync_sent_items(context, identity, account, link, output);
            Sysexit::Ok
        }
        Ok(Sent::Later(reason)) => kept(&reason),
        Ok(Sent::Refused(reason)) => {
            output.remark(&format!(
                "pimsync: the server does not send the message to {recipients}: {reason}\n\
                 it is kept: pimsync status shows it, and pimsync send --retry tries it again"
            ));
            Sysexit::Unavailable
        }
        Err(error) => kept(&Failure::of(&error.into()).message),
    }
}

/// The way to a server that answers.
fn reach(context: &Context, account: &Account) -> anyhow::Result<Link> {
    context.runtime.block_on(async {
        let reaching = async {
            let link = context.way().connect(account, Company::Alone).await?;
            link.client.special_folders().await?;
            Ok::<_, anyhow::Error>(link)
        };
        within(&*context.env.clock, REACH, reaching)
            .await
            .unwrap_or_else(|| Err(anyhow::anyhow!("the server does not answer")))
    })
}

/// Brings the copy of what was sent into the directory. The mail is out: whatever fails here is for the next run.
fn sync_sent_items(context: &Context, identity: &Identity, account: &Account, link: Link, output: &Output) {
    let Some(folder) = sent_items(context, account) else { return };
    match IdentityLock::acquire(&context.layout, context.now()) {
        Ok(_lock) => {
            let request = Request { folders: vec![folder], ..Request::default() };
            let run = account::sync_account(context, &identity.marker, account, Ok(link), &request, output);
            if let AccountRun { error: Some(failure), .. } = run {
                tracing::info!(message = failure.message, "Sent Items was not synchronized");
            }
        }
        Err(_) => {
            let account = Some(account.name.to_string());
            watch::nudge(context, Wish { account, folders: vec![folder], quiet: true, ..Wish::default() });
        }
    }
}

/// The directory of Sent Items, if its first sync is over.
fn sent_items(context: &Context, account: &Account) -> Option<String> {
    let state = State::open_to_read(&context.layout.state()).ok()?;
    let folders = state.read(|state| match state.account(account.name.as_str())? {
        Some(row) => state.folders(row.key),
        None => Ok(Vec::new()),
    });
    let sent = folders.ok()?.into_iter().find(|row| row.special == Some(SpecialFolder::SentItems))?;
    sent.dir.filter(|_| sent.listing.listed_at.is_some())
}

/// Sends what is kept.
fn retry(context: &Context, identity: &Identity, args: &Args, output: &Output) -> Result<Sysexit, Failed> {
    let accounts = chosen(&identity.config, args.account.as_deref()).map_err(because(Sysexit::Config))?;
    let outgoing = Outgoing::of(&context.layout.database());
    let mut code = Sysexit::Ok;
    for account in accounts {
        let link = reach(context, account).map_err(because(Sysexit::TryLater))?;
        let sender = Sender {
            remote: &*link.client,
            outgoing: &outgoing,
            account: account.name.as_str(),
            clock: &*context.env.clock,
            fault: &never_cut,
        };
        let posted = context.runtime.block_on(sender.flush(Which::All));
        let posted = posted.map_err(|error| match error {
            SendError::Local(_) => (error.into(), Sysexit::Io),
            _ => (error.into(), Sysexit::TryLater),
        })?;
        if !posted.notices.is_empty() {
            output.remark(super::sync::notices_text(account.name.as_str(), &posted.notices).trim_end());
            code = Sysexit::Unavailable;
        }
        if posted.sent > 0 {
            sync_sent_items(context, identity, account, link, output);
        }
    }
    Ok(code)
}

/// Everybody who gets a message.
#[derive(Debug, PartialEq, Eq)]
struct Envelope {
    all: Vec<String>,
    /// Those who are in no header.
    blind: Vec<String>,
}

impl Envelope {
    fn of(args: &Args, said: &Letterhead) -> Result<Self, NotTaken> {
        let mut all = Vec::new();
        let mut known = BTreeSet::new();
        let named: Vec<&String> = args.recipients.iter().collect();
        let in_header = said.open.iter().chain(&said.blind).filter(|_| args.from_header);
        for address in named.into_iter().chain(in_header) {
            let address = address.trim().trim_start_matches('<').trim_end_matches('>');
            if !is_address(address) {
                return Err(NotTaken::NoAddress(address.to_owned()));
            }
            if known.insert(address.to_lowercase()) {
                all.push(address.to_owned());
            }
        }
        if all.is_empty() {
            let text = if args.from_header {
                "the message names no recipient"
            } else {
                "nobody is named who gets the message; -t reads it from the message"
            };
            return Err(NotTaken::Usage(text.to_owned()));
        }
        let open: BTreeSet<String> = said.open.iter().map(|address| address.to_lowercase()).collect();
        if let Some(other) = said.open.iter().find(|address| !known.contains(&address.to_lowercase())) {
            return Err(NotTaken::Usage(format!(
                "{other} is in To or Cc, but not among the recipients: Exchange would mail them all the same; name them, or remove them from the header"
            )));
        }
        let blind = all.iter().filter(|address| !open.contains(&address.to_lowercase())).cloned().collect();
        Ok(Self { all, blind })
    }
}

fn is_address(text: &str) -> bool {
    let is_plain = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    text.rsplit_once('@').is_some_and(|(local, domain)| is_plain(local) && is_plain(domain)) && text.len() <= 320
}

/// The account that sends: the one that is named, that of the sender's address, or the first.
fn sender<'i>(identity: &'i Identity, args: &Args, said: &Letterhead) -> anyhow::Result<&'i Account> {
    let accounts = chosen(&identity.config, args.account.as_deref())?;
    let addresses = [args.sender.as_ref(), said.from.as_ref()];
    let found = addresses
        .into_iter()
        .flatten()
        .find_map(|address| accounts.iter().find(|account| account.email.eq_ignore_ascii_case(address)));
    found
        .or(accounts.first())
        .copied()
        .ok_or_else(|| anyhow::anyhow!("this identity has no account: run pimsync setup"))
}

/// A message up to its end, or to a line with a single dot.
struct Dotted<R> {
    inner: R,
    line: Vec<u8>,
    at: usize,
    over: bool,
    ends_at_dot: bool,
}

impl<R: BufRead> Read for Dotted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.ends_at_dot {
            return self.inner.read(into);
        }
        if self.at >= self.line.len() && !self.over {
            self.line.clear();
            self.at = 0;
            // A line is passed on in pieces, however long it is; a dot alone is short.
            let read = self.inner.by_ref().take(1 << 16).read_until(b'\n', &mut self.line)?;
            self.over = read == 0 || matches!(self.line.as_slice(), b".\n" | b".\r\n" | b".");
            if self.over {
                self.line.clear();
            }
        }
        let rest = self.line.get(self.at..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(recipients: &[&str], from_header: bool) -> Args {
        Args {
            recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
            from_header,
            sender: None,
            ignore_dots: false,
            account: None,
            retry: false,
            options: Vec::new(),
            full_name: None,
            body_type: None,
            mode: None,
        }
    }

    fn said(open: &[&str], blind: &[&str]) -> Letterhead {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Letterhead { open: owned(open), blind: owned(blind), ..Letterhead::default() }
    }

    #[test]
    fn who_is_in_no_header_gets_it_blind_and_nobody_gets_it_unasked() {
        let envelope = Envelope::of(&args(&["b@x.org", "<C@x.org>"], false), &said(&["B@X.org"], &[])).unwrap();
        assert_eq!((envelope.all, envelope.blind), (vec!["b@x.org".into(), "C@x.org".into()], vec!["C@x.org".into()]));
        let envelope = Envelope::of(&args(&["d@x.org"], true), &said(&["b@x.org"], &["c@x.org", "b@x.org"])).unwrap();
        assert_eq!(envelope.blind, ["d@x.org", "c@x.org"]);
        let refused = |args: Args, said: Letterhead| Envelope::of(&args, &said).unwrap_err();
        assert!(matches!(refused(args(&["c@x.org"], false), said(&["b@x.org"], &[])), NotTaken::Usage(_)));
        assert!(matches!(refused(args(&[], false), said(&["b@x.org"], &[])), NotTaken::Usage(_)));
        assert!(matches!(refused(args(&[], true), said(&[], &[])), NotTaken::Usage(_)));
        assert!(matches!(refused(args(&["root"], false), said(&[], &[])), NotTaken::NoAddress(_)));
        // Who is only in Bcc, and not asked for, does not get it.
        let envelope = Envelope::of(&args(&["b@x.org"], false), &said(&["b@x.org"], &["c@x.org"])).unwrap();
        assert_eq!(envelope.all, ["b@x.org"]);
    }

    #[test]
    fn a_line_with_a_dot_ends_a_message_unless_told_otherwise() {
        let read = |text: &str, ends_at_dot| {
            let mut all = String::new();
            let inner = text.as_bytes();
            Dotted { inner, line: Vec::new(), at: 0, over: false, ends_at_dot }.read_to_string(&mut all).unwrap();
            all
        };
        assert_eq!(read("a\n..\n.b\n.\nafter\n", true), "a\n..\n.b\n");
        assert_eq!(read("a\n.\nafter\n", false), "a\n.\nafter\n");
        let long = "x".repeat(200_000);
        assert_eq!(read(&long, true), long);
    }
}
