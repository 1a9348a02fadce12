//! `--trace-soap`: every request and response in a file of its own, for bug reports. Sign-in data is in headers, and of those only
//! harmless ones are written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::HeaderMap;

use super::xml::source::Witness;

/// The headers of a response that help to find it in a server's log, or to understand it.
const TOLD: [&str; 9] = [
    "content-type",
    "content-length",
    "connection",
    "retry-after",
    "request-id",
    "x-feserver",
    "x-targetbeserver",
    "x-diaginfo",
    "x-ms-diagnostics",
];

/// A folder that takes a copy of each exchange.
pub(super) struct Trace {
    folder: PathBuf,
    count: AtomicU64,
}

/// The files of one exchange.
pub(super) struct Pages {
    folder: PathBuf,
    stem: String,
}

impl Trace {
    /// Writes into this folder; makes it if need be.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), count: AtomicU64::new(0) })
    }

    /// Files for the next exchange.
    pub(super) fn next(&self, operation: &str) -> Pages {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        Pages { folder: self.folder.clone(), stem: format!("{number:06}-{operation}") }
    }
}

impl Pages {
    /// Takes the bytes of the request.
    pub(super) fn request(&self) -> Witness {
        self.witness("request.xml")
    }

    /// Takes the bytes of the response.
    pub(super) fn response(&self) -> Witness {
        self.witness("response.xml")
    }

    /// Notes how the server answered.
    pub(super) fn status(&self, status: u16, headers: &HeaderMap) {
        let mut text = format!("HTTP {status}\n");
        for name in TOLD {
            for value in headers.get_all(name) {
                text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
            }
        }
        self.witness("status.txt")(text.as_bytes());
    }

    /// A trace that cannot be written says so once and never stops the work.
    fn witness(&self, what: &str) -> Witness {
        let path = self.folder.join(format!("{}-{what}", self.stem));
        let mut file = create_private(&path).map_err(|error| warn(&path, &error)).ok();
        Box::new(move |bytes| {
            if let Some(Err(error)) = file.as_mut().map(|file| file.write_all(bytes)) {
                warn(&path, &error);
                file = None;
            }
        })
    }
}

fn warn(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "the trace cannot be written");
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
