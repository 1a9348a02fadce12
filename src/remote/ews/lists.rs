//! Distribution lists: found by ResolveNames (MS-OXWSRSLNM), opened by ExpandDL (MS-OXWSDLIST).

use super::EwsClient;
use super::answer::Response;
use super::ask::verdict_error;
use super::request;
use super::shape;
use super::xml::Element;
use crate::pim::ItemId;
use crate::remote::{FoundList, ListId, ListMember, ListMembers, PerItem, RemoteError};

impl EwsClient {
    /// The lists among those that a name can mean. That it can mean several comes as a warning, with all of them.
    pub(super) async fn lists_named(&self, name: &str) -> Result<Vec<FoundList>, RemoteError> {
        const OPERATION: &str = "ResolveNames";
        let response = self.ask_about(OPERATION, name, request::resolve_names).await?;
        match response.verdict.code.as_str() {
            "NoError" | "ErrorNameResolutionMultipleResults" => {}
            "ErrorNameResolutionNoResults" => return Ok(Vec::new()),
            _ => return Err(verdict_error(OPERATION, &response.verdict)),
        }
        let resolutions = response.body.children_of("ResolutionSet");
        Ok(resolutions.filter_map(|resolution| found_list(resolution.child("Mailbox")?)).collect())
    }

    /// The address that the directory has for the owner of another address of theirs; `None` where it does not say so clearly.
    pub(super) async fn primary_address(&self, address: &str) -> Result<Option<String>, RemoteError> {
        let response = self.ask_about("ResolveNames", address, request::resolve_names).await?;
        let mut found =
            response.body.children_of("ResolutionSet").filter_map(|found| self::address(found.child("Mailbox")?));
        Ok(found.next().filter(|_| response.verdict.code == "NoError" && found.next().is_none()))
    }

    /// Who is in a list.
    pub(super) async fn members_of(&self, list: &ListId) -> Result<PerItem<ListMembers>, RemoteError> {
        const OPERATION: &str = "ExpandDL";
        let response = self.ask_about(OPERATION, list, request::expand_list).await?;
        Ok(response.checked().map(|response| ListMembers {
            members: response.body.children_of("DLExpansion").map(member).collect(),
            complete: is_complete(response),
        }))
    }

    /// The response about one thing, be it an error.
    async fn ask_about<T: Sync + ?Sized>(
        &self,
        operation: &'static str,
        about: &T,
        write: impl Fn(request::Version, &T) -> String + Send + Sync,
    ) -> Result<Response, RemoteError> {
        let responses = self
            .ask_each(operation, &[about], 1, |version, about| {
                about.first().map(|about| write(version, about)).unwrap_or_default()
            })
            .await?;
        Ok(responses.into_iter().next().unwrap_or_else(Response::missing))
    }
}

fn is_complete(response: &Response) -> bool {
    let set = response.body.child("DLExpansion");
    set.and_then(|set| set.attribute("IncludesLastItemInRange")) != Some("false")
}

fn found_list(mailbox: &Element) -> Option<FoundList> {
    let id = match mailbox.value("MailboxType")? {
        "PublicDL" => ListId::Directory(address(mailbox)?),
        "PrivateDL" => ListId::Personal(item(mailbox)?),
        _ => return None,
    };
    Some(FoundList { name: mailbox.value("Name").unwrap_or_default().to_owned(), id })
}

fn member(mailbox: &Element) -> ListMember {
    let list = item(mailbox).filter(|_| mailbox.value("MailboxType") == Some("PrivateDL"));
    ListMember { name: mailbox.value("Name").unwrap_or_default().to_owned(), address: address(mailbox), list }
}

/// The address of mail. Exchange knows people by other sorts of addresses (`EX`, `MAPIPDL`), too.
fn address(mailbox: &Element) -> Option<String> {
    let is_mail = mailbox.value("RoutingType").is_none_or(|routing| routing.eq_ignore_ascii_case("SMTP"));
    let address = mailbox.value("EmailAddress").filter(|address| is_mail && !address.is_empty());
    address.map(str::to_owned)
}

fn item(mailbox: &Element) -> Option<ItemId> {
    shape::item_id(mailbox).map(|(id, _)| id)
}
