//! Opens the door, and does what is asked for.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::super::ExitCode;
use super::super::super::account::{AccountRun, code_of};
use super::super::super::context::{Way, chosen_trees, no_such_tree, share_of};
use super::super::super::failure::{Failure, Hinted, UsageError};
use super::super::super::sync::{Results, request_of, text};
use super::super::worker::AccountWorker;
use super::{Answer, LONGEST_LINE, Passed, Question, Relayed, WatchedAccount, Wish, is_ours, is_socket, seconds};
use crate::identity::{Account, Config, Marker};
use crate::sync::timing::{Outcome, Scope, Work};
use crate::sync::watch::{Ask, Board};
use crate::sync::{Mode, Observer, Progress, Request};

/// Longest queue of progress for a visitor who does not listen; more is dropped.
const PROGRESS_AHEAD: usize = 256;
/// The longest question.
const LONGEST_QUESTION: u64 = 1 << 20;

/// An account that is watched.
pub(in crate::cli::watch) struct Room {
    pub(in crate::cli::watch) account: Account,
    pub(in crate::cli::watch) worker: Arc<AccountWorker>,
    pub(in crate::cli::watch) board: watch::Receiver<Board>,
}

/// Answers whoever knocks.
pub(in crate::cli::watch) struct Host {
    way: Way,
    config: Config,
    rooms: Vec<Room>,
}

