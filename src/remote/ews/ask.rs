//! Asking: repeated until it is answered, within bounds. For what only reads.

use super::EwsClient;
use super::answer::{Gather, Response, Verdict};
use super::codes::CodeClass;
use super::payload::Payload;
use super::request::Version;
use super::transport::{Failure, Loss, account_error, rejected};
use crate::remote::{ItemError, ItemErrorClass, RemoteError};

/// How often something is tried that fails in passing. Throttling does not count: that has a bound in time.
pub(super) const TRIES: u32 = 4;
/// Items in one request where only ids and properties are concerned: what exchangelib sends, too.
pub(super) const ITEMS_PER_CALL: usize = 100;
/// Folders in one request.
pub(super) const FOLDERS_PER_CALL: usize = 250;

impl EwsClient {
    /// The responses to a request, however often it must be sent.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        write: impl Fn(Version) -> String + Send + Sync,
    ) -> Result<Vec<Response>, RemoteError> {
        let mut lost = 0;
        loop {
            let payload = Payload::text(write(self.transport.version()));
            let mut gather = Gather::default();
            match self.transport.post(&self.route, operation, &payload, &mut gather).await {
                Ok(()) => return Ok(gather.responses),
                Err(_) if gather.is_endless => {
                    let reason = "an attachment in it is without end".to_owned();
                    return Err(RemoteError::Protocol { operation, reason });
                }
                Err(Failure::Again) => {}
                Err(Failure::Lost { reason, .. }) if lost + 1 < TRIES => {
                    lost += 1;
                    tracing::debug!(operation, reason, "asking again");
                    self.transport.throttle.rest(lost).await;
                }
                Err(failure) => return Err(self.final_error(operation, failure)),
            }
        }
    }

    /// The error of a request that is not tried any more.
    pub(super) fn final_error(&self, operation: &'static str, failure: Failure) -> RemoteError {
        match failure {
            Failure::Again => self.transport.unreachable("the server keeps asking to try again".to_owned()),
            Failure::Lost { reason, how: Loss::Nonsense } => RemoteError::Protocol { operation, reason },
            Failure::Lost { reason, .. } => self.transport.unreachable(reason),
            Failure::TooLarge(reason) => RemoteError::Protocol { operation, reason },
            Failure::Fault(verdict) => verdict_error(operation, &verdict),
            Failure::Unreadable(unreadable) => RemoteError::Io(unreadable.error),
            Failure::Final(error) => error,
        }
    }

    /// The response to a request for one thing, with its error taken for the whole folder's or account's.
    pub(super) async fn ask_one(
        &self,
        operation: &'static str,
        write: impl Fn(Version) -> String + Send + Sync,
    ) -> Result<Response, RemoteError> {
        let mut suspect = 0;
        loop {
            let Some(response) = self.ask(operation, &write).await?.into_iter().next() else {
                return Err(RemoteError::Protocol { operation, reason: "it holds no response".to_owned() });
            };
            match response.verdict.class() {
                CodeClass::Success => return Ok(response),
                CodeClass::Transient => {}
                CodeClass::Suspect | CodeClass::Batch if suspect + 1 < TRIES => {
                    suspect += 1;
                    self.transport.throttle.rest(suspect).await;
                }
                _ => return Err(verdict_error(operation, &response.verdict)),
            }
        }
    }

    /// One response for each of `items`, in their order. Those that fail in passing are asked for again, in the end one by one; so
    /// are those of a request that was rejected as a whole, since some servers do that for one bad id.
    pub(super) async fn ask_each<T: Sync>(
        &self,
        operation: &'static str,
        items: &[T],
        per_call: usize,
        write: impl Fn(Version, &[&T]) -> String + Send + Sync,
    ) -> Result<Vec<Response>, RemoteError> {
        let mut answers: Vec<Option<Response>> = items.iter().map(|_| None).collect();
        let mut fruitless = 0;
        loop {
            let open: Vec<usize> = (0..items.len()).filter(|slot| is_open(&answers, *slot)).collect();
            if open.is_empty() || fruitless == TRIES {
                return Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(Response::missing)).collect());
            }
            let per_call = if fruitless < TRIES / 2 { per_call } else { 1 };
            let mut rejected = false;
            for slots in open.chunks(per_call) {
                let chosen: Vec<&T> = slots.iter().filter_map(|slot| items.get(*slot)).collect();
                let responses = match self.ask(operation, |version| write(version, &chosen)).await {
                    Ok(responses) => responses,
                    Err(RemoteError::Rejected { .. }) if slots.len() > 1 => {
                        rejected = true;
                        continue;
                    }
                    Err(RemoteError::Rejected { code, message, .. }) => vec![Response::refused(&code, &message)],
                    Err(error) => return Err(error),
                };
                for (slot, response) in slots.iter().zip(responses) {
                    if response.verdict.class() == CodeClass::Account {
                        return Err(account_error(&response.verdict));
                    }
                    if let Some(answer) = answers.get_mut(*slot) {
                        *answer = Some(response);
                    }
                }
            }
            let progress = open.iter().any(|slot| !is_open(&answers, *slot));
            fruitless = match (rejected, progress) {
                (true, _) => TRIES / 2,
                (false, true) => 0,
                (false, false) => fruitless + 1,
            };
        }
    }
}

/// Whether a slot is to be asked for (again).
fn is_open(answers: &[Option<Response>], slot: usize) -> bool {
    match answers.get(slot) {
        Some(Some(response)) => is_passing(response.verdict.class()),
        _ => true,
    }
}

/// Whether a thing that failed so may succeed when it is tried again right away.
pub(super) fn is_passing(class: CodeClass) -> bool {
    matches!(class, CodeClass::Transient | CodeClass::Suspect | CodeClass::Batch)
}

/// An item's error that is ours, not the server's.
pub(super) fn own_error(class: ItemErrorClass, code: &str, message: impl Into<String>) -> ItemError {
    ItemError { class, code: code.to_owned(), message: message.into() }
}

/// A code that concerns a whole folder or account, as the engine knows it.
pub(super) fn verdict_error(operation: &'static str, verdict: &Verdict) -> RemoteError {
    match (verdict.class(), verdict.code.as_str()) {
        (CodeClass::Account, _) => account_error(verdict),
        (CodeClass::Quota, _) => RemoteError::Quota,
        (CodeClass::Access, _) => RemoteError::AccessDenied,
        (_, "ErrorInvalidSyncStateData") => RemoteError::StateInvalid,
        (CodeClass::Resync | CodeClass::Gone, _) => RemoteError::FolderGone,
        _ => rejected(operation, verdict),
    }
}
