//! What comes on a streaming connection after its first answer: one envelope after the other, until its time is over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Personality;
use super::http::Broken;
use super::ids::Ids;
use super::ops::notifications::{Goes, News, news, status};
use super::server::Shared;
use super::subscriptions::StreamGuard;

/// A streaming connection that was granted.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) guard: StreamGuard,
    pub(super) ids: Ids,
    /// How long it stays open.
    pub(super) timeout: Duration,
}

/// Where its envelopes go.
pub(super) type Way = mpsc::Sender<Result<Bytes, Broken>>;

/// Tells what happens until the time is over, the listener went away, or nothing is left to listen to.
pub(super) async fn flow(shared: Arc<Shared>, plan: Plan, mut breaks: watch::Receiver<()>, out: Way) {
    let like = shared.like;
    let mut changes = shared.store.changes();
    let minute = shared.subscriptions.minute;
    let beat = minute * 3 / 4;
    let begun = Instant::now();
    // gromox notices only when its heart beats that the time is over.
    let beats = plan.timeout.as_micros().div_ceil(beat.as_micros().max(1));
    let end = match like {
        Personality::Exchange => begun + plan.timeout,
        Personality::Gromox => begun + beat * u32::try_from(beats).unwrap_or(u32::MAX),
    };
    let mut next_beat = begun + beat;
    loop {
        let Some(News { text, goes, .. }) = gather(&shared, &plan).await else { return };
        if let Some(text) = text {
            next_beat = Instant::now() + beat;
            if out.send(Ok(Bytes::from(text))).await.is_err() || goes == Goes::Ends {
                return;
            }
        }
        tokio::select! {
            biased;
            () = out.closed() => return,
            _ = breaks.changed() => {
                // Nobody listens when the client went away.
                let _ = out.send(Err(Broken)).await;
                return;
            }
            () = sleep_until(end) => {
                let _ = out.send(Ok(Bytes::from(status(like, Goes::Ends)))).await;
                return;
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                // It looks for events every five seconds only.
                if like == Personality::Gromox {
                    let pace = (minute / 12).max(Duration::from_millis(1));
                    let rounds = begun.elapsed().as_micros() / pace.as_micros() + 1;
                    sleep_until(begun + pace * u32::try_from(rounds).unwrap_or(u32::MAX)).await;
                }
            }
            () = sleep_until(next_beat) => {
                next_beat = Instant::now() + beat;
                if out.send(Ok(Bytes::from(status(like, Goes::On)))).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What there is to tell now.
async fn gather(shared: &Arc<Shared>, plan: &Plan) -> Option<News> {
    let (shared, ids) = (Arc::clone(shared), plan.ids.clone());
    let (mailbox, names) = (plan.guard.mailbox, plan.guard.ids.clone());
    let gathering = tokio::task::spawn_blocking(move || {
        let look = |id: String| {
            let found = shared.subscriptions.get(mailbox, &id);
            (id, found)
        };
        let subscriptions: Vec<_> = names.into_iter().map(look).collect();
        let db = shared.store.read();
        let news = match news(&db, shared.like, &ids, &subscriptions) {
            Ok(news) => news,
            Err(error) => {
                tracing::error!(%error, "embedded Exchange: the store failed");
                return None;
            }
        };
        news.told.iter().for_each(|(id, cursor)| shared.subscriptions.told(id, *cursor));
        Some(news)
    });
    gathering.await.ok().flatten()
}
