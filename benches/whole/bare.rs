//! The bare client: the same requests as a synchronisation makes, on four connections, with what comes in written to files or thrown away,
//! and nothing else: no state, no comparison, no durability. What pimsync takes beyond it is what it costs to be careful.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::mailbox::{PASSWORD, USER};

const CONNECTIONS: usize = 4;
const PAGE: usize = 512;
/// Items and bytes of one request, as pimsync has them.
const BATCH: usize = 64;
const BATCH_BYTES: u64 = 8 << 20;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Bare {
    url: String,
    http: reqwest::Client,
    files: AtomicUsize,
}

/// Runs one of the bare client's works.
pub fn run(work: &str, url: &str, dir: &Path) -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bare = Bare { url: url.to_owned(), http: reqwest::Client::new(), files: AtomicUsize::new(0) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match work {
            "download" => bare.download(dir).await,
            "upload" => bare.upload(dir).await,
            "walk" => walk(dir),
            "stat" => stat_files(dir),
            "again" => bare.again(dir).await,
            _ => Err(format!("the bare client cannot {work}").into()),
        }
    })
}

/// What a look at a tree costs at least: each folder listed, each of its directories looked at.
fn walk(dir: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::metadata(entry.path())?;
            if entry.file_name() != "cur" && entry.file_name() != "new" && entry.file_name() != "tmp" {
                walk(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// What a look at folders of entries costs at least: each listed, each file looked at.
fn stat_files(dir: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.metadata()?.is_dir() {
            stat_files(&entry.path())?;
        }
    }
    Ok(())
}

impl Bare {
    async fn post(&self, request: &str) -> Result<String, Failure> {
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
             xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><s:Header>\
             <t:RequestServerVersion Version=\"Exchange2013_SP1\"/></s:Header><s:Body>{request}</s:Body></s:Envelope>"
        );
        self.post_envelope(envelope).await
    }

    async fn post_envelope(&self, envelope: String) -> Result<String, Failure> {
        let post = self.http.post(&self.url).basic_auth(USER, Some(PASSWORD));
        let answer = post.header("content-type", "text/xml; charset=utf-8").body(envelope).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Makes the requests of another run again, which lie in a directory as the server recorded them, and writes each item of the answers into a
    /// file, and each attachment. Nothing is made of them.
    async fn again(&self, dir: &Path) -> Result<(), Failure> {
        let mut requests: Vec<PathBuf> = fs::read_dir(dir.join("requests"))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        requests.sort();
        let out = &dir.join("items");
        fs::create_dir(out)?;
        let results: Vec<Result<(), Failure>> = stream::iter(requests.iter().map(|request| async move {
            let answer = self.post_envelope(fs::read_to_string(request)?).await?;
            let contents = pieces(&answer, "<t:Content>", "</t:Content>").map(|content| STANDARD.decode(content));
            let contents: Vec<Vec<u8>> = contents.collect::<Result<_, _>>()?;
            let items = pieces(&answer, "<m:GetItemResponseMessage", "</m:GetItemResponseMessage>");
            for item in items.map(|item| item.as_bytes().to_vec()).chain(contents) {
                let number = self.files.fetch_add(1, Ordering::Relaxed);
                fs::File::create(out.join(format!("{number}.xml")))?.write_all(&item)?;
            }
            Ok(())
        }))
        .buffer_unordered(CONNECTIONS)
        .collect()
        .await;
        results.into_iter().collect()
    }

    /// The ids of all mail folders.
    async fn folders(&self) -> Result<Vec<String>, Failure> {
        let answer = self
            .post(
                "<m:FindFolder Traversal=\"Deep\"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
                 <m:ParentFolderIds><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:ParentFolderIds></m:FindFolder>",
            )
            .await?;
        Ok(pieces(&answer, "<t:Folder>", "</t:Folder>")
            .filter_map(|folder| attribute(folder, "FolderId", "Id"))
            .collect())
    }

    /// Downloads everything into one file a message.
    async fn download(&self, dir: &Path) -> Result<(), Failure> {
        let folders = self.folders().await?;
        let results: Vec<Result<(), Failure>> =
            stream::iter(folders.iter().map(|folder| self.download_folder(folder, dir)))
                .buffer_unordered(CONNECTIONS)
                .collect()
                .await;
        results.into_iter().collect()
    }

    async fn download_folder(&self, folder: &str, dir: &Path) -> Result<(), Failure> {
        let mut state = String::new();
        loop {
            let since = if state.is_empty() { String::new() } else { format!("<m:SyncState>{state}</m:SyncState>") };
            let page = self
                .post(&format!(
                    "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
                     <t:FieldURI FieldURI=\"item:Size\"/></t:AdditionalProperties></m:ItemShape><m:SyncFolderId>\
                     <t:FolderId Id=\"{folder}\"/></m:SyncFolderId>{since}<m:MaxChangesReturned>{PAGE}</m:MaxChangesReturned>\
                     </m:SyncFolderItems>"
                ))
                .await?;
            let items: Vec<(String, u64)> = pieces(&page, "<t:Message>", "</t:Message>")
                .filter_map(|item| {
                    let size = pieces(item, "<t:Size>", "</t:Size>").next()?.parse().ok()?;
                    Some((attribute(item, "ItemId", "Id")?, size))
                })
                .collect();
            self.bodies(&items, dir).await?;
            state = pieces(&page, "<m:SyncState>", "</m:SyncState>").next().unwrap_or_default().to_owned();
            if page.contains("IncludesLastItemInRange>true<") || items.is_empty() {
                return Ok(());
            }
        }
    }

    async fn bodies(&self, items: &[(String, u64)], dir: &Path) -> Result<(), Failure> {
        for batch in batches(items, |item| item.1) {
            let ids: String = batch.iter().map(|(id, _)| format!("<t:ItemId Id=\"{id}\"/>")).collect();
            let answer = self
                .post(&format!(
                    "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>\
                     </m:ItemShape><m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
                ))
                .await?;
            for content in pieces(&answer, "<t:MimeContent", "</t:MimeContent>") {
                let text = content.split_once('>').map_or("", |(_, text)| text);
                let mime = STANDARD.decode(text)?;
                let number = self.files.fetch_add(1, Ordering::Relaxed);
                fs::File::create(dir.join(format!("{number}.eml")))?.write_all(&mime)?;
            }
        }
        Ok(())
    }

    /// Uploads each file of a directory into the Inbox.
    async fn upload(&self, dir: &Path) -> Result<(), Failure> {
        let mut files: Vec<(PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            files.push((entry.path(), entry.metadata()?.len()));
        }
        let batches = Arc::new(batches(&files, |file| file.1).into_iter().map(<[_]>::to_vec).collect::<Vec<_>>());
        let results: Vec<Result<(), Failure>> = stream::iter(batches.iter().map(|batch| self.upload_batch(batch)))
            .buffer_unordered(CONNECTIONS)
            .collect()
            .await;
        results.into_iter().collect()
    }

    async fn upload_batch(&self, batch: &[(PathBuf, u64)]) -> Result<(), Failure> {
        let mut request = "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId><t:DistinguishedFolderId Id=\"inbox\"/>\
                           </m:SavedItemFolderId><m:Items>"
            .to_owned();
        for (path, _) in batch {
            request.push_str("<t:Message><t:MimeContent CharacterSet=\"UTF-8\">");
            STANDARD.encode_string(fs::read(path)?, &mut request);
            request.push_str("</t:MimeContent></t:Message>");
        }
        request.push_str("</m:Items></m:CreateItem>");
        let answer = self.post(&request).await?;
        let created = answer.matches("<t:ItemId ").count();
        if created == batch.len() { Ok(()) } else { Err(format!("{created} of {} were created", batch.len()).into()) }
    }
}

fn batches<T>(all: &[T], size: impl Fn(&T) -> u64) -> Vec<&[T]> {
    let mut found = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, item) in all.iter().enumerate() {
        if at > from && (at - from >= BATCH || bytes + size(item) > BATCH_BYTES) {
            found.push(&all[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += size(item);
    }
    if from < all.len() {
        found.push(&all[from..]);
    }
    found
}

/// The texts between two marks.
fn pieces<'t>(text: &'t str, from: &'t str, to: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(from).skip(1).filter_map(move |piece| piece.split_once(to).map(|(piece, _)| piece))
}

fn attribute(text: &str, element: &str, name: &str) -> Option<String> {
    let at = text.split_once(&format!("<t:{element} "))?.1;
    let value = at.split_once(&format!("{name}=\""))?.1;
    Some(value.split_once('"')?.0.to_owned())
}
