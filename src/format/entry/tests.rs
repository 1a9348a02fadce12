use super::*;
use crate::pim::{Contact, PhoneKey};

const NOW: UnixTime = UnixTime(1_793_707_200);

fn file(kind: EntryKind, text: &str) -> EntryFile {
    EntryFile::parse(kind, Bytes::from(text.replace('\n', "\r\n"))).unwrap()
}

/// What a file says besides comes with its entry into a new file, and says the same there.
#[track_caller]
fn survives(kind: EntryKind, text: &str, besides: &str) {
    let said = file(kind, text).said().unwrap();
    assert_eq!(said.extra.as_str(), besides);
    let again = EntryFile::new(&said, NOW).unwrap();
    assert_eq!(again.said().unwrap(), said, "{}", String::from_utf8_lossy(&again.to_bytes()));
    let read_again = EntryFile::parse(kind, again.to_bytes().into()).unwrap();
    assert_eq!(read_again.said().unwrap(), said);
}

#[test]
fn what_the_server_has_no_fields_for_survives_a_new_file() {
    survives(
        EntryKind::Contact,
        "BEGIN:VCARD\nVERSION:4.0\nUID:u1\nFN:Ada\nN:Lovelace;Ada;;;\nTEL;TYPE=cell:1\nTEL;TYPE=cell:2\nX-SKYPE:ada\nREV:20260101T000000Z\n\
         GEO:geo:1,2\nEND:VCARD\n",
        "TEL;TYPE=cell;X-EWS-KEY=none:2\nX-SKYPE:ada\nGEO:geo:1,2",
    );
    survives(
        EntryKind::Task,
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VTODO\nUID:t1\nDTSTAMP:20260101T000000Z\nSUMMARY:Paint\nGEO:1;2\nX-A:b\nEND:VTODO\n\
         END:VCALENDAR\n",
        "GEO:1;2\nX-A:b",
    );
    survives(
        EntryKind::Event,
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:e1\nDTSTAMP:20260101T000000Z\nDTSTART:20260301T100000Z\n\
         DTEND:20260301T110000Z\nSUMMARY:Tea\nLOCATION:here\nURL:https://example.org\nX-A:b\nEND:VEVENT\nEND:VCALENDAR\n",
        "URL:https://example.org\nX-A:b",
    );
    survives(EntryKind::Note, "---\nmood: good\ncategories: [Home]\n---\nBuy milk\n", "mood: good");
    survives(EntryKind::Note, "Buy milk\n", "");
}

#[test]
fn what_others_wrote_stays_where_it_is_when_a_field_changes() {
    let text = "BEGIN:VCARD\nVERSION:3.0\nX-B:1\nFN:Ada\nTEL;TYPE=CELL:1\nX-A:2\nEND:VCARD\n";
    let mut card = file(EntryKind::Contact, text);
    let mut said = card.said().unwrap();
    let Entry::Contact(contact) = &mut said.entry else { panic!() };
    contact.phones.insert(PhoneKey::MobilePhone, "3".into());
    card.patch(&said, NOW).unwrap();
    let wanted = text.replace("CELL:1", "CELL:3").replace('\n', "\r\n");
    assert_eq!(String::from_utf8(card.to_bytes()).unwrap(), wanted);
}

#[test]
fn a_new_file_has_no_line_too_many() {
    let contact =
        Entry::Contact(Box::new(Contact { uid: "u".into(), display_name: "Ada".into(), ..Contact::default() }));
    let said = Said { entry: contact, extra: Text::default() };
    let text = String::from_utf8(EntryFile::new(&said, NOW).unwrap().to_bytes()).unwrap();
    assert_eq!(text, "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\nUID:u\r\nEND:VCARD\r\n");
}

#[test]
fn hostile_text_besides_is_left_out() {
    let contact = Entry::Contact(Box::new(Contact { display_name: "Ada".into(), ..Contact::default() }));
    for extra in ["END:VCARD\nBEGIN:VCARD\nFN:Eve", "BEGIN:X\nBEGIN:X", "no line at all", "\n\n", "END:X-BESIDES"] {
        let said = Said { entry: contact.clone(), extra: extra.into() };
        let bytes = EntryFile::new(&said, NOW).unwrap().to_bytes();
        let again = EntryFile::parse(EntryKind::Contact, bytes.into()).unwrap().said().unwrap();
        assert_eq!(again.entry, contact, "{extra}");
    }
}

#[test]
fn a_files_name_is_its_uid_or_its_title() {
    let note = |text: &str| Entry::Note(crate::pim::Note { text: text.into(), ..Default::default() });
    assert_eq!(stem(&note("Call the plumber\nsoon")), "Call the plumber");
    assert_eq!(stem(&note("\nx")), "Note");
    assert_eq!(stem(&note(&"ü".repeat(300))), "ü".repeat(60));
    assert_eq!(stem(&Entry::Contact(Box::new(Contact { uid: "u".into(), ..Contact::default() }))), "u");
}
