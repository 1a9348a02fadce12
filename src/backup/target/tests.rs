//! What every target must do, and what an object store does to us.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::runtime::Runtime;

use super::objects::Bucket;
use super::*;
use crate::backup::{self, Archive, Extent, Form, Known, OnDamage, Sealing, Selection, Source, Taken};
use crate::identity::{IdentityName, Layout, Marker};
use crate::pim::UnixTime;

/// What a store does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The part with this number does not arrive.
    Part(usize),
    /// The last request does not arrive.
    Close,
    /// It is answered by nobody, though it was heard.
    CloseAnswer,
    /// A read is answered with less than was asked for.
    Short,
}

/// A store with faults, which tells what was asked of it.
#[derive(Debug, Default)]
struct Faulty {
    inner: InMemory,
    fault: Mutex<Option<Fault>>,
    begun: Mutex<Vec<String>>,
    ended: Mutex<Vec<String>>,
    read: Mutex<Vec<Range<u64>>>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() == Some(fault)
    }

    fn set(&self, fault: impl Into<Option<Fault>>) {
        *self.fault.lock().unwrap() = fault.into();
    }

    /// Uploads that were neither completed nor taken back.
    fn open_uploads(&self) -> usize {
        self.begun.lock().unwrap().len() - self.ended.lock().unwrap().len()
    }

    fn bytes_read(&self) -> u64 {
        self.read.lock().unwrap().drain(..).map(|range| range.end - range.start).sum()
    }
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faulty")
    }
}

