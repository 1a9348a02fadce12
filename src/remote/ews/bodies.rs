//! Fetching bodies: in batches by size, straight into the sink; what the server cannot render is singled out and rebuilt. What does not come
//! through is no such thing: it is for a later run.

use std::collections::VecDeque;
use std::io;

use super::EwsClient;
use super::answer::{Receiver, Response, Verdict};
use super::ask::{TRIES, own_error};
use super::codes::CodeClass;
use super::payload::Payload;
use super::rebuild::rebuild;
use super::request::{self, Rendering};
use super::shape;
use super::transport::{Failure, Loss, account_error};
use crate::pim::ItemId;
use crate::remote::{BodySink, Fetched, ItemError, ItemErrorClass, PerItem, RemoteError};

const OPERATION: &str = "GetItem";

/// How many bytes of messages go into one request or answer: far below what any server takes (30 MB in base64 in 2007). A larger message goes
/// alone.
pub(super) const BYTES_PER_CALL: u64 = 8 << 20;
/// How many messages with bodies go into one request or answer at most.
pub(super) const BODIES_PER_CALL: usize = 100;

/// Cuts slots into batches whose sizes together stay within [`BYTES_PER_CALL`].
pub(super) fn cut(slots: impl IntoIterator<Item = (usize, u64)>) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (slot, size) in slots {
        match batches.last_mut() {
            Some(batch) if bytes + size <= BYTES_PER_CALL && batch.len() < BODIES_PER_CALL => batch.push(slot),
            _ => {
                batches.push(vec![slot]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    batches
}

/// So much text an answer may have for a message whose size is told: a rendering can be larger than what it is made of, but not by any amount.
fn most_text(size: u64) -> u64 {
    match size {
        // The largest message that any server takes, in base64.
        0 => 3 << 30,
        // What Exchange packs (compressed RTF) is packed to an eighth at best; base64 adds a third.
        size => size.saturating_mul(16).saturating_add(16 << 20),
    }
}

/// How fetching one body went.
enum Outcome {
    Rendered,
    /// There was no MIME, or it was broken.
    Unsound,
    /// The answer is about another item.
    MixedUp,
    Refused(Verdict),
}

/// Passes MIME on to the sink, into the slot that the response stands for.
struct Incoming<'a> {
    sink: &'a mut dyn BodySink,
    items: &'a [(ItemId, u64)],
    batch: &'a [usize],
    outcomes: Vec<(usize, Outcome)>,
    bytes: u64,
    sound: bool,
    listening: bool,
    /// How much text may still come for this body.
    room: u64,
    /// The slot whose body did not end.
    endless: Option<usize>,
}

impl Receiver for Incoming<'_> {
    fn begin(&mut self, response: usize) -> io::Result<()> {
        let slot = self.batch.get(response).filter(|_| response == self.outcomes.len());
        self.listening = slot.is_some();
        (self.bytes, self.sound) = (0, false);
        self.room = most_text(slot.and_then(|slot| self.items.get(*slot)).map_or(0, |(_, size)| *size));
        slot.map_or(Ok(()), |slot| self.sink.begin(*slot))
    }

    fn expect(&mut self, length: usize) -> io::Result<()> {
        let left = self.room.checked_sub(length as u64);
        self.room = left.unwrap_or(0);
        if left.is_none() {
            self.endless = self.batch.get(self.outcomes.len()).copied();
        }
        left.map(drop).ok_or_else(|| io::Error::other("a body without end"))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        if self.listening && !bytes.is_empty() { self.sink.write(bytes) } else { Ok(()) }
    }

    fn end(&mut self, sound: bool) {
        self.sound = sound && self.listening && self.bytes > 0;
    }

    fn response(&mut self, response: Response) {
        let Some(slot) = self.batch.get(self.outcomes.len()) else { return };
        let id = response.first().and_then(shape::item_id).map(|(id, _)| id);
        let asked = self.items.get(*slot).map(|(id, _)| id);
        let outcome = match response.verdict.class() {
            CodeClass::Success if id.as_ref() != asked => Outcome::MixedUp,
            CodeClass::Success if self.sound => Outcome::Rendered,
            CodeClass::Success => Outcome::Unsound,
            _ => Outcome::Refused(response.verdict),
        };
        self.sound = false;
        self.outcomes.push((*slot, outcome));
    }
}

/// The work that is left, and what is done.
struct Fetching<'a> {
    items: &'a [(ItemId, u64)],
    results: Vec<Option<PerItem<Fetched>>>,
    queue: VecDeque<Vec<usize>>,
    /// How often an item was the trouble.
    strikes: Vec<u32>,
    /// Batches for when the rest of the queue is done: the server was busy.
    put_off: Vec<Vec<usize>>,
    /// Items to be rebuilt.
    broken: Vec<usize>,
    /// Items whose download never came to its end, and what happened to it.
    lost: Vec<(usize, Failure)>,
    /// Requests in a row that brought nothing.
    fruitless: u32,
}