/// The door, closed when it is dropped.
pub(in crate::cli::watch) struct Open {
    task: tokio::task::JoinHandle<()>,
    path: std::path::PathBuf,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays behind leads nowhere, and is removed by the next watch.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Host {
    pub(in crate::cli::watch) fn new(way: Way, config: Config, rooms: Vec<Room>) -> Arc<Self> {
        Arc::new(Self { way, config, rooms })
    }

    /// Opens the door. The identity's lock must be held: a socket that is there already leads nowhere then, and goes.
    pub(in crate::cli::watch) fn open(self: &Arc<Self>) -> io::Result<Open> {
        let home = self.way.layout.home();
        let path = super::socket(&home);
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if is_socket(&path)? || meta.is_symlink() => std::fs::remove_file(&path)?,
            Ok(_) => return Err(io::Error::other(format!("{} is in the way", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (short, opened) = super::short_path(&home)?;
        let listener = UnixListener::bind(short)?;
        drop(opened);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let host = Arc::clone(self);
        let task = tokio::spawn(async move {
            // A failure to accept is the system's lack of something; it may have it again for the next one.
            loop {
                match listener.accept().await {
                    Ok((stream, _)) if is_ours(&stream) => {
                        let host = Arc::clone(&host);
                        tokio::spawn(async move {
                            if let Err(error) = host.receive(stream).await {
                                tracing::debug!(%error, "a visitor left");
                            }
                        });
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "nobody can come in");
                        host.way.env.clock.alarm(std::time::Duration::from_secs(1)).await;
                    }
                }
            }
        });
        Ok(Open { task, path })
    }

    async fn receive(&self, mut stream: UnixStream) -> io::Result<()> {
        let (reader, mut writer) = stream.split();
        let mut line = String::new();
        BufReader::new(reader.take(LONGEST_QUESTION)).read_line(&mut line).await?;
        let question: Question = serde_json::from_str(&line)?;
        let wish = match question {
            Question::Status => return say(&mut writer, &Answer::Standing { accounts: self.standing() }).await,
            Question::Sync(wish) => wish,
        };
        let (tell, mut told) = mpsc::channel(PROGRESS_AHEAD);
        let work = self.sync(&wish, tell);
        tokio::pin!(work);
        let relayed = loop {
            tokio::select! {
                relayed = &mut work => break relayed,
                Some(answer) = told.recv() => say(&mut writer, &answer).await?,
            }
        };
        say(&mut writer, &Answer::Done(relayed)).await
    }

    fn standing(&self) -> Vec<WatchedAccount> {
        let account = |room: &Room| {
            let board = room.board.borrow();
            WatchedAccount {
                account: room.account.name.to_string(),
                connected_since: board.well_since.map(seconds),
                next_check: board.next_check.map(seconds),
                busy: board.under_way.is_some(),
                pending: board.pending.iter().map(|(folder, time)| (folder.clone(), seconds(*time))).collect(),
                heard: room.worker.heard(),
            }
        };
        self.rooms.iter().map(account).collect()
    }

    async fn sync(&self, wish: &Wish, tell: mpsc::Sender<Answer>) -> Relayed {
        match self.try_sync(wish, tell).await {
            Ok(relayed) => relayed,
            Err(error) => refused(&Failure::of(&error)),
        }
    }

    async fn try_sync(&self, wish: &Wish, tell: mpsc::Sender<Answer>) -> anyhow::Result<Relayed> {
        let request = request_of(wish);
        let trees = chosen_trees(&self.config, wish.account.as_deref())?;
        let mut runs: Vec<AccountRun> = Vec::new();
        for account in trees {
            let Some(folders) = share_of(&account, &request.folders) else { continue };
            let request = Request { folders, ..request.clone() };
            let Some(room) = self.rooms.iter().find(|room| room.account.name == account.name) else {
                return Err(UsageError(format!("the running watch does not know {}", account.name)).into());
            };
            let scope = match (request.mode, request.folders.is_empty()) {
                // Nothing of it is done.
                (Mode::DryRun, _) => Scope::Folders([].into()),
                (Mode::Apply, true) => Scope::All,
                (Mode::Apply, false) => Scope::Folders(request.folders.iter().cloned().collect()),
            };
            let (answer, answered) = oneshot::channel();
            let (worker, request) = (Arc::clone(&room.worker), request.clone());
            let observer = Arc::new(PassOn { account: account.name.to_string(), tell: tell.clone() });
            let run = async move {
                let Some((run, outcome)) = worker.sync_aside(request, observer).await else { return Outcome::Failed };
                let is_known = run.error.as_ref().is_none_or(|error| error.kind != "no-such-folder");
                // Whoever asked may have left.
                let _ = answer.send(run);
                if is_known { outcome } else { Outcome::Done }
            };
            let later = [].into();
            room.worker.signals.ask(Ask { work: Work { scope, later }, run: Box::pin(run) });
            let ended = || Hinted {
                message: "pimsync watch ended before the sync did".to_owned(),
                hint: "nothing is lost: run the same command again",
            };
            runs.push(answered.await.map_err(|_| ended())?);
        }
        if runs.is_empty() {
            return Err(no_such_tree().into());
        }
        let marker = Marker::read(&self.way.layout)?;
        let all = runs.len() == self.config.trees().len() && runs.iter().all(|run| run.error.is_none());
        if all && wish.confirms() && marker.fence.is_some() {
            marker.lift_fence(&self.way.layout)?;
        }
        let text = runs.iter().map(|run| text(run, request.mode, wish.told())).collect();
        let complaints = runs.iter().filter_map(|run| run.error.as_ref()).flat_map(complaints).collect();
        let code = code_of(&runs).number();
        let body = serde_json::to_value(Results { dry_run: wish.dry_run, accounts: runs })?;
        Ok(Relayed { code, complaints, body, text })
    }
}

/// A sync that could not begin.
fn refused(failure: &Failure) -> Relayed {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a Failure,
    }
    let body = serde_json::to_value(Body { error: failure }).unwrap_or_default();
    Relayed { code: failure.code.number(), complaints: complaints(failure), body, text: String::new() }
}

fn complaints(failure: &Failure) -> Vec<String> {
    let hint = failure.hint.map(|hint| format!("hint: {hint}"));
    std::iter::once(format!("pimsync: {}", failure.message)).chain(hint).collect()
}

async fn say(writer: &mut (impl tokio::io::AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    debug_assert!(line.len() as u64 <= LONGEST_LINE);
    writer.write_all(&line).await
}

/// Passes progress on to whoever asked.
struct PassOn {
    account: String,
    tell: mpsc::Sender<Answer>,
}

impl Observer for PassOn {
    fn progress(&self, progress: &Progress<'_>) {
        let progress = match progress {
            Progress::FolderBegun { folder, expected } => {
                Passed::FolderBegun { folder: (*folder).to_owned(), expected: *expected }
            }
            Progress::FolderDone { folder } => Passed::FolderDone { folder: (*folder).to_owned() },
            Progress::Bytes(count) => Passed::Bytes(*count),
            Progress::Messages(count) => Passed::Messages(*count),
            Progress::UploadsAhead(count) => Passed::UploadsAhead(*count),
        };
        // Progress that nobody has room for is no progress that is worth waiting for.
        let _ = self.tell.try_send(Answer::Progress { account: self.account.clone(), progress });
    }
}

/// The exit code of that number.
pub(super) fn exit_code(number: u8) -> ExitCode {
    ExitCode::ALL.into_iter().find(|code| code.number() == number).unwrap_or(ExitCode::Failed)
}
