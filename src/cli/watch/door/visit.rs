//! Knocks at the door of a running `watch`.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::super::super::ExitCode;
use super::super::super::context::Context;
use super::super::super::failure::Hinted;
use super::super::super::output::Output;
use super::super::super::progress::Progress as Bar;
use super::host::exit_code;
use super::{Answer, LONGEST_LINE, Passed, Question, Relayed, WatchedAccount, Wish, is_ours, is_socket};
use crate::clock::within;
use crate::sync::Progress;

/// How long is waited to be told how it stands.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long is waited for a sync whose result is told to nobody.
const NUDGE: Duration = Duration::from_secs(10);

/// Has a running `watch` do the sync. `None` where none is there.
///
/// # Errors
/// That it ended before the sync did.
pub(in crate::cli) fn sync(context: &Context, wish: Wish, output: &Output) -> anyhow::Result<Option<ExitCode>> {
    let result = context.runtime.block_on(async {
        let Some(stream) = knock(context).await else { return Ok(None) };
        let mut bars: HashMap<String, Bar> = HashMap::new();
        let result = converse(stream, &Question::Sync(wish), |account, progress| {
            let bar = bars.entry(account.clone()).or_insert_with(|| output.progress(&account));
            pass(bar, &progress);
        })
        .await;
        bars.values().for_each(Bar::finish);
        result.map(Some)
    });
    match result {
        Ok(None) => Ok(None),
        Ok(Some(Answer::Done(Relayed { code, complaints, body, text }))) => {
            complaints.iter().for_each(|line| output.remark(line));
            output.results(exit_code(code), body, |_| text).map(Some)
        }
        Ok(Some(_)) | Err(_) => Err(Hinted {
            message: "pimsync watch, which was to do the sync, ended before it did".to_owned(),
            hint: "nothing is lost: run the same command again",
        }
        .into()),
    }
}

/// Has a running `watch` do a sync whose result is told to nobody, and waits for it. Nothing where none is there.
pub(in crate::cli) fn nudge(context: &Context, wish: Wish) {
    let ask = async {
        let Some(stream) = knock(context).await else { return };
        if let Err(error) = converse(stream, &Question::Sync(wish), |_, _| {}).await {
            tracing::info!(%error, "pimsync watch did not synchronize");
        }
    };
    // What it has not done by then it does all the same.
    let _ = context.runtime.block_on(async { within(&*context.env.clock, NUDGE, ask).await });
}

/// How a running `watch` stands; `None` where none is there, or none that answers.
pub(in crate::cli) fn standing(context: &Context) -> Option<Vec<WatchedAccount>> {
    let ask = async {
        let stream = knock(context).await?;
        match converse(stream, &Question::Status, |_, _| {}).await {
            Ok(Answer::Standing { accounts }) => Some(accounts),
            _ => None,
        }
    };
    context.runtime.block_on(async { within(&*context.env.clock, PATIENCE, ask).await.flatten() })
}

async fn knock(context: &Context) -> Option<UnixStream> {
    let home = context.layout.home();
    if !is_socket(&super::socket(&home)).ok()? {
        return None;
    }
    let (short, _opened) = super::short_path(&home).ok()?;
    let stream = UnixStream::connect(short).await.ok()?;
    is_ours(&stream).then_some(stream)
}

/// Asks, passes progress on, and returns the answer.
async fn converse(
    mut stream: UnixStream,
    question: &Question,
    mut progress: impl FnMut(String, Passed),
) -> io::Result<Answer> {
    let (reader, mut writer) = stream.split();
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        if (&mut reader).take(LONGEST_LINE).read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match serde_json::from_str(&line)? {
            Answer::Progress { account, progress: passed } => progress(account, passed),
            answer => return Ok(answer),
        }
    }
}

fn pass(bar: &Bar, progress: &Passed) {
    let progress = match progress {
        Passed::FolderBegun { folder, expected } => Progress::FolderBegun { folder, expected: *expected },
        Passed::FolderDone { folder } => Progress::FolderDone { folder },
        Passed::Bytes(count) => Progress::Bytes(*count),
        Passed::Messages(count) => Progress::Messages(*count),
        Passed::UploadsAhead(count) => Progress::UploadsAhead(*count),
    };
    bar.observer().progress(&progress);
}
