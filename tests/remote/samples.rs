//! Answers as real servers gave them, from the folder that EWS_SAMPLES names: none of them may be taken for nonsense.

use std::path::{Path, PathBuf};

use crate::canned::{Canned, http, ok};
use crate::house::{Bodies, TestClock, tag};
use pimsync::pim::{FolderId, ItemId};
use pimsync::remote::auth::Basic;
use pimsync::remote::ews::{EwsClient, Settings};
use pimsync::remote::{RemoteError, RemoteRead};

/// Asks what the sample answers, and gives back how the answer was taken, with how many things were in it.
async fn ask(client: &EwsClient, operation: &str) -> Result<usize, RemoteError> {
    let folder = FolderId::new("folder");
    let items = [(ItemId::new("item"), 1)];
    Ok(match operation {
        "SyncFolderHierarchyResponse" => client.folder_changes(None).await?.changed.len(),
        "SyncFolderItemsResponse" => client.item_changes(&folder, None, 512).await?.changes.len(),
        "FindItemResponse" => client.find_tagged(&folder, &[tag(1)]).await?.len(),
        "GetFolderResponse" => client.activity(&[folder]).await?.len(),
        "GetItemResponse" => {
            client.messages(&[ItemId::new("item")]).await?;
            client.bodies(&items, &mut Bodies::default()).await?.len()
        }
        _ => client.messages(&[ItemId::new("item")]).await?.len(),
    })
}

fn samples(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        // Autodiscover is another service.
        let other =
            ["Autodiscover", "GetUserSettings", "GetDomainSettings"].iter().any(|other| name.starts_with(other));
        !other && name.ends_with(".xml") && (name.contains("Response__") || name.contains("Fault__"))
    });
    files.sort();
    files
}

#[tokio::test]
async fn every_sample_is_understood() {
    let Some(folder) = std::env::var_os("EWS_SAMPLES") else {
        println!("skipped: EWS_SAMPLES names no folder with samples");
        return;
    };
    let canned = Canned::new(vec![ok(b"")]);
    let mut read = 0;
    let mut nonsense = Vec::new();
    for file in samples(Path::new(&folder)) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let body = std::fs::read(&file).unwrap();
        let fault = name.contains("Fault__");
        canned.answer(if fault { http("500 Internal Server Error", &body) } else { ok(&body) });
        let clock = std::sync::Arc::new(TestClock::default());
        let sign_in = Box::new(Basic::new("a", "b".into()));
        let client = EwsClient::new(Settings::new(canned.url(), sign_in, clock)).unwrap();
        let operation = name.trim_start_matches("syn-").split("__").next().unwrap();
        match ask(&client, operation).await {
            Err(RemoteError::Protocol { reason, .. }) => nonsense.push(format!("{name}: {reason}")),
            outcome => read += usize::from(outcome.is_ok() || fault),
        }
    }
    assert!(nonsense.is_empty(), "{}", nonsense.join("\n"));
    assert!(read > 50, "only {read} samples were read");
}
