//! Writing: a write is never sent again before it is known that it was not done.
//!
//! 1. Send a batch.
//! 2. What the server answered for is settled.
//! 3. For the rest, look at the mailbox: what was done counts as done.
//! 4. What was not done is sent again, a few times, in the end one by one.
//! 5. If the mailbox cannot be looked at, or the server may still be at it, the fate of the rest is unknown, and the engine is told so.

use std::collections::VecDeque;
use std::future::Future;

use super::EwsClient;
use super::answer::{Gather, Response};
use super::ask::{ITEMS_PER_CALL, TRIES, is_passing, own_error};
use super::codes::CodeClass;
use super::payload::Payload;
use super::request::Version;
use super::transport::{Failure, Loss, account_error};
use crate::remote::{ItemErrorClass, PerItem, RemoteError};

/// What the mailbox says of a write whose answer was lost.
pub(super) enum Fate<T> {
    /// It was not done: it may be sent (again).
    NotDone,
    /// It was done, or cannot be done any more.
    Settled(PerItem<T>),
}

/// Some writes of one kind, known by their numbers from 0.
pub(super) trait Writes: Sync {
    /// What the server tells of one that was done.
    type Done: Send;
    /// The operation's name.
    const OPERATION: &'static str;
    /// Whether one that the server still is at may be sent again: it would be done once all the same.
    const REPEATABLE: bool;

    /// How many there are.
    fn count(&self) -> usize;

    /// Which of them go together.
    fn cut(&self, slots: Vec<usize>) -> Vec<Vec<usize>> {
        slots.chunks(ITEMS_PER_CALL).map(<[usize]>::to_vec).collect()
    }

    /// The request for some of them.
    fn payload(&self, version: Version, slots: &[usize]) -> Payload<'_>;

    /// What the response for one of them says.
    fn read(&self, slot: usize, response: &Response) -> PerItem<Self::Done>;

    /// What the mailbox says of some that may have been done or not.
    fn fates(
        &self,
        client: &EwsClient,
        slots: &[usize],
    ) -> impl Future<Output = Result<Vec<Fate<Self::Done>>, RemoteError>> + Send;
}

type Results<T> = Vec<Option<PerItem<T>>>;

/// How one round of sending went.
enum Round {
    /// For these there was no final answer; whether they were done is to be looked up first.
    Open(Vec<usize>, Option<Failure>),
    /// These certainly were not done.
    NotDone(Vec<usize>),
    /// These are to be sent again, each alone: together they were refused.
    OneByOne(Vec<usize>),
}

