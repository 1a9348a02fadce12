//! A client that posts what it is told and picks answers apart with string searches, so that nothing of the code under
//! test is in the way.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pimsync::exchange::{Mailbox, Options, Personality, Server};

pub const USER: &str = "demo@example.org";

pub struct Client {
    pub server: Server,
    password: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Client {
    pub fn start(like: Personality) -> Client {
        Client::with(Options { like, ..Options::default() })
    }

    pub fn with(options: Options) -> Client {
        // Another test of the same process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client {
            server: Server::start(options).unwrap(),
            password: "demo".to_owned(),
            http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    pub fn with_password(mut self, password: &str) -> Client {
        self.password = password.to_owned();
        self
    }

    pub fn mailbox(&self) -> Mailbox {
        self.server.mailbox(USER).unwrap()
    }

    pub fn try_post(&self, body: &str) -> Result<Answer, reqwest::Error> {
        self.try_post_as(USER, body)
    }

    /// Posts as another user with the same password.
    pub fn post_as(&self, user: &str, body: &str) -> Answer {
        self.try_post_as(user, body).unwrap()
    }

    fn try_post_as(&self, user: &str, body: &str) -> Result<Answer, reqwest::Error> {
        self.runtime.block_on(async {
            let request = self.http.post(self.server.url()).basic_auth(user, Some(&self.password));
            let response =
                request.header("content-type", "text/xml; charset=utf-8").body(body.to_owned()).send().await?;
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            Ok(Answer { status, headers, body: response.text().await? })
        })
    }

    pub fn post(&self, body: &str) -> Answer {
        self.try_post(body).unwrap()
    }

    pub fn envelope(&self, request: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
             xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><s:Header>\
             <t:RequestServerVersion Version=\"Exchange2013_SP1\"/></s:Header><s:Body>{request}</s:Body></s:Envelope>"
        )
    }

    pub fn call(&self, request: &str) -> Answer {
        self.post(&self.envelope(request))
    }

    pub fn create_mail(&self, folder: &str, mime: &str, more: &str) -> Answer {
        let mime = STANDARD.encode(mime);
        self.call(&format!(
            "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId><t:DistinguishedFolderId Id=\"{folder}\"/>\
             </m:SavedItemFolderId><m:Items><t:Message><t:MimeContent CharacterSet=\"UTF-8\">{mime}</t:MimeContent>{more}\
             </t:Message></m:Items></m:CreateItem>"
        ))
    }

    pub fn get_item(&self, id: &str, paths: &str) -> String {
        let paths = if paths.is_empty() {
            String::new()
        } else {
            format!("<t:AdditionalProperties>{paths}</t:AdditionalProperties>")
        };
        format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>{paths}\
             </m:ItemShape><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
        )
    }

    /// Creates one item; `xml` is its element.
    pub fn create(&self, folder: &str, attributes: &str, xml: &str) -> Answer {
        self.call(&format!(
            "<m:CreateItem {attributes}><m:SavedItemFolderId><t:DistinguishedFolderId Id=\"{folder}\"/></m:SavedItemFolderId>\
             <m:Items>{xml}</m:Items></m:CreateItem>"
        ))
    }

    /// Updates one item, named by an element such as [`item`], and never over somebody else's change.
    pub fn update(&self, id: &str, attributes: &str, updates: &str) -> Answer {
        self.call(&format!(
            "<m:UpdateItem ConflictResolution=\"NeverOverwrite\" {attributes}><m:ItemChanges><t:ItemChange>{id}<t:Updates>\
             {updates}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
        ))
    }

