//! Subscribe, GetEvents, Unsubscribe, and the first answer of GetStreamingEvents. What follows that one comes from [`super::super::stream`].
//!
//! A watermark is opaque base64 that holds the number of an event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;

use super::super::Personality;
use super::super::ids::Ids;
use super::super::soap::{Answer, Refusal};
use super::super::store::{self, EventRow, Thing};
use super::super::stream::Plan;
use super::super::subscriptions::{Subscription, Unusable, Way};
use super::super::time;
use super::super::xml::{Element, XmlOut};
use super::{Context, Slot, is_true};

/// The most events of one answer to GetEvents.
const MOST_EVENTS: usize = 50;
/// As many are looked through at once.
const CHUNK: i64 = 500;
/// Of whom more than so many events wait is told that they are lost: gromox.
const GROMOX_BACKLOG: i64 = 4000;

pub(super) fn subscribe(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = subscribe_slot(context, request);
    answer.message("m:SubscribeResponseMessage", &slot, "");
}

fn subscribe_slot(context: &Context<'_>, request: &Element) -> Slot {
    let wish = request.children.first().ok_or_else(|| Refusal::new("ErrorInvalidSubscriptionRequest"))?;
    let way = match wish.name.as_str() {
        "PullSubscriptionRequest" => Way::Pull,
        "StreamingSubscriptionRequest" => Way::Streaming,
        _ => {
            let text = "This server does not call anybody: push subscriptions are not supported.";
            return Err(Refusal::because("ErrorInvalidSubscriptionRequest", text));
        }
    };
    if !context.is_own() && !context.is_public() && !context.is_gromox() {
        return Err(Refusal::new("ErrorSubscriptionDelegateAccessNotSupported"));
    }
    let db = context.store.read();
    let folders = folders_of(context, &db, wish)?;
    let lifetime = match way {
        Way::Streaming => context.subscriptions.streaming_lifetime(context.like),
        Way::Pull => {
            let minutes = wish.child_text("Timeout").and_then(|minutes| minutes.parse().ok()).unwrap_or(30);
            context.subscriptions.minute * minutes
        }
    };
    let last = store::listen_to(&db, context.mailbox.id)?;
    let begin = match wish.child_text("Watermark") {
        Some(mark) if !context.is_gromox() => known_watermark(&db, mark)?,
        _ => last,
    };
    let kinds = wish.list("EventTypes").iter().map(|kind| kind.text.trim().to_owned()).collect();
    let new = Subscription::new(context.mailbox.id, way, begin, lifetime).about(folders, kinds);
    let id = context.subscriptions.add(new).ok_or_else(|| Refusal::new("ErrorExceededSubscriptionCount"))?;
    let mut out = XmlOut::new();
    out.put("m:SubscriptionId", &id);
    if way == Way::Pull && !context.is_gromox() {
        out.put("m:Watermark", &watermark(begin));
    }
    Ok(out.buffer)
}

/// The folders that a subscription is about; none for the whole mailbox.
fn folders_of(context: &Context<'_>, db: &Connection, wish: &Element) -> Result<Option<Vec<i64>>, Refusal> {
    let all = wish.attribute("SubscribeToAllFolders").is_some_and(is_true);
    let named = wish.list("FolderIds");
    if all != named.is_empty() {
        return Err(Refusal::because(
            "ErrorInvalidSubscriptionRequest",
            "A subscription names folders, or it is for all folders.",
        ));
    }
    if all {
        return Ok(None);
    }
    named.iter().map(|id| Ok(context.folder(db, id)?.id)).collect::<Result<_, Refusal>>().map(Some)
}

pub(super) fn unsubscribe(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let id = request.child_text("SubscriptionId").unwrap_or_default();
    let removed = context.subscriptions.remove(context.mailbox.id, id).map(|()| String::new());
    answer.message("m:UnsubscribeResponseMessage", &removed.map_err(|why| unusable(context.like, why)), "");
}

pub(super) fn get_events(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let slot = get_events_slot(context, request);
    answer.message("m:GetEventsResponseMessage", &slot, "");
}