impl EwsClient {
    /// Does all of them but those that have a result already; `results` may be shorter than the list of them.
    pub(super) async fn settle<W: Writes>(
        &self,
        writes: &W,
        mut results: Results<W::Done>,
    ) -> Result<Vec<PerItem<W::Done>>, RemoteError> {
        results.resize_with(writes.count(), || None);
        let open = (0..writes.count()).filter(|slot| matches!(results.get(*slot), Some(None))).collect();
        let mut queue: VecDeque<Vec<usize>> = writes.cut(open).into();
        while let Some(batch) = queue.pop_front() {
            match self.settle_batch(writes, batch, &mut results).await {
                Ok(again) => again.into_iter().rev().for_each(|batch| queue.push_front(batch)),
                Err(error) if results.iter().all(Option::is_none) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the rest of the changes was not sent");
                    return Ok(finish(results, &error.to_string()));
                }
            }
        }
        Ok(finish(results, "not sent"))
    }

    /// Settles a batch, or gives back what of it is to be sent in other batches.
    async fn settle_batch<W: Writes>(
        &self,
        writes: &W,
        mut batch: Vec<usize>,
        results: &mut Results<W::Done>,
    ) -> Result<Vec<Vec<usize>>, RemoteError> {
        for attempt in 1..=TRIES {
            let (open, failure) = match self.send_batch(writes, &batch, results).await? {
                Round::Open(open, failure) => (open, failure),
                Round::NotDone(rest) => {
                    batch = rest;
                    if batch.is_empty() {
                        return Ok(Vec::new());
                    }
                    continue;
                }
                Round::OneByOne(rest) => return Ok(rest.into_iter().map(|slot| vec![slot]).collect()),
            };
            if open.is_empty() {
                return Ok(Vec::new());
            }
            if matches!(failure, Some(Failure::Lost { .. })) {
                // The server may still be at it.
                self.transport.throttle.rest(attempt).await;
            }
            batch = self.look_up(writes, open, results).await;
            if let (false, Some(Failure::Lost { reason, how: Loss::Silence })) = (W::REPEATABLE, &failure) {
                // Not there yet is not never: what is slow now would be there twice later.
                leave_unknown(&batch, reason, results);
                return Ok(Vec::new());
            }
            match batch.len() {
                0 => return Ok(Vec::new()),
                many if many > 1 && attempt > TRIES / 2 => {
                    return Ok(batch.into_iter().map(|slot| vec![slot]).collect());
                }
                _ if attempt == TRIES => give_up(&batch, failure, results),
                _ => {}
            }
        }
        Ok(Vec::new())
    }

    async fn send_batch<W: Writes>(
        &self,
        writes: &W,
        batch: &[usize],
        results: &mut Results<W::Done>,
    ) -> Result<Round, RemoteError> {
        let payload = writes.payload(self.transport.version(), batch);
        let mut gather = Gather::default();
        let failure = self.transport.post(&self.route, W::OPERATION, &payload, &mut gather).await.err();
        let mut open = Vec::new();
        let mut account = None;
        let mut responses = gather.responses.into_iter();
        for slot in batch {
            match responses.next() {
                Some(response) if response.verdict.class() == CodeClass::Account => {
                    account = Some(account_error(&response.verdict));
                }
                Some(response) if !is_passing(response.verdict.class()) => {
                    let result = response.checked().and_then(|response| writes.read(*slot, response));
                    put(results, *slot, result);
                }
                _ => open.push(*slot),
            }
        }
        if let Some(error) = account {
            // Nobody can look up anything in this mailbox now.
            leave_unknown(&open, &error.to_string(), results);
            return Err(error);
        }
        match failure {
            None | Some(Failure::Again | Failure::Lost { .. }) => Ok(Round::Open(open, failure)),
            Some(Failure::Fault(_) | Failure::TooLarge(_)) if open.len() > 1 => Ok(Round::OneByOne(open)),
            Some(Failure::Fault(verdict)) => {
                open.iter().for_each(|slot| put(results, *slot, Err(verdict.error())));
                Ok(Round::NotDone(Vec::new()))
            }
            Some(Failure::TooLarge(reason)) => {
                let message = format!(
                    "the server takes no request of that size ({reason}): an administrator can raise its limit"
                );
                let error = own_error(ItemErrorClass::Permanent, "ErrorMessageSizeExceeded", message);
                open.iter().for_each(|slot| put(results, *slot, Err(error.clone())));
                Ok(Round::NotDone(Vec::new()))
            }
            Some(Failure::Unreadable(unreadable)) => {
                let error = own_error(ItemErrorClass::Transient, "BodyUnreadable", unreadable.error.to_string());
                if unreadable.mime < open.len() {
                    put(results, open.remove(unreadable.mime), Err(error));
                }
                Ok(Round::NotDone(open))
            }
            Some(Failure::Final(error)) => Err(error),
        }
    }

    /// Settles what the mailbox tells of; gives back what was not done.
    async fn look_up<W: Writes>(&self, writes: &W, open: Vec<usize>, results: &mut Results<W::Done>) -> Vec<usize> {
        let fates = match writes.fates(self, &open).await {
            Ok(fates) => fates,
            Err(error) => {
                leave_unknown(&open, &format!("it cannot be looked up: {error}"), results);
                return Vec::new();
            }
        };
        let mut not_done = Vec::new();
        for (slot, fate) in open.into_iter().zip(fates) {
            match fate {
                Fate::NotDone => not_done.push(slot),
                Fate::Settled(result) => put(results, slot, result),
            }
        }
        not_done
    }
}

fn put<T>(results: &mut Results<T>, slot: usize, result: PerItem<T>) {
    if let Some(place) = results.get_mut(slot) {
        *place = Some(result);
    }
}

/// Nobody can tell whether these were done.
fn leave_unknown<T>(slots: &[usize], reason: &str, results: &mut Results<T>) {
    let message = format!("it may have been done or not: {reason}");
    let unknown = own_error(ItemErrorClass::Unknown, "AnswerLost", message);
    slots.iter().for_each(|slot| put(results, *slot, Err(unknown.clone())));
}

/// These were tried often enough, and were not done.
fn give_up<T>(batch: &[usize], failure: Option<Failure>, results: &mut Results<T>) {
    let reason = match failure {
        Some(Failure::Lost { reason, .. }) => reason,
        _ => "the server keeps putting it off".to_owned(),
    };
    for slot in batch {
        put(results, *slot, Err(own_error(ItemErrorClass::Transient, "NotDone", reason.clone())));
    }
}

/// The results; what has none was not sent for that reason.
fn finish<T>(results: Results<T>, reason: &str) -> Vec<PerItem<T>> {
    let missing = || Err(own_error(ItemErrorClass::Transient, "NotSent", reason));
    results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
}
