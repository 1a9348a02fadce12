//! What was changed in the files of folders in which nothing may be changed on the server.

use super::super::SyncError;
use super::super::tree::Place;
use super::Entries;
use super::look::Found;
use crate::local::LocalWrite;
use crate::pim::EntryKey;
use crate::remote::RemoteWrite;

impl<R: RemoteWrite + 'static, L: LocalWrite + 'static> Entries<'_, '_, R, L> {
    /// Tells what stays here. A file that says the same in other words does not count.
    pub(super) async fn hold_read_only(&self, places: &[&Place]) -> Result<(), SyncError> {
        for place in places.iter().filter(|place| self.run.is_read_only(place.key())) {
            let (changed, others) = self
                .with_look(place.key(), |look| {
                    let changed = look.changed.iter().filter(|(key, _)| look.rows.contains_key(key));
                    let changed: Vec<(EntryKey, Found)> = changed.map(|(key, found)| (*key, found.clone())).collect();
                    (changed, look.away.len() + look.loose.len())
                })
                .unwrap_or_default();
            let mut count = others as u64;
            for (key, found) in changed {
                let Some((lies_in, file)) = self.whereabouts(place.key(), key) else { continue };
                let differs =
                    found.clues.is_err() || self.update_of(place, key, lies_in, file, &found).await?.is_some();
                count += u64::from(differs);
            }
            if count > 0 {
                (0..count).for_each(|_| self.run.hold_read_only(place, None));
                self.run.tell_read_only(place, count);
            }
        }
        Ok(())
    }
}