    /// An item in a base shape, with more properties.
    pub fn read(&self, id: &str, shape: &str, paths: &str) -> Answer {
        let paths = match paths {
            "" => String::new(),
            paths => format!("<t:AdditionalProperties>{paths}</t:AdditionalProperties>"),
        };
        self.call(&format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>{shape}</t:BaseShape><t:BodyType>Text</t:BodyType>{paths}</m:ItemShape>\
             <m:ItemIds>{id}</m:ItemIds></m:GetItem>"
        ))
    }

    pub fn delete(&self, id: &str, attributes: &str) -> Answer {
        self.call(&format!(
            "<m:DeleteItem DeleteType=\"HardDelete\" {attributes}><m:ItemIds>{id}</m:ItemIds></m:DeleteItem>"
        ))
    }

    pub fn sync(&self, folder: &str, state: &str, most: usize) -> String {
        let state = if state.is_empty() { String::new() } else { format!("<m:SyncState>{state}</m:SyncState>") };
        format!(
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
             <t:FieldURI FieldURI=\"item:Subject\"/></t:AdditionalProperties></m:ItemShape><m:SyncFolderId>\
             <t:DistinguishedFolderId Id=\"{folder}\"/></m:SyncFolderId>{state}<m:MaxChangesReturned>{most}\
             </m:MaxChangesReturned></m:SyncFolderItems>"
        )
    }
}

/// `<t:ItemId …/>`
pub fn item(id: &str, key: &str) -> String {
    match key {
        "" => format!("<t:ItemId Id=\"{id}\"/>"),
        key => format!("<t:ItemId Id=\"{id}\" ChangeKey=\"{key}\"/>"),
    }
}

/// A `FieldURI`.
pub fn path(uri: &str) -> String {
    format!("<t:FieldURI FieldURI=\"{uri}\"/>")
}

/// Sets what a path names in an item that an element such as `Contact` shows.
pub fn set(path: &str, element: &str, xml: &str) -> String {
    format!("<t:SetItemField>{path}<t:{element}>{xml}</t:{element}></t:SetItemField>")
}

/// Clears what a path names.
pub fn clear(path: &str) -> String {
    format!("<t:DeleteItemField>{path}</t:DeleteItemField>")
}

impl Answer {
    /// The text of the first element of this name; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        self.all(&format!("<t:{name}>"), "<").into_iter().next().unwrap_or_default()
    }

    /// The id of the first item, as an element.
    pub fn id(&self) -> String {
        item(&self.item_id(), &self.change_key())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What stands between all occurrences of two texts.
    pub fn all(&self, begin: &str, end: &str) -> Vec<String> {
        self.body.split(begin).skip(1).filter_map(|rest| rest.split(end).next()).map(str::to_owned).collect()
    }

    pub fn first(&self, begin: &str, end: &str) -> String {
        self.all(begin, end).into_iter().next().unwrap_or_else(|| panic!("no {begin} in {}", self.body))
    }

    pub fn codes(&self) -> Vec<String> {
        self.all("<m:ResponseCode>", "<")
    }

    pub fn fault(&self) -> String {
        self.all("ResponseCode xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">", "<").join(",")
    }

    pub fn item_id(&self) -> String {
        self.first("<t:ItemId Id=\"", "\"")
    }

    pub fn change_key(&self) -> String {
        self.first("ChangeKey=\"", "\"")
    }

    pub fn mime(&self) -> String {
        let base64 = self.first("<t:MimeContent CharacterSet=\"UTF-8\">", "<");
        String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap()
    }

    pub fn sync_state(&self) -> String {
        self.first("<m:SyncState>", "<")
    }

    pub fn is_last(&self) -> bool {
        self.body.contains("InRange>true<")
    }

    pub fn kinds(&self) -> Vec<String> {
        let changes = self.first("<m:Changes>", "</m:Changes>");
        let kinds = changes.split("<t:").filter_map(|tag| tag.split('>').next());
        let known = ["Create", "Update", "Delete", "ReadFlagChange"];
        kinds.filter(|kind| known.contains(kind)).map(str::to_owned).collect()
    }

    pub fn changes(&self) -> Vec<String> {
        let subjects = self.all("<t:Subject>", "<");
        self.kinds().iter().zip(subjects).map(|(kind, subject)| format!("{kind} {subject}")).collect()
    }
}
