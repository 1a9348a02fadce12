//! The bytes of an answer on their way to the parser: filtered, traced, and never more at once than is allowed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::filter::Filter;

/// Sees the bytes of an answer as they came.
pub(crate) type Witness = Box<dyn FnMut(&[u8]) + Send>;

/// A stream of chunks as something that a parser can read.
pub(crate) struct Source<S> {
    chunks: S,
    filter: Filter,
    ready: Bytes,
    ended: bool,
    /// How many bytes may still be consumed before [`Source::allow`] is called again.
    budget: usize,
    witness: Option<Witness>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Source<S> {
    pub(crate) fn new(chunks: S, witness: Option<Witness>) -> Self {
        Self { chunks, filter: Filter::default(), ready: Bytes::new(), ended: false, budget: 0, witness }
    }

    /// Lets that many more bytes be consumed. One token of XML may take no more: so nothing grows without bounds.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.budget = bytes;
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ready.is_empty() && !self.ended {
            self.ready = match ready!(Pin::new(&mut self.chunks).poll_next(cx)).transpose()? {
                Some(chunk) => {
                    if let Some(witness) = &mut self.witness {
                        witness(&chunk);
                    }
                    self.filter.push(chunk)
                }
                None => {
                    self.ended = true;
                    self.filter.finish()
                }
            };
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> AsyncBufRead for Source<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_more(cx))?;
        if this.budget == 0 && !this.ready.is_empty() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a value is too long")));
        }
        let shown = this.ready.len().min(this.budget);
        Poll::Ready(Ok(this.ready.get(..shown).unwrap_or_default()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.ready.advance(amount);
        this.budget = this.budget.saturating_sub(amount);
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> AsyncRead for Source<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = available.len().min(into.remaining());
        into.put_slice(available.get(..amount).unwrap_or_default());
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}
