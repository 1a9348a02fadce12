//! Sending: CreateItem with `SendAndSaveCopy` (MS-OXWSMSG).

use super::super::EwsClient;
use super::super::answer::Response;
use super::super::ask::own_error;
use super::super::payload::{Mime, Part, Payload};
use super::super::request::{FolderRef, Version, begin, end};
use super::super::settle::{Fate, Writes};
use super::super::shape::Property;
use super::only;
use super::uploads::unreadable;
use crate::pim::{FolderId, FolderKind, ServerFolder, SpecialFolder, Tag};
use crate::remote::{ItemErrorClass, Letter, PerItem, RemoteError, RemoteRead, RemoteSend, Whereabouts};

impl RemoteSend for EwsClient {
    async fn whereabouts(&self, tags: &[Tag]) -> Result<Vec<Whereabouts>, RemoteError> {
        let folders = self.special_folders().await?;
        let mut found = vec![Whereabouts::Nowhere; tags.len()];
        // A message that is being sent lies in Outbox, on some servers in Drafts.
        let places = [
            (SpecialFolder::SentItems, Whereabouts::Sent),
            (SpecialFolder::Outbox, Whereabouts::UnderWay),
            (SpecialFolder::Drafts, Whereabouts::UnderWay),
        ];
        for (place, whereabouts) in places {
            let Some((_, folder)) = folders.special.iter().find(|(special, _)| *special == place) else { continue };
            let there = self.find_tagged(folder, tags).await?;
            for (tag, found) in tags.iter().zip(&mut found) {
                if *found == Whereabouts::Nowhere && there.iter().any(|message| message.tag.as_ref() == Some(tag)) {
                    *found = whereabouts;
                }
            }
        }
        let looked_in: Vec<&FolderId> = folders
            .special
            .iter()
            .filter(|(special, _)| places.iter().any(|(place, _)| place == special))
            .map(|(_, id)| id)
            .collect();
        self.look_further(tags, &looked_in, &mut found).await?;
        Ok(found)
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<PerItem<()>, RemoteError> {
        match Mime::measure(letter.body) {
            Ok(mime) => Ok(only(self.settle(&Sending { letter, mime }, Vec::new()).await?)),
            Err(error) => Ok(Err(unreadable(&error))),
        }
    }
}

impl EwsClient {
    /// A copy may have been filed elsewhere before anybody knew that it was sent: it is looked for in all folders of messages. What was moved into
    /// another mailbox, such as an archive, or deleted for good is not found.
    async fn look_further(
        &self,
        tags: &[Tag],
        looked_in: &[&FolderId],
        found: &mut [Whereabouts],
    ) -> Result<(), RemoteError> {
        let is_lost = |(_, whereabouts): &(&Tag, &Whereabouts)| **whereabouts == Whereabouts::Nowhere;
        let lost: Vec<Tag> = tags.iter().zip(&*found).filter(is_lost).map(|(tag, _)| tag.clone()).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let folders = self.folder_changes(None).await?.changed.into_iter();
        let is_new = |folder: &ServerFolder| folder.kind == FolderKind::Mail && !looked_in.contains(&&folder.id);
        let folders: Vec<FolderId> = folders.filter(is_new).map(|folder| folder.id).collect();
        let filed = self.tags_in(&folders, &lost).await?;
        for (tag, whereabouts) in tags.iter().zip(found) {
            if filed.contains(tag) {
                *whereabouts = Whereabouts::Sent;
            }
        }
        Ok(())
    }
}

struct Sending<'a> {
    letter: &'a Letter<'a>,
    mime: Mime<'a>,
}

impl Writes for Sending<'_> {
    type Done = ();
    const OPERATION: &'static str = "CreateItem";
    const REPEATABLE: bool = false;

    fn count(&self) -> usize {
        1
    }

    fn payload(&self, version: Version, _: &[usize]) -> Payload<'_> {
        let mut xml = begin(version);
        xml.open("m:CreateItem", &[("MessageDisposition", "SendAndSaveCopy")]);
        xml.element("m:SavedItemFolderId", |xml| FolderRef::Named("sentitems").write(xml));
        xml.open("m:Items", &[]);
        xml.open("t:Message", &[]);
        xml.open("t:MimeContent", &[("CharacterSet", "UTF-8")]);
        let before = Part::Text(xml.take());
        xml.close("t:MimeContent");
        Property::Tag.write_value(&mut xml, self.letter.tag.as_str());
        if !self.letter.blind.is_empty() {
            xml.element("t:BccRecipients", |xml| {
                for address in self.letter.blind {
                    xml.element("t:Mailbox", |xml| xml.leaf("t:EmailAddress", address));
                }
            });
        }
        xml.close("t:Message");
        xml.close("m:Items");
        xml.close("m:CreateItem");
        Payload(vec![before, Part::Mime(self.mime), Part::Text(end(xml))])
    }

    fn read(&self, _: usize, _: &Response) -> PerItem<()> {
        Ok(())
    }

    /// What is not there yet may still come: mail that goes out twice cannot be taken back.
    async fn fates(&self, client: &EwsClient, _: &[usize]) -> Result<Vec<Fate<()>>, RemoteError> {
        let whereabouts = client.whereabouts(std::slice::from_ref(self.letter.tag)).await?;
        Ok(vec![match whereabouts.first() {
            Some(Whereabouts::Sent) => Fate::Settled(Ok(())),
            _ => Fate::Settled(Err(own_error(
                ItemErrorClass::Unknown,
                "SendUnknown",
                "the server did not answer whether it sent it",
            ))),
        }])
    }
}
