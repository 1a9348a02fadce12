//! Where public folders and their items lie.

use std::collections::{BTreeSet, HashMap};

use super::super::EwsClient;
use super::super::transport::Route;
use super::{PublicFolders, hash_of, lock};
use crate::pim::{FolderId, ItemId};
use crate::remote::{ItemErrorClass, RemoteError};

/// Where items lie, by hashes of their ids.
pub(super) type Learned = HashMap<u64, Route>;

/// Some of a list of things, by their numbers in it, and where they lie.
pub(super) type Group = (Route, Vec<usize>);

impl PublicFolders {
    /// The way to what a folder holds.
    pub(super) async fn at(&self, folder: &FolderId) -> Result<EwsClient, RemoteError> {
        let route = self.shown().await?.routes.get(folder).cloned().unwrap_or_default();
        Ok(self.client.at(route))
    }

    /// Takes note of where items lie, where that makes a difference.
    pub(super) async fn learn<'i>(
        &self,
        folder: &FolderId,
        ids: impl Iterator<Item = &'i ItemId> + Send,
    ) -> Result<(), RemoteError> {
        let shown = self.shown().await?;
        let several = shown.routes.values().collect::<BTreeSet<_>>().len() > 1;
        if let Some(route) = shown.routes.get(folder).filter(|_| several) {
            lock(&self.learned).extend(ids.map(|id| (hash_of(id), route.clone())));
        }
        Ok(())
    }

    /// Items by where they lie. One whose place is not known is looked for in each mailbox; one that is in none of them can be asked for in any.
    pub(super) async fn groups(&self, ids: &[&ItemId]) -> Result<Vec<Group>, RemoteError> {
        let routes: BTreeSet<Route> = self.shown().await?.routes.values().cloned().collect();
        let mut all = routes.into_iter();
        let first = all.next().unwrap_or_default();
        let others: Vec<Route> = all.collect();
        if others.is_empty() {
            return Ok(vec![(first, (0..ids.len()).collect())]);
        }
        let mut found: Vec<Option<Route>> = {
            let learned = lock(&self.learned);
            ids.iter().map(|id| learned.get(&hash_of(id)).cloned()).collect()
        };
        for route in std::iter::once(&first).chain(&others) {
            let open: Vec<usize> = (0..ids.len()).filter(|slot| matches!(found.get(*slot), Some(None))).collect();
            if open.is_empty() {
                break;
            }
            let asked: Vec<ItemId> = open.iter().filter_map(|slot| ids.get(*slot)).map(|id| (*id).clone()).collect();
            let answers = self.client.at(route.clone()).messages_with(&asked, &[]).await?;
            for (slot, answer) in open.into_iter().zip(answers) {
                // Whatever else is wrong with it shows when it is asked for there.
                if answer.as_ref().err().is_none_or(|error| error.class != ItemErrorClass::Gone)
                    && let Some(place) = found.get_mut(slot)
                {
                    *place = Some(route.clone());
                }
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for (slot, route) in found.into_iter().enumerate() {
            let route = route.unwrap_or_else(|| first.clone());
            match groups.iter_mut().find(|(known, _)| *known == route) {
                Some((_, slots)) => slots.push(slot),
                None => groups.push((route, vec![slot])),
            }
        }
        Ok(groups)
    }
}

/// The things of a list with these numbers.
pub(super) fn pick<T: Clone>(all: &[T], slots: &[usize]) -> Vec<T> {
    slots.iter().filter_map(|slot| all.get(*slot).cloned()).collect()
}

/// Does work on items where they lie, and puts the answers in the order of the items.
macro_rules! by_route {
    ($public:expr, $items:expr, $id:expr, |$client:ident, $part:ident| $work:expr) => {{
        let (public, items) = ($public, $items);
        let ids: Vec<&ItemId> = items.iter().map($id).collect();
        let mut answers: Vec<Option<PerItem<_>>> = items.iter().map(|_| None).collect();
        for (route, slots) in public.groups(&ids).await? {
            let $client = public.client.at(route);
            let $part = &$crate::remote::ews::public::routes::pick(items, &slots)[..];
            let done = $work.await?;
            for (slot, answer) in slots.into_iter().zip(done) {
                if let Some(place) = answers.get_mut(slot) {
                    *place = Some(answer);
                }
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(mixed_up("the request")))).collect())
    }};
}
pub(super) use by_route;