fn get_events_slot(context: &Context<'_>, request: &Element) -> Slot {
    let id = request.child_text("SubscriptionId").unwrap_or_default();
    let found = context.subscriptions.get(context.mailbox.id, id).map_err(|why| unusable(context.like, why))?;
    if found.way != Way::Pull {
        return Err(Refusal::new("ErrorInvalidPullSubscriptionId"));
    }
    let db = context.store.read();
    let gromox = context.is_gromox();
    let from = match request.child_text("Watermark") {
        // gromox tells each event once, whatever the watermark says.
        _ if gromox => found.cursor,
        mark => known_watermark(&db, mark.unwrap_or_default()).and_then(|number| {
            if number < found.begin { Err(Refusal::new("ErrorInvalidWatermark")) } else { Ok(number) }
        })?,
    };
    let waiting = wanted(&db, context.like, &found, from, MOST_EVENTS)?;
    context.subscriptions.told(id, waiting.cursor);
    let mut out = XmlOut::new();
    out.raw("<m:Notification>");
    out.put("t:SubscriptionId", id);
    if !gromox {
        out.put("t:PreviousWatermark", &watermark(from));
    }
    out.put("t:MoreEvents", if waiting.more { "true" } else { "false" });
    let marks = if gromox { Marks::Left } else { Marks::Told };
    for event in &waiting.events {
        write_event(&mut out, context.like, &context.ids, event, marks);
    }
    if waiting.events.is_empty() {
        out.raw("<t:StatusEvent>");
        if !gromox {
            out.put("t:Watermark", &watermark(waiting.cursor));
        }
        out.raw("</t:StatusEvent>");
    }
    out.raw("</m:Notification>");
    Ok(out.buffer)
}

/// Answers whether the subscriptions can be listened to, and prepares it.
pub(super) fn open_stream(
    context: &Context<'_>,
    request: &Element,
    answer: &mut Answer<'_>,
) -> Result<Option<Plan>, Refusal> {
    let minutes = request.child_text("ConnectionTimeout").and_then(|minutes| minutes.parse().ok()).unwrap_or(30);
    let ids: Vec<String> = request.list("SubscriptionIds").iter().map(|id| id.text.trim().to_owned()).collect();
    let mut bad: Vec<(String, Refusal)> = Vec::new();
    for id in &ids {
        match context.subscriptions.get(context.mailbox.id, id) {
            Ok(found) if found.way == Way::Streaming => {}
            Ok(_) => bad.push((id.clone(), Refusal::new("ErrorInvalidSubscription"))),
            Err(why) => bad.push((id.clone(), unusable(context.like, why))),
        }
    }
    if let Some((_, refusal)) = bad.first() {
        lost(answer, refusal, bad.iter().map(|(id, _)| id.as_str()));
        return Ok(None);
    }
    let guard = context.subscriptions.stream(context.mailbox.id, ids);
    let guard = guard.ok_or_else(|| Refusal::new("ErrorExceededConnectionCount"))?;
    answer.message(MESSAGE, &Ok("<m:ConnectionStatus>OK</m:ConnectionStatus>".to_owned()), "");
    Ok(Some(Plan { guard, ids: context.ids.clone(), timeout: context.subscriptions.minute * minutes }))
}

const MESSAGE: &str = "m:GetStreamingEventsResponseMessage";

/// Tells which subscriptions cannot be listened to.
fn lost<'i>(answer: &mut Answer<'_>, refusal: &Refusal, ids: impl Iterator<Item = &'i str>) {
    let mut out = XmlOut::new();
    out.raw("<m:ErrorSubscriptionIds>");
    ids.for_each(|id| out.put("m:SubscriptionId", id));
    out.raw("</m:ErrorSubscriptionIds><m:ConnectionStatus>Closed</m:ConnectionStatus>");
    answer.message(MESSAGE, &Err(refusal.clone()), &out.buffer);
}

/// Whether a streaming connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Goes {
    On,
    Ends,
}