impl EwsClient {
    pub(super) async fn fetch_bodies(
        &self,
        items: &[(ItemId, u64)],
        sink: &mut dyn BodySink,
    ) -> Result<Vec<PerItem<Fetched>>, RemoteError> {
        let sizes = items.iter().map(|(_, size)| *size).enumerate();
        let mut work = Fetching {
            items,
            results: items.iter().map(|_| None).collect(),
            queue: cut(sizes).into(),
            strikes: vec![0; items.len()],
            put_off: Vec::new(),
            broken: Vec::new(),
            lost: Vec::new(),
            fruitless: 0,
        };
        let ended = self.work_off(&mut work, sink).await;
        match ended {
            Err(error @ RemoteError::Io(_)) => Err(error),
            Err(error) if work.results.iter().all(Option::is_none) => Err(error),
            Err(error) => Ok(work.finish(&error.to_string())),
            Ok(()) => Ok(work.finish("not answered")),
        }
    }

    async fn work_off(&self, work: &mut Fetching<'_>, sink: &mut dyn BodySink) -> Result<(), RemoteError> {
        while let Some(batch) = work.next_batch() {
            self.fetch_batch(work, &batch, sink).await?;
        }
        for slot in std::mem::take(&mut work.broken) {
            let Some((id, _)) = work.items.get(slot) else { continue };
            let result = self.rebuild_one(id, slot, sink).await?;
            work.settle(slot, result);
        }
        for (slot, failure) in std::mem::take(&mut work.lost) {
            let Some((id, _)) = work.items.get(slot) else { continue };
            // Where the server answers for the message, it is the message that does not come through; else the server is gone.
            let answer = self.messages_with(std::slice::from_ref(id), &[]).await?.pop();
            let result = match answer {
                Some(Err(refused)) if refused.class == ItemErrorClass::Gone => Err(refused),
                _ => {
                    let reason = self.final_error(OPERATION, failure).to_string();
                    Err(own_error(ItemErrorClass::Transient, "NotFetched", reason))
                }
            };
            work.settle(slot, result);
        }
        Ok(())
    }

