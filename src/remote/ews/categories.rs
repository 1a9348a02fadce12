//! The master list of categories: a configuration of the calendar (MS-OXWSUSRCFG), with a document in it (MS-OXOCFG 2.2.5.2.2).
//!
//! The last writer wins there: no version is asked for. So the list is read again right before it is written.

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::EwsClient;
use super::answer::Response;
use super::ask::own_error;
use super::payload::Payload;
use super::request::{self, FolderRef, Version};
use super::settle::{Fate, Writes};
use super::write::only;
use super::xml::Xml;
use crate::format::categories::CategoryDocument;
use crate::pim::CategoryList;
use crate::remote::{ItemErrorClass, PerItem, RemoteError};

const GET: &str = "GetUserConfiguration";

impl EwsClient {
    /// The document as it is now; `None` where there is none.
    pub(super) async fn category_document(&self) -> Result<PerItem<Option<CategoryDocument>>, RemoteError> {
        if !self.transport.version().has_configurations() {
            let message = "this server is older than the lists of categories that clients can read";
            return Ok(Err(own_error(ItemErrorClass::Permanent, "ErrorInvalidServerVersion", message)));
        }
        let responses = self.ask_each(GET, &[()], 1, |version, _| get(version)).await?;
        let response = responses.into_iter().next().unwrap_or_else(Response::missing);
        Ok(match response.checked() {
            Ok(response) => document(response).map(Some),
            Err(error) if error.class == ItemErrorClass::Gone => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// See [`crate::remote::RemoteWrite::update_category_list`].
    pub(super) async fn put_category_list(
        &self,
        from: Option<&CategoryList>,
        to: &CategoryList,
    ) -> Result<PerItem<CategoryList>, RemoteError> {
        let now = match self.category_document().await? {
            Ok(now) => now,
            Err(error) => return Ok(Err(error)),
        };
        if now.as_ref().map(CategoryDocument::list) != from {
            return Ok(Err(own_error(ItemErrorClass::Conflict, "Changed", "the list was changed meanwhile")));
        }
        let wanted = match now.clone().unwrap_or_default().with(to) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Err(own_error(ItemErrorClass::Permanent, "Inexpressible", error.to_string()))),
        };
        let written = match now {
            Some(_) => only(self.settle(&Put::<Update>::of(&wanted), Vec::new()).await?),
            None => only(self.settle(&Put::<Creation>::of(&wanted), Vec::new()).await?),
        };
        if let Err(error) = written {
            return Ok(Err(error));
        }
        Ok(self.category_document().await?.map(|document| document.unwrap_or_default().list().clone()))
    }

    /// Whether the list says so now, after an answer was lost.
    async fn says(&self, wanted: &CategoryDocument) -> Result<bool, RemoteError> {
        let now = self.category_document().await?;
        Ok(now.is_ok_and(|now| now.is_some_and(|now| now.list() == wanted.list())))
    }
}

fn document(response: &Response) -> PerItem<CategoryDocument> {
    let data = response.body.child("UserConfiguration").and_then(|configuration| configuration.value("XmlData"));
    let data: String = data.unwrap_or_default().split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(data).map_err(|_| unreadable("it is no base64".to_owned()))?;
    CategoryDocument::parse(&bytes).map_err(|error| unreadable(error.to_string()))
}

fn unreadable(reason: String) -> crate::remote::ItemError {
    own_error(ItemErrorClass::Unrenderable, "UnreadableList", reason)
}

fn write_name(xml: &mut Xml, element: &str) {
    xml.element_with(element, &[("Name", "CategoryList")], |xml| FolderRef::Named("calendar").write(xml));
}

fn get(version: Version) -> String {
    request::request(version, "m:GetUserConfiguration", &[], |xml| {
        write_name(xml, "m:UserConfigurationName");
        xml.leaf("m:UserConfigurationProperties", "XmlData");
    })
}

fn put(version: Version, operation: &str, document: &CategoryDocument) -> Payload<'static> {
    Payload::text(request::request(version, &format!("m:{operation}"), &[], |xml| {
        xml.element("m:UserConfiguration", |xml| {
            write_name(xml, "t:UserConfigurationName");
            xml.leaf("t:XmlData", &STANDARD.encode(document.as_bytes()));
        });
    }))
}

/// How the list gets its document.
trait Way: Sync {
    const OPERATION: &'static str;
    const REPEATABLE: bool;
}

/// It has one already.
struct Update;

impl Way for Update {
    const OPERATION: &'static str = "UpdateUserConfiguration";
    const REPEATABLE: bool = true;
}

/// There is no list yet.
struct Creation;

impl Way for Creation {
    const OPERATION: &'static str = "CreateUserConfiguration";
    const REPEATABLE: bool = false;
}

struct Put<'a, W> {
    document: &'a CategoryDocument,
    way: PhantomData<W>,
}

impl<'a, W: Way> Put<'a, W> {
    fn of(document: &'a CategoryDocument) -> Self {
        Self { document, way: PhantomData }
    }
}

impl<W: Way> Writes for Put<'_, W> {
    type Done = ();
    const OPERATION: &'static str = W::OPERATION;
    const REPEATABLE: bool = W::REPEATABLE;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        put(version, Self::OPERATION, self.document)
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        Ok(vec![if client.says(self.document).await? { Fate::Settled(Ok(())) } else { Fate::NotDone }])
    }
}