fn broken() -> Error {
    Error::Generic { store: "S3", source: "<Error><Code>SlowDown</Code><Message>later</Message></Error>".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, key: &Key, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.has(Fault::Close) {
            return Err(broken());
        }
        let put = self.inner.put_opts(key, payload, options).await?;
        if self.has(Fault::CloseAnswer) { Err(broken()) } else { Ok(put) }
    }

    async fn put_multipart_opts(&self, key: &Key, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Key, mut options: GetOptions) -> Result<GetResult> {
        if let Some(GetRange::Bounded(range)) = &mut options.range {
            self.read.lock().unwrap().push(range.clone());
            if self.has(Fault::Short) {
                range.end -= 1;
            }
        }
        self.inner.get_opts(key, options).await
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Key>>) -> BoxStream<'static, Result<Key>> {
        self.inner.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Faulty {
    async fn create_multipart(&self, key: &Key) -> Result<String> {
        let id = self.inner.create_multipart(key).await?;
        self.begun.lock().unwrap().push(id.clone());
        Ok(id)
    }

    async fn put_part(&self, key: &Key, id: &String, number: usize, data: PutPayload) -> Result<PartId> {
        if self.has(Fault::Part(number)) {
            return Err(broken());
        }
        self.inner.put_part(key, id, number, data).await
    }

    async fn complete_multipart(&self, key: &Key, id: &String, parts: Vec<PartId>) -> Result<PutResult> {
        if self.has(Fault::Close) {
            return Err(broken());
        }
        let put = self.inner.complete_multipart(key, id, parts).await?;
        self.ended.lock().unwrap().push(id.clone());
        if self.has(Fault::CloseAnswer) { Err(broken()) } else { Ok(put) }
    }

    async fn abort_multipart(&self, key: &Key, id: &String) -> Result<()> {
        self.inner.abort_multipart(key, id).await?;
        self.ended.lock().unwrap().push(id.clone());
        Ok(())
    }
}

/// A directory to archive, and places to archive it to.
struct World {
    home: tempfile::TempDir,
    runtime: Runtime,
    store: Arc<Faulty>,
}

type Contents = BTreeMap<String, Vec<u8>>;

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for dir in ["Database/Notes", "target", "scratch"] {
            fs::create_dir_all(home.path().join(dir)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = Self { home, runtime, store: Arc::default() };
        world.write("Notes/small.md", b"small\n");
        world.write("Notes/large.md", &noise(1, 20 << 20));
        world
    }

    fn write(&self, path: &str, content: &[u8]) {
        fs::write(self.home.path().join("Database").join(path), content).unwrap();
    }

    fn bucket(&self, prefix: &str) -> Target {
        let (store, runtime) = (self.store.clone(), self.runtime.handle().clone());
        let bucket = Bucket {
            parts: store.clone(),
            closing: store.clone(),
            store,
            prefix: Key::parse(prefix).unwrap(),
            runtime,
        };
        let location = Location::Object(format!("s3://bucket/{prefix}"));
        Target { location, store: Arc::new(bucket), keys: Keys::default() }
    }

    fn everywhere(&self) -> [Target; 3] {
        [Target::directory(&self.home.path().join("target")), self.bucket("some/mail"), self.bucket("")]
    }

    fn take(&self, target: &Target, at: i64) -> std::result::Result<Taken, BackupError> {
        let home = self.home.path();
        let source = Source::directory(&name(), &home.join("Database"), &home.join("scratch"));
        backup::take(
            &source,
            target,
            Extent::New { known: None },
            Sealing::None,
            UnixTime(at),
            at.unsigned_abs().into(),
        )
    }

    fn here(&self) -> Contents {
        contents(&self.home.path().join("Database"))
    }

    fn restored(&self, stored: &Stored) -> Contents {
        let to = tempfile::tempdir_in(self.home.path()).unwrap();
        let mut archive = Archive::open(stored).unwrap();
        backup::restore(&mut archive, &Selection::default(), to.path(), OnDamage::Fail).unwrap();
        contents(to.path())
    }
}

fn name() -> IdentityName {
    IdentityName::new("Main Büro").unwrap()
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn contents(dir: &Path) -> Contents {
    let notes = fs::read_dir(dir.join("Notes")).unwrap().map(|entry| entry.unwrap().path());
    notes.map(|path| (path.display().to_string().split_off(dir.as_os_str().len()), fs::read(&path).unwrap())).collect()
}

fn numbers(target: &Target) -> Vec<u32> {
    target.archives("Main Büro").unwrap().iter().map(|found| found.name.number).collect()
}

#[test]
fn archives_go_into_any_target_and_come_back_and_build_upon_each_other() {
    for place in 0..3 {
        let world = World::new();
        world.write("Notes/larger.md", &noise(2, 24 << 20));
        let target = world.everywhere()[place].clone();
        assert!(numbers(&target).is_empty());
        let first = world.take(&target, 1_700_000_000).unwrap();
        let full = world.here();
        world.write("Notes/new.md", b"new\n");
        // The same content again: what went into a frame of its own is taken back.
        fs::rename(
            world.home.path().join("Database/Notes/large.md"),
            world.home.path().join("Database/Notes/other.md"),
        )
        .unwrap();
        let second = world.take(&target, 1_700_000_100).unwrap();
        assert_eq!((second.number, second.builds_upon.len()), (2, 1), "{target:?}");
        assert!(second.length * 100 < first.length);
        let found = target.archives("Main Büro").unwrap();
        assert_eq!(found.iter().map(|found| found.length).collect::<Vec<_>>(), [first.length, second.length]);
        assert!(target.archives("Main").unwrap().is_empty(), "those of another identity");
        assert!(world.restored(&first.archive) == full, "{target:?}");
        assert!(world.restored(&second.archive) == world.here(), "{target:?}");
        first.archive.remove().unwrap();
        assert_eq!(numbers(&target), [2]);
        assert_eq!(world.store.open_uploads(), 0);
    }
}

#[test]
fn nothing_is_ever_overwritten_and_what_is_dropped_was_never_there() {
    let world = World::new();
    let name = ArchiveName { identity: "Main Büro".to_owned(), created: UnixTime(0), number: 1, form: Form::Plain };
    for target in world.everywhere() {
        for length in [100, 20 << 20] {
            let write = |seed| {
                let mut out = target.begin(&name, world.home.path()).unwrap();
                out.write_all(&noise(seed, length)).unwrap();
                out
            };
            drop(write(1));
            assert!(numbers(&target).is_empty(), "{target:?}");
            write(2).finish().unwrap();
            let again = write(3).finish().unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "{target:?}");
            let stored = target.file(name.to_string());
            let mut content = Vec::new();
            stored.open().unwrap().read_to_end(&mut content).unwrap();
            assert!(content == noise(2, length), "{target:?}");
            stored.remove().unwrap();
        }
    }
    assert_eq!(world.store.open_uploads(), 0);
}

#[test]
fn an_upload_that_is_cut_off_leaves_nothing() {
    let world = World::new();
    let target = world.bucket("mail");
    for fault in [Fault::Part(0), Fault::Part(1), Fault::Part(2), Fault::Close] {
        world.store.set(fault);
        let error = world.take(&target, 1_700_000_000).unwrap_err().to_string();
        assert!(error.contains("s3://bucket/mail") && error.contains("SlowDown: later"), "{error}");
        world.store.set(None);
        assert!(numbers(&target).is_empty(), "{fault:?}");
        assert_eq!(world.store.open_uploads(), 0, "{fault:?}");
    }
    assert_eq!(world.store.begun.lock().unwrap().len(), 4);
    world.take(&target, 1_700_000_000).unwrap();
}

#[test]
fn an_upload_whose_last_answer_is_lost_is_found_again() {
    for length in [100, 20 << 20] {
        let world = World::new();
        world.write("Notes/large.md", &noise(5, length));
        let target = world.bucket("mail");
        world.store.set(Fault::CloseAnswer);
        let taken = world.take(&target, 1_700_000_000).unwrap();
        world.store.set(None);
        assert!(world.restored(&taken.archive) == world.here());
        assert_eq!(world.store.open_uploads(), 0);
    }
}

#[test]
fn one_item_takes_a_few_short_reads() {
    let world = World::new();
    let target = world.bucket("mail");
    let taken = world.take(&target, 1_700_000_000).unwrap();
    world.store.bytes_read();
    let mut archive = Archive::open(&taken.archive).unwrap();
    let to = world.home.path().join("back");
    let selection = Selection { items: vec!["small.md".to_owned()], ..Selection::default() };
    backup::restore(&mut archive, &selection, &to, OnDamage::Fail).unwrap();
    assert_eq!(fs::read(to.join("Notes/small.md")).unwrap(), b"small\n");
    assert!(world.store.bytes_read() < 1 << 20, "of {}", taken.length);
}

#[test]
fn what_a_store_gives_back_is_not_believed() {
    let world = World::new();
    let target = world.bucket("mail");
    let taken = world.take(&target, 1_700_000_000).unwrap();
    world.store.set(Fault::Short);
    assert!(Archive::open(&taken.archive).is_err());
    world.store.set(None);
    // Another object under the same name, while it is read.
    let mut archive = Archive::open(&taken.archive).unwrap();
    let key = Key::parse(format!("mail/{}", taken.archive.name().to_str().unwrap())).unwrap();
    let put = |bytes: Vec<u8>| world.runtime.block_on(world.store.inner.put(&key, bytes.into())).unwrap();
    let mut content = Vec::new();
    taken.archive.open().unwrap().read_to_end(&mut content).unwrap();
    put(content.clone());
    let to = world.home.path().join("back");
    let error = backup::restore(&mut archive, &Selection::default(), &to, OnDamage::Fail).unwrap_err();
    assert!(error.to_string().contains("replaced while it was read"), "{error}");
    assert!(!to.exists());
    for cut in [0, 50, content.len() - 1] {
        put(content[..cut].to_vec());
        assert!(matches!(Archive::open(&taken.archive), Err(BackupError::Incomplete { .. })), "{cut}");
        assert_eq!(target.archives("Main Büro").unwrap().len(), 1, "it is listed, and is no whole one");
    }
}

#[test]
fn what_is_in_the_newest_archive_is_not_fetched_to_build_upon_it() {
    let world = World::new();
    let layout = Layout::new(Some(world.home.path()), IdentityName::new("Main").unwrap()).unwrap();
    layout.create().unwrap();
    let marker = Marker::new(7).create(&layout).unwrap();
    let note = layout.database().join("note.md");
    fs::write(&note, noise(9, 1 << 20)).unwrap();
    let target = world.bucket("mail");
    let source = Source::identity(&layout, &marker);
    let mut known = Known::default();
    let mut take = |at: i64| {
        let extent = Extent::New { known: Some(&known) };
        let taken =
            backup::take(&source, &target, extent, Sealing::None, UnixTime(at), at.unsigned_abs().into()).unwrap();
        known.archives.push(taken.note());
        taken
    };
    take(1_700_000_000);
    for number in 1..4_u32 {
        fs::write(layout.database().join(format!("{number}.md")), format!("new {number}")).unwrap();
        world.store.bytes_read();
        let taken = take(1_700_000_000 + i64::from(number));
        assert_eq!(taken.builds_upon.len(), number as usize);
        assert_eq!(world.store.bytes_read(), u64::from(number) * 112, "the footers");
    }
    // Another file of that name and length is another archive.
    let stored = target.archives("Main").unwrap()[1].stored.clone();
    let mut content = Vec::new();
    stored.open().unwrap().read_to_end(&mut content).unwrap();
    *content.last_mut().unwrap() ^= 1;
    let key = Key::parse(format!("mail/{}", stored.name().to_str().unwrap())).unwrap();
    world.runtime.block_on(world.store.inner.put(&key, content.into())).unwrap();
    assert!(take(1_700_000_009).builds_upon.is_empty());
}