    async fn fetch_batch(
        &self,
        work: &mut Fetching<'_>,
        batch: &[usize],
        sink: &mut dyn BodySink,
    ) -> Result<(), RemoteError> {
        let ids = batch.iter().filter_map(|slot| work.items.get(*slot)).map(|(id, _)| id);
        let payload = Payload::text(request::render_items(self.transport.version(), ids, Rendering::Mime));
        let mut incoming = Incoming {
            sink,
            items: work.items,
            batch,
            outcomes: Vec::new(),
            bytes: 0,
            sound: false,
            listening: false,
            room: 0,
            endless: None,
        };
        let failure = self.transport.post(&self.route, OPERATION, &payload, &mut incoming).await.err();
        let (outcomes, endless) = (incoming.outcomes, incoming.endless);
        let mut missing: Vec<usize> = batch.iter().copied().skip(outcomes.len()).collect();
        let fruitless = !outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Rendered));
        work.fruitless = if fruitless { work.fruitless + 1 } else { 0 };
        for (slot, outcome) in outcomes {
            work.take(slot, outcome)?;
        }
        if let Some(slot) = endless {
            missing.retain(|other| *other != slot);
            match batch.len() {
                // Perhaps it is another one's: asked for alone, it is to blame.
                2.. => work.queue.extend([missing, vec![slot]].into_iter().filter(|batch| !batch.is_empty())),
                _ => work.settle(slot, Err(without_end(work.items.get(slot).map_or(0, |(_, size)| *size)))),
            }
            return Ok(());
        }
        match failure {
            None if missing.is_empty() => Ok(()),
            None | Some(Failure::Again) => work.again(missing).map_err(|_| self.final_error(OPERATION, Failure::Again)),
            Some(failure @ (Failure::Lost { .. } | Failure::Fault(_) | Failure::TooLarge(_))) => {
                let resting = matches!(failure, Failure::Lost { .. });
                work.split(missing, failure).map_err(|failure| self.final_error(OPERATION, failure))?;
                if resting {
                    self.transport.throttle.rest(work.fruitless).await;
                }
                Ok(())
            }
            Some(failure) => Err(self.final_error(OPERATION, failure)),
        }
    }

    /// Puts a message together from its properties, without its body if need be.
    async fn rebuild_one(
        &self,
        id: &ItemId,
        slot: usize,
        sink: &mut dyn BodySink,
    ) -> Result<PerItem<Fetched>, RemoteError> {
        let mut error = own_error(ItemErrorClass::Unrenderable, "ErrorItemCorrupt", "the server cannot render it");
        for rendering in [Rendering::Properties, Rendering::Headers] {
            let responses = self
                .ask_each(OPERATION, &[id], 1, |version, ids| {
                    request::render_items(version, ids.iter().map(|id| **id), rendering)
                })
                .await?;
            let response = responses.into_iter().next().unwrap_or_else(Response::missing);
            match response.checked().map(Response::first) {
                Ok(Some(item)) if shape::item_id(item).is_some_and(|(answered, _)| answered == *id) => {
                    sink.begin(slot)?;
                    sink.write(rebuild(item).as_bytes())?;
                    return Ok(Ok(Fetched::Rebuilt));
                }
                Err(refused) if refused.class == ItemErrorClass::Gone => return Ok(Err(refused)),
                Err(refused) => error = refused,
                Ok(_) => {}
            }
        }
        Ok(Err(own_error(ItemErrorClass::Unrenderable, &error.code, error.message)))
    }
}

