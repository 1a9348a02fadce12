//! A connection in the manner of gromox: nothing says "100 Continue", and a fault that comes as a success can be said twice.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the HTTP library says of its own accord to a client that sends `Expect: 100-continue`.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What is still to be said on a connection once its answer has left.
#[derive(Clone, Debug, Default)]
pub(super) struct Afterword(Arc<Mutex<Vec<u8>>>);

impl Afterword {
    /// Has the answer followed by another one, which nobody asked for.
    pub(super) fn say(&self, body: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut rest = self.rest();
        rest.extend_from_slice(head.as_bytes());
        rest.extend_from_slice(body.as_bytes());
    }

    fn rest(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    afterword: Afterword,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, afterword: Afterword) -> Self {
        Self { stream, afterword }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.starts_with(CONTINUE) {
            return Poll::Ready(Ok(CONTINUE.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// Comes after the last byte of an answer.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, afterword } = self.get_mut();
        let mut rest = afterword.rest();
        while !rest.is_empty() {
            let said = ready!(Pin::new(&mut *stream).poll_write(context, &rest))?;
            rest.drain(..said);
        }
        drop(rest);
        Pin::new(stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
