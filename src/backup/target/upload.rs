//! An object that is being uploaded: in parts, which the store makes an object of in the end, and only where none has its name.
//!
//! Until then there is no object, so that whatever cuts an upload off leaves nothing that looks complete. Parts of one that was killed are kept by the
//! store until a lifecycle rule of the bucket, or its owner, removes them.
//!
//! When the answer to the last request is lost, the object is looked for: it is this one if it is as long and ends with the same bytes, of which an
//! archive has many that no other one has.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::Bytes;
use object_store::multipart::PartId;
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt as _, PutMode};
use tokio::task::JoinHandle;

use super::Unfinished;
use super::objects::{Bucket, told};

/// A part: stores take no smaller ones than 5 MiB but the last, and at most 10,000.
const PART: usize = 8 << 20;

/// So many parts have that length; later ones are larger, so that an archive may have 350 GB.
const SMALL_PARTS: usize = 5_000;

/// A part of a very large archive.
const LARGE_PART: usize = 64 << 20;

/// So many parts are under way at a time, besides the one that is being filled.
const UNDER_WAY: usize = 2;

/// So much of the end tells one archive from another.
const END: usize = 96;

/// An upload. Dropped, it is taken back.
pub(super) struct Upload {
    bucket: Bucket,
    key: Key,
    /// What the store calls it; none as long as everything is in the first part.
    id: Option<String>,
    part: Vec<u8>,
    under_way: VecDeque<JoinHandle<object_store::Result<PartId>>>,
    done: Vec<PartId>,
    length: u64,
    end: Vec<u8>,
}

impl Upload {
    pub(super) fn new(bucket: Bucket, key: Key) -> Self {
        let (part, under_way, done, end) = (Vec::new(), VecDeque::new(), Vec::new(), Vec::new());
        Self { bucket, key, id: None, part, under_way, done, length: 0, end }
    }

    fn part_length(&self) -> usize {
        if self.done.len() + self.under_way.len() < SMALL_PARTS { PART } else { LARGE_PART }
    }

    /// Sends the part that was filled.
    fn send(&mut self) -> io::Result<()> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => {
                let id = self.bucket.wait(self.bucket.parts.create_multipart(&self.key))?;
                self.id = Some(id.clone());
                id
            }
        };
        self.wait_for(UNDER_WAY - 1)?;
        let number = self.done.len() + self.under_way.len();
        let part = Bytes::from(std::mem::take(&mut self.part));
        let (parts, key) = (self.bucket.parts.clone(), self.key.clone());
        let sending = async move { parts.put_part(&key, &id, number, part.into()).await };
        self.under_way.push_back(self.bucket.runtime.spawn(sending));
        Ok(())
    }

    /// Waits until at most so many parts are under way.
    fn wait_for(&mut self, at_most: usize) -> io::Result<()> {
        while self.under_way.len() > at_most {
            let Some(sending) = self.under_way.pop_front() else { break };
            let sent = self.bucket.runtime.block_on(sending).map_err(io::Error::other)?;
            self.done.push(sent.map_err(told)?);
        }
        Ok(())
    }

    /// Makes an object of it.
    fn close(&mut self) -> io::Result<()> {
        let Some(id) = self.id.clone() else {
            let whole = Bytes::from(std::mem::take(&mut self.part));
            let put = self.bucket.store.put_opts(&self.key, whole.into(), PutMode::Create.into());
            return self.bucket.wait(put).map(drop);
        };
        if !self.part.is_empty() {
            self.send()?;
        }
        self.wait_for(0)?;
        // Some stores take no condition with the last request.
        if self.bucket.head(&self.key)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let done = std::mem::take(&mut self.done);
        self.bucket.wait(self.bucket.closing.complete_multipart(&self.key, &id, done)).map(drop)
    }

    /// Whether the object is there that was uploaded here, whatever the answer was.
    fn is_there(&self) -> io::Result<bool> {
        let Some(meta) = self.bucket.head(&self.key)?.filter(|meta| meta.size == self.length) else {
            return Ok(false);
        };
        let from = meta.size - self.end.len() as u64;
        Ok(self.bucket.wait(self.bucket.store.get_range(&self.key, from..meta.size))? == self.end)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() >= self.part_length() {
            self.send()?;
        }
        if self.part.capacity() == 0 {
            self.part.reserve_exact(self.part_length());
        }
        let count = bytes.len().min(self.part_length() - self.part.len());
        let taken = bytes.get(..count).unwrap_or_default();
        self.part.extend_from_slice(taken);
        self.length += count as u64;
        self.end.extend_from_slice(taken.get(count.saturating_sub(END)..).unwrap_or_default());
        self.end.drain(..self.end.len().saturating_sub(END));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unfinished for Upload {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let closed = self.close();
        if closed.is_ok() || self.is_there().unwrap_or(false) {
            self.id = None;
            return Ok(());
        }
        closed
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        for sending in self.under_way.drain(..) {
            sending.abort();
            // A part that arrives after the upload was taken back would stay.
            let _ = self.bucket.runtime.block_on(sending);
        }
        if let Some(id) = self.id.take() {
            // Where that fails, too, the parts are for the bucket's lifecycle rule.
            let _ = self.bucket.wait(self.bucket.parts.abort_multipart(&self.key, &id));
        }
    }
}