impl Fetching<'_> {
    fn next_batch(&mut self) -> Option<Vec<usize>> {
        if self.queue.is_empty() {
            self.queue.extend(std::mem::take(&mut self.put_off));
        }
        self.queue.pop_front()
    }

    fn settle(&mut self, slot: usize, result: PerItem<Fetched>) {
        if let Some(place) = self.results.get_mut(slot) {
            *place = Some(result);
        }
    }

    /// Counts a failure of one item.
    fn strike(&mut self, slot: usize) -> u32 {
        self.strikes.get_mut(slot).map_or(u32::MAX, |strikes| {
            *strikes += 1;
            *strikes
        })
    }

    fn take(&mut self, slot: usize, outcome: Outcome) -> Result<(), RemoteError> {
        match outcome {
            Outcome::Rendered => self.settle(slot, Ok(Fetched::Rendered)),
            Outcome::Unsound => self.single_out(slot),
            Outcome::MixedUp if self.strike(slot) < TRIES => self.queue.push_back(vec![slot]),
            Outcome::MixedUp => self.settle(slot, Err(super::read::mixed_up(OPERATION))),
            Outcome::Refused(verdict) => match verdict.class() {
                CodeClass::Account => return Err(account_error(&verdict)),
                CodeClass::Suspect | CodeClass::Unrenderable => self.single_out(slot),
                CodeClass::Transient | CodeClass::Batch if self.strike(slot) < 4 * TRIES => {
                    self.put_off(slot);
                }
                _ => self.settle(slot, Err(verdict.error())),
            },
        }
        Ok(())
    }

    /// Puts an item off, together with those that were put off before if they fit into one request.
    fn put_off(&mut self, slot: usize) {
        let size = |slot: &usize| self.items.get(*slot).map_or(0, |(_, size)| *size);
        match self.put_off.last_mut() {
            Some(batch)
                if batch.len() < BODIES_PER_CALL
                    && batch.iter().map(size).sum::<u64>() + size(&slot) <= BYTES_PER_CALL =>
            {
                batch.push(slot);
            }
            _ => self.put_off.push(vec![slot]),
        }
    }

    /// Once more alone, then by its properties.
    fn single_out(&mut self, slot: usize) {
        match self.strike(slot) {
            1 => self.queue.push_back(vec![slot]),
            _ => self.broken.push(slot),
        }
    }

    /// Asks again for what was not answered; an error when that leads nowhere.
    fn again(&mut self, slots: Vec<usize>) -> Result<(), ()> {
        self.queue.push_front(slots);
        if self.fruitless < 10 * TRIES { Ok(()) } else { Err(()) }
    }

    /// A request failed for these slots together: half of them next time, so that a culprit ends up alone. When it is alone, it is
    /// rebuilt if the server had trouble with it; what only does not come through is left for a later run, since what is rebuilt has no
    /// attachments. If nothing comes at all, the server is gone.
    fn split(&mut self, slots: Vec<usize>, failure: Failure) -> Result<(), Failure> {
        let lost = matches!(failure, Failure::Lost { how: Loss::Broken | Loss::Silence | Loss::Accident, .. });
        match slots.as_slice() {
            [] => Ok(()),
            _ if lost && self.fruitless < TRIES / 2 => {
                self.queue.push_front(slots);
                Ok(())
            }
            _ if lost && self.fruitless >= 2 * TRIES => Err(failure),
            [slot] if may_pass(&failure) && self.strike(*slot) < TRIES => {
                self.queue.push_front(slots);
                Ok(())
            }
            [slot] => {
                match failure {
                    Failure::Lost { how: Loss::Accident, .. } => self.broken.push(*slot),
                    Failure::Fault(verdict) if verdict.class() == CodeClass::Unrenderable => self.broken.push(*slot),
                    Failure::Fault(verdict) => self.settle(*slot, Err(verdict.error())),
                    other => self.lost.push((*slot, other)),
                }
                Ok(())
            }
            many => {
                let (head, tail) = many.split_at(many.len() / 2);
                self.queue.push_front(tail.to_vec());
                self.queue.push_front(head.to_vec());
                Ok(())
            }
        }
    }

    /// The results; what has none failed for that reason.
    fn finish(self, reason: &str) -> Vec<PerItem<Fetched>> {
        let missing = || Err(own_error(ItemErrorClass::Transient, "NotFetched", reason));
        self.results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }
}

fn without_end(size: u64) -> ItemError {
    let message = format!(
        "its download is given up after {} MB, since the server says that the message has {size} bytes",
        most_text(size) >> 20
    );
    own_error(ItemErrorClass::Permanent, "EndlessBody", message)
}

/// Whether the same request may well succeed when it is sent again.
fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Lost { .. } => true,
        Failure::Fault(_) | Failure::Again | Failure::TooLarge(_) | Failure::Unreadable(_) | Failure::Final(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_their_size_and_large_messages_go_alone() {
        const MB: u64 = 1 << 20;
        let sizes = [3 * MB, 4 * MB, 2 * MB, 50 * MB, MB, MB];
        assert_eq!(cut(sizes.into_iter().enumerate()), [vec![0, 1], vec![2], vec![3], vec![4, 5]]);
        let small = cut((0..250).map(|slot| (slot, 10)));
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
        assert!(cut([]).is_empty());
    }
}
