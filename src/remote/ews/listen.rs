//! Notifications: Subscribe, GetStreamingEvents, GetEvents, Unsubscribe (MS-OXWSNTIF).

use std::io;

use super::EwsClient;
use super::answer::{Receiver, Response, Verdict};
use super::ask::{own_error, verdict_error};
use super::codes::CodeClass;
use super::payload::Payload;
use super::request::{Version, request};
use super::transport::account_error;
use super::xml::Element;
use crate::pim::FolderId;
use crate::remote::{Heard, ItemErrorClass, PerItem, RemoteError, RemoteListen, Silence, Subscription, Telling};

/// How long the server keeps a streaming connection open, in minutes: the most it may be.
const CONNECTION_MINUTES: &str = "30";
/// How long the server remembers a subscription that nobody asks about, in minutes.
const PULL_MINUTES: &str = "30";
/// So many times is asked in a row while the server says that there is more.
const MOST_ROUNDS: usize = 1000;

impl RemoteListen for EwsClient {
    async fn subscribe(&self, telling: Telling) -> Result<PerItem<Subscription>, RemoteError> {
        let refused = |code: &str, message: &str| Ok(Err(own_error(ItemErrorClass::Permanent, code, message)));
        if self.whose.is_other() {
            return refused(
                "ErrorSubscriptionDelegateAccessNotSupported",
                "only its owner is told what happens in a mailbox",
            );
        }
        if telling == Telling::Streaming && !self.transport.version().has_streaming() {
            return refused("ErrorInvalidServerVersion", "the server is too old for streaming notifications");
        }
        let responses = match self.ask("Subscribe", |version| subscribe(version, telling)).await {
            // Servers without this operation reject the request as a whole.
            Err(RemoteError::Rejected { code, message, .. }) => return refused(&code, &message),
            responses => responses?,
        };
        let response = responses.into_iter().next().unwrap_or_else(Response::missing);
        if response.verdict.class() == CodeClass::Account {
            return Err(account_error(&response.verdict));
        }
        if let Err(error) = response.checked() {
            return Ok(Err(error));
        }
        let value = |name| response.body.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let Some(id) = value("SubscriptionId") else {
            return Err(RemoteError::Protocol {
                operation: "Subscribe",
                reason: "it names no subscription".to_owned(),
            });
        };
        Ok(Ok(Subscription { id, telling, watermark: value("Watermark") }))
    }

    async fn listen(
        &self,
        subscription: &mut Subscription,
        hear: &mut (dyn FnMut(Heard) + Send),
    ) -> Result<Silence, RemoteError> {
        match subscription.telling {
            Telling::Streaming => self.stream(subscription, hear).await,
            Telling::Pull => self.pull(subscription, hear).await,
        }
    }

    async fn unsubscribe(&self, subscription: &Subscription) {
        if let Err(error) = self.ask("Unsubscribe", |version| unsubscribe(version, &subscription.id)).await {
            tracing::debug!(%error, "the subscription is left to the server");
        }
    }
}

impl EwsClient {
    async fn stream(
        &self,
        subscription: &Subscription,
        hear: &mut (dyn FnMut(Heard) + Send),
    ) -> Result<Silence, RemoteError> {
        const OPERATION: &str = "GetStreamingEvents";
        let payload = Payload::text(get_streaming_events(self.transport.version(), &subscription.id));
        let mut ear = Ear { hear, is_ready: false, verdict: None };
        let result = self.transport.listen(&self.route, OPERATION, &payload, &mut ear).await;
        match (result, ear.verdict) {
            (_, Some(verdict)) => silence(OPERATION, &verdict),
            (Ok(()), None) => Ok(Silence::Over),
            (Err(failure), None) => match self.final_error(OPERATION, failure) {
                // A fault that is about the subscription.
                RemoteError::Rejected { .. } => Ok(Silence::Lost),
                error => Err(error),
            },
        }
    }

