//! An object as something that is read at any place: in ranges, which grow as long as it is read on from where it was read before.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::path::Path as Key;
use object_store::{Error, GetOptions, GetRange, ObjectMeta};

use super::objects::Bucket;

/// The first range that is fetched at a place.
const FIRST: u64 = 256 << 10;

/// The longest one.
const LONGEST: u64 = 8 << 20;

/// An object, as it was when it was opened.
pub(super) struct Ranges {
    bucket: Bucket,
    key: Key,
    e_tag: Option<String>,
    length: u64,
    at: u64,
    /// What was fetched last, and where it lies.
    fetched: Bytes,
    begin: u64,
    /// The bytes of the next range.
    next: u64,
}

impl Ranges {
    pub(super) fn new(bucket: Bucket, key: Key, meta: &ObjectMeta) -> Self {
        let (e_tag, length) = (meta.e_tag.clone(), meta.size);
        Self { bucket, key, e_tag, length, at: 0, fetched: Bytes::new(), begin: 0, next: FIRST }
    }

    /// What was fetched from where it is read on.
    fn at_hand(&self) -> Option<&[u8]> {
        let from = usize::try_from(self.at.checked_sub(self.begin)?).ok()?;
        self.fetched.get(from..).filter(|bytes| !bytes.is_empty())
    }

    fn fetch(&mut self) -> io::Result<()> {
        let goes_on = self.at == self.begin + self.fetched.len() as u64 && self.at > 0;
        self.next = if goes_on { (self.next * 2).min(LONGEST) } else { FIRST };
        let wanted = self.at..self.length.min(self.at.saturating_add(self.next));
        let options = GetOptions {
            range: Some(GetRange::Bounded(wanted.clone())),
            // Another object of the same name is not this one.
            if_match: self.e_tag.clone(),
            ..GetOptions::default()
        };
        let most = wanted.end - wanted.start;
        let (store, key) = (&self.bucket.store, &self.key);
        let fetched = self.bucket.wait(async {
            let mut stream = store.get_opts(key, options).await?.into_stream();
            let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
            while let Some(chunk) = stream.try_next().await? {
                if (bytes.len() + chunk.len()) as u64 > most {
                    let source = "the server sent more than was asked for".into();
                    return Err(Error::Generic { store: "S3", source });
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        });
        let fetched = fetched.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::other("it was replaced while it was read"),
            _ => error,
        })?;
        if fetched.len() as u64 != most {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.begin, self.fetched) = (wanted.start, fetched.into());
        Ok(())
    }
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.length {
            return Ok(0);
        }
        if self.at_hand().is_none() {
            self.fetch()?;
        }
        let mut rest = self.at_hand().unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Ranges {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
