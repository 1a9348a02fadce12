//! Members of a tar: the few sorts that we write, and no other when we read.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tar::{Builder, EntryType, Header};

const BLOCK: usize = 512;

/// A longer name than any system takes is no name.
const MAX_NAME: u64 = 8192;

/// The header of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, as bytes.
    pub(crate) name: Vec<u8>,
    /// Whether it is a directory; else it is a file.
    pub(crate) directory: bool,
    /// How many bytes follow.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

impl Member {
    /// The bytes that go before the content.
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut header = Header::new_gnu();
        header.set_entry_type(if self.directory { EntryType::Directory } else { EntryType::Regular });
        header.set_size(self.size);
        header.set_mode(if self.directory { 0o700 } else { 0o600 });
        header.set_mtime(self.mtime);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, Path::new(OsStr::from_bytes(&self.name)), io::empty())?;
        Ok(std::mem::take(builder.get_mut()))
    }
}

/// The zeros that fill the last block of a content.
pub(super) fn padding(size: u64) -> &'static [u8] {
    let used = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    ZEROS.get(..(BLOCK - used) % BLOCK).unwrap_or_default()
}

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Reads a member's header; `None` at the end. Its content follows, filled up to whole blocks.
///
/// # Errors
/// `InvalidData` for what we never write: links, devices, extended headers, damaged headers.
pub(crate) fn read_member(reader: &mut impl Read) -> io::Result<Option<Member>> {
    let Some(header) = read_header(reader)? else { return Ok(None) };
    if header.entry_type() != EntryType::GNULongName {
        let name = header.path_bytes().into_owned();
        return member(&header, name).map(Some);
    }
    let size = header.entry_size()?;
    if size > MAX_NAME {
        return Err(invalid("a name is too long"));
    }
    let mut name = vec![0; usize::try_from(size).unwrap_or(0)];
    reader.read_exact(&mut name)?;
    skip(reader, padding(size).len() as u64)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    let header = read_header(reader)?.ok_or_else(|| invalid("a name is followed by nothing"))?;
    member(&header, name).map(Some)
}

fn member(header: &Header, name: Vec<u8>) -> io::Result<Member> {
    let directory = match header.entry_type() {
        EntryType::Regular => false,
        EntryType::Directory => true,
        other => return Err(invalid(&format!("a member is neither file nor directory ({other:?})"))),
    };
    let name = name.strip_suffix(b"/").map(<[u8]>::to_vec).unwrap_or(name);
    Ok(Member { name, directory, size: header.entry_size()?, mtime: header.mtime()? })
}

fn read_header(reader: &mut impl Read) -> io::Result<Option<Header>> {
    let mut block = Vec::with_capacity(BLOCK);
    reader.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
    if block.is_empty() || block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    if block.len() != BLOCK {
        return Err(invalid("a header is cut"));
    }
    let header = Header::from_byte_slice(&block).clone();
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte })).sum();
    if header.cksum()? != sum {
        return Err(invalid("a header is damaged"));
    }
    Ok(Some(header))
}

/// Reads and forgets so many bytes.
pub(super) fn skip(reader: &mut impl Read, count: u64) -> io::Result<()> {
    if io::copy(&mut reader.take(count), &mut io::sink())? == count {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_are_read_as_they_were_written() {
        for length in [1, 99, 100, 101, 255, 1000, 4000] {
            let member = Member { name: vec![b'x'; length], directory: false, size: 5, mtime: 77 };
            let bytes = member.to_bytes().unwrap();
            assert_eq!(bytes.len() % BLOCK, 0);
            assert_eq!(read_member(&mut &bytes[..]).unwrap(), Some(member));
        }
        let odd = Member { name: b"a/\xff\xfe".to_vec(), directory: true, size: 0, mtime: 0 };
        assert_eq!(read_member(&mut &odd.to_bytes().unwrap()[..]).unwrap(), Some(odd));
    }

    #[test]
    fn links_and_devices_are_refused() {
        for sort in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::XHeader,
        ] {
            let mut header = Header::new_gnu();
            header.set_entry_type(sort);
            header.set_path("x").unwrap();
            header.set_size(0);
            header.set_cksum();
            assert!(read_member(&mut &header.as_bytes()[..]).is_err(), "{sort:?}");
        }
        assert!(read_member(&mut &[1u8; 512][..]).is_err() && read_member(&mut &[1u8; 5][..]).is_err());
        assert_eq!((padding(0).len(), padding(1).len(), padding(512).len()), (0, 511, 0));
    }

    #[test]
    fn an_endless_name_takes_no_memory() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_path("x").unwrap();
        header.set_size(u64::MAX >> 2);
        header.set_cksum();
        let mut endless = header.as_bytes().chain(io::repeat(b'x'));
        assert!(read_member(&mut endless).is_err());
    }
}