/// The state that a streaming connection tells when nothing happens.
pub(in super::super) fn status(like: Personality, goes: Goes) -> String {
    let word = match goes {
        Goes::On => "OK",
        Goes::Ends => "Closed",
    };
    envelope(like, |answer| {
        answer.message(MESSAGE, &Ok(format!("<m:ConnectionStatus>{word}</m:ConnectionStatus>")), "");
    })
}

/// What there is to tell on a streaming connection.
#[derive(Debug)]
pub(in super::super) struct News {
    /// An envelope; none where nothing happened.
    pub(in super::super) text: Option<String>,
    /// How far each subscription is told by it.
    pub(in super::super) told: Vec<(String, i64)>,
    pub(in super::super) goes: Goes,
}

/// What the subscriptions of a streaming connection have to tell.
pub(in super::super) fn news(
    db: &Connection,
    like: Personality,
    ids: &Ids,
    subscriptions: &[(String, Result<Subscription, Unusable>)],
) -> rusqlite::Result<News> {
    let mut out = XmlOut::new();
    let (mut told, mut gone) = (Vec::new(), Vec::new());
    let first = store::first_event(db)?;
    for (id, subscription) in subscriptions {
        let found = match subscription {
            Ok(found) => found,
            Err(why) => {
                gone.push((id.as_str(), unusable(like, *why)));
                continue;
            }
        };
        if first > found.cursor + 1 {
            gone.push((id.as_str(), Refusal::new("ErrorMissedNotificationEvents")));
            continue;
        }
        if like == Personality::Gromox && store::last_event(db)? - found.cursor > GROMOX_BACKLOG {
            gone.push((id.as_str(), Refusal::new("ErrorInvalidSubscription")));
            continue;
        }
        let waiting = wanted(db, like, found, found.cursor, usize::MAX)?;
        told.push((id.clone(), waiting.cursor));
        if !waiting.events.is_empty() {
            out.raw("<m:Notification>");
            out.put("t:SubscriptionId", id);
            waiting.events.iter().for_each(|event| write_event(&mut out, like, ids, event, Marks::Left));
            out.raw("</m:Notification>");
        }
    }
    if let Some((_, refusal)) = gone.first() {
        let text = envelope(like, |answer| lost(answer, refusal, gone.iter().map(|(id, _)| *id)));
        return Ok(News { text: Some(text), told, goes: Goes::Ends });
    }
    let text = (!out.buffer.is_empty()).then(|| {
        let list = format!("<m:Notifications>{}</m:Notifications>", out.buffer);
        envelope(like, |answer| answer.message(MESSAGE, &Ok(list), ""))
    });
    Ok(News { text, told, goes: Goes::On })
}