    async fn pull(
        &self,
        subscription: &mut Subscription,
        hear: &mut (dyn FnMut(Heard) + Send),
    ) -> Result<Silence, RemoteError> {
        const OPERATION: &str = "GetEvents";
        for round in 0..MOST_ROUNDS {
            // Some servers have no watermarks, and keep it themselves how far they told.
            let mark = subscription.watermark.as_deref().unwrap_or(NO_WATERMARK);
            let responses = self.ask(OPERATION, |version| get_events(version, &subscription.id, mark)).await;
            let responses = match responses {
                Err(RemoteError::Rejected { .. }) => return Ok(Silence::Lost),
                responses => responses?,
            };
            let response = responses.into_iter().next().unwrap_or_else(Response::missing);
            if response.verdict.class() != CodeClass::Success {
                return silence(OPERATION, &response.verdict);
            }
            if round == 0 {
                hear(Heard::Ready);
            }
            let Some(notification) = response.body.child("Notification") else { return Ok(Silence::Over) };
            let last = notification.children.iter().rev().find_map(|event| event.value("Watermark"));
            if let Some(mark) = last.filter(|mark| !mark.is_empty()) {
                subscription.watermark = Some(mark.to_owned());
            }
            tell(notification, hear);
            if notification.value("MoreEvents") != Some("true") {
                break;
            }
        }
        Ok(Silence::Over)
    }
}

/// What a refusal to tell means. A subscription is made anew for whatever has to do with it, and for codes that nobody knows.
fn silence(operation: &'static str, verdict: &Verdict) -> Result<Silence, RemoteError> {
    match verdict.class() {
        // The gate has heard it.
        CodeClass::Success | CodeClass::Transient | CodeClass::Batch => Ok(Silence::Over),
        CodeClass::Account | CodeClass::Access => Err(verdict_error(operation, verdict)),
        _ => Ok(Silence::Lost),
    }
}

/// Says where to look.
fn tell(notification: &Element, hear: &mut (dyn FnMut(Heard) + Send)) {
    for event in &notification.children {
        let folder = |name| event.child(name).and_then(|id| id.attribute("Id")).map(FolderId::new);
        match (&*event.name, folder("FolderId")) {
            // What it holds changed, or its name: a run sees both.
            ("ModifiedEvent", Some(changed)) => hear(Heard::In(changed)),
            (_, Some(_)) => hear(Heard::Folders),
            (_, None) => {
                let places = [folder("ParentFolderId"), folder("OldParentFolderId")];
                places.into_iter().flatten().for_each(|place| hear(Heard::In(place)));
            }
        }
    }
}

/// Hears what comes on a connection.
struct Ear<'a> {
    hear: &'a mut (dyn FnMut(Heard) + Send),
    is_ready: bool,
    /// The last refusal.
    verdict: Option<Verdict>,
}

impl Receiver for Ear<'_> {
    fn begin(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn expect(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self, _: bool) {}
    fn response(&mut self, response: Response) {
        if response.verdict.class() != CodeClass::Success {
            self.verdict = Some(response.verdict);
            return;
        }
        if !std::mem::replace(&mut self.is_ready, true) {
            (self.hear)(Heard::Ready);
        }
        for notification in response.body.children_of("Notifications") {
            tell(notification, self.hear);
        }
    }
}

/// What stands for a watermark that was never told.
const NO_WATERMARK: &str = "AAAAAAAAAAAAAAAAAQ==";

/// The events that are asked for.
const EVENTS: [&str; 6] =
    ["CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent", "NewMailEvent"];

impl Version {
    /// Whether there are streaming notifications.
    fn has_streaming(self) -> bool {
        self <= Self::Exchange2010Sp2
    }
}

fn subscribe(version: Version, telling: Telling) -> String {
    let wish = match telling {
        Telling::Streaming => "m:StreamingSubscriptionRequest",
        Telling::Pull => "m:PullSubscriptionRequest",
    };
    request(version, "m:Subscribe", &[], |xml| {
        xml.element_with(wish, &[("SubscribeToAllFolders", "true")], |xml| {
            xml.element("t:EventTypes", |xml| EVENTS.iter().for_each(|event| xml.leaf("t:EventType", event)));
            if telling == Telling::Pull {
                xml.leaf("t:Timeout", PULL_MINUTES);
            }
        });
    })
}

fn get_streaming_events(version: Version, subscription: &str) -> String {
    request(version, "m:GetStreamingEvents", &[], |xml| {
        xml.element("m:SubscriptionIds", |xml| xml.leaf("t:SubscriptionId", subscription));
        xml.leaf("m:ConnectionTimeout", CONNECTION_MINUTES);
    })
}

fn get_events(version: Version, subscription: &str, watermark: &str) -> String {
    request(version, "m:GetEvents", &[], |xml| {
        xml.leaf("m:SubscriptionId", subscription);
        xml.leaf("m:Watermark", watermark);
    })
}

fn unsubscribe(version: Version, subscription: &str) -> String {
    request(version, "m:Unsubscribe", &[], |xml| xml.leaf("m:SubscriptionId", subscription))
}