fn envelope(like: Personality, write: impl FnOnce(&mut Answer<'_>)) -> String {
    let (into, out) = std::sync::mpsc::channel();
    let mut answer = Answer::begin(like, "GetStreamingEvents", Box::new(move |piece| into.send(piece).is_ok()));
    write(&mut answer);
    answer.end();
    out.iter().collect()
}

/// Events that a subscription is to be told, and how far they go.
struct Waiting {
    events: Vec<EventRow>,
    cursor: i64,
    more: bool,
}

fn wanted(
    db: &Connection,
    like: Personality,
    subscription: &Subscription,
    from: i64,
    most: usize,
) -> rusqlite::Result<Waiting> {
    let mut waiting = Waiting { events: Vec::new(), cursor: from, more: false };
    loop {
        let chunk = store::events_after(db, subscription.mailbox, waiting.cursor, CHUNK)?;
        if chunk.is_empty() {
            return Ok(waiting);
        }
        for event in chunk {
            if waiting.events.len() >= most {
                waiting.more = true;
                return Ok(waiting);
            }
            waiting.cursor = event.number;
            waiting.events.extend(as_told(like, event).into_iter().filter(|event| concerns(subscription, event)));
        }
    }
}

/// An event as the server tells it: gromox has none for moves, nor for the numbers of a folder.
fn as_told(like: Personality, event: EventRow) -> Vec<EventRow> {
    match (like, event.old) {
        (Personality::Gromox, _) if event.unread.is_some() => Vec::new(),
        (Personality::Gromox, Some((old, old_parent))) if event.kind == "MovedEvent" => {
            let thing = match event.thing {
                Thing::Item(_) => Thing::Item(old),
                Thing::Folder(_) => Thing::Folder(old),
            };
            let gone =
                EventRow { kind: "DeletedEvent".to_owned(), thing, parent: old_parent, old: None, ..event.clone() };
            vec![gone, EventRow { kind: "CreatedEvent".to_owned(), old: None, ..event }]
        }
        _ => vec![event],
    }
}

fn concerns(subscription: &Subscription, event: &EventRow) -> bool {
    let within = |folders: &Vec<i64>| {
        let of_itself = |thing| matches!(thing, Thing::Folder(folder) if folders.contains(&folder));
        folders.contains(&event.parent)
            || event.old.is_some_and(|(_, parent)| folders.contains(&parent))
            || of_itself(event.thing)
    };
    subscription.kinds.contains(&event.kind) && subscription.folders.as_ref().is_none_or(within)
}

/// Whether events carry watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    Told,
    Left,
}

fn write_event(out: &mut XmlOut, like: Personality, ids: &Ids, event: &EventRow, marks: Marks) {
    // Keys in notifications say no more than what kind of thing it is.
    let key = |kind: u32| STANDARD.encode(kind.to_le_bytes());
    let folder = |out: &mut XmlOut, name: &str, id: i64| {
        out.leaf(name, &[("Id", &ids.folder(id)), ("ChangeKey", &key(1))], "");
    };
    let item = |out: &mut XmlOut, name: &str, parent: i64, id: i64| {
        out.leaf(name, &[("Id", &ids.item(parent, id)), ("ChangeKey", &key(9))], "");
    };
    let name = format!("t:{}", event.kind);
    out.open(&name, &[]);
    if marks == Marks::Told {
        out.put("t:Watermark", &watermark(event.number));
    }
    out.put("t:TimeStamp", &time::iso(event.time));
    match event.thing {
        Thing::Item(id) => item(out, "t:ItemId", event.parent, id),
        Thing::Folder(id) => folder(out, "t:FolderId", id),
    }
    folder(out, "t:ParentFolderId", event.parent);
    if let Some(unread) = event.unread {
        out.put("t:UnreadCount", &unread.to_string());
    }
    if let Some((old, parent)) = event.old.filter(|_| like == Personality::Exchange || event.kind == "CopiedEvent") {
        match event.thing {
            Thing::Item(_) => item(out, "t:OldItemId", parent, old),
            Thing::Folder(_) => folder(out, "t:OldFolderId", old),
        }
        folder(out, "t:OldParentFolderId", parent);
    }
    out.close(&name);
}

fn watermark(number: i64) -> String {
    let mut bytes = vec![0; 4];
    bytes.extend(number.to_le_bytes());
    bytes.push(1);
    STANDARD.encode(bytes)
}

/// The event that a watermark names, if the events after it are still known.
fn known_watermark(db: &Connection, text: &str) -> Result<i64, Refusal> {
    let invalid = || Refusal::new("ErrorInvalidWatermark");
    let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == 13).ok_or_else(invalid)?;
    let number = bytes.get(4..12).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes).unwrap_or(-1);
    let (first, last) = (store::first_event(db)?, store::last_event(db)?);
    if number < 0 || number > last || number + 1 < first { Err(invalid()) } else { Ok(number) }
}

fn unusable(like: Personality, why: Unusable) -> Refusal {
    Refusal::new(match (why, like) {
        (Unusable::Foreign, Personality::Exchange) => "ErrorSubscriptionAccessDenied",
        (Unusable::Expired, Personality::Exchange) => "ErrorExpiredSubscription",
        _ => "ErrorSubscriptionNotFound",
    })
}
