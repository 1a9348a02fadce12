use jiff::civil::date;
use proptest::prelude::*;

use super::super::content::{Document, Limits};
use super::*;

fn component(text: &str) -> Component {
    let document = Document::parse(text.as_bytes().to_vec(), Limits::default()).unwrap();
    document.components("VTIMEZONE").next().unwrap().clone()
}

fn named(tzid: &str) -> Option<String> {
    resolve(tzid, None, date(2026, 1, 1)).ok().map(|zone| zone.iana.to_string())
}

const OUTLOOK: &str = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\n\
    TZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\n\
    TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n";

#[test]
fn each_name_of_the_tables_is_a_zone() {
    for (id, zone) in table::WINDOWS {
        assert_eq!(iana(id), Some(*zone));
        assert!(database(zone).is_some(), "{zone}");
        assert_eq!(windows(zone), Some(*id), "and back");
    }
    for (zone, id) in table::IANA {
        assert_eq!(windows(zone), Some(*id));
        assert!(iana(id).is_some(), "{id}");
    }
    assert!(table::WINDOWS.is_sorted() && table::IANA.is_sorted());
    for (new, old) in
        [("Europe/Kyiv", "Europe/Kiev"), ("Asia/Kolkata", "Asia/Calcutta"), ("America/Nuuk", "America/Godthab")]
    {
        assert_eq!(windows(new), windows(old));
        assert!(windows(new).is_some());
    }
}

#[test]
fn zones_are_found_by_what_programs_call_them() {
    let cases = [
        ("Europe/Paris", "Europe/Paris"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("w. europe standard time", "Europe/Berlin"),
        ("tzone://Microsoft/Utc", "Etc/UTC"),
        ("UTC", "UTC"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "/freeassociation.sourceforge.net/Europe/Berlin"),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin"),
        ("(GMT+01.00) Brussels / Copenhagen / Madrid / Paris", "Europe/Paris"),
        ("(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", "Asia/Calcutta"),
        ("(UTC) Coordinated Universal Time", "Etc/UTC"),
    ];
    for (tzid, expected) in cases {
        let found = named(tzid).unwrap_or_else(|| panic!("{tzid}"));
        assert!(expected.ends_with(&found), "{tzid}: {found}");
    }
    for tzid in [
        "Customized Time Zone",
        "",
        "/",
        "(UTC+09:00) Berlin",
        "(UTC+01:00) Berlin, Tokyo",
        "(UTC+01:00)",
        "(UTC+99999999999:00) Berlin",
    ] {
        assert_eq!(named(tzid), None, "{tzid}");
    }
    assert_eq!(&*resolve("W. Europe Standard Time", None, date(2026, 1, 1)).unwrap().tzid, "W. Europe Standard Time");
}

#[test]
fn a_name_that_says_nothing_is_told_by_its_rules() {
    let zone = resolve("Customized Time Zone", Some(&component(OUTLOOK)), date(2026, 1, 1)).unwrap();
    let berlin = database("Europe/Berlin").unwrap();
    for day in 0..3650 {
        let at = date(2026, 1, 1)
            .checked_add(jiff::Span::new().days(day))
            .unwrap()
            .to_zoned(TimeZone::UTC)
            .unwrap()
            .timestamp();
        assert_eq!(zone.rules.to_offset(at), berlin.to_offset(at));
    }
    let nowhere = OUTLOOK.replace("+0200", "+0217");
    let error = resolve("Customized Time Zone", Some(&component(&nowhere)), date(2026, 1, 1)).unwrap_err();
    assert_eq!(error, ZoneError::Unknown("Customized Time Zone".into()));
    for broken in ["BYDAY=6XX", "FREQ=DAILY", "BYDAY=", "BYMONTH=99", "INTERVAL=2"] {
        let odd = OUTLOOK.replace("BYDAY=-1SU", broken);
        assert!(resolve("x", Some(&component(&odd)), date(2026, 1, 1)).is_err(), "{broken}");
    }
    let location = OUTLOOK.replace("TZID:Customized Time Zone", "TZID:x\nX-LIC-LOCATION:Asia/Tokyo");
    assert_eq!(&*resolve("x", Some(&component(&location)), date(2026, 1, 1)).unwrap().iana, "Asia/Tokyo");
}

/// If it failed, other programs would show events at wrong hours.
#[test]
fn a_definition_tells_the_offsets_of_its_zone_for_ten_years() {
    for (_, name) in table::WINDOWS {
        let rules = database(name).unwrap();
        let definition = define(name, &rules, date(2026, 6, 1));
        let found = definition::zone_with(&definition, date(2026, 1, 1));
        let (_, found) = found.unwrap_or_else(|| panic!("{name}"));
        for day in 0..3650 {
            let at = date(2026, 1, 1)
                .checked_add(jiff::Span::new().days(day))
                .unwrap()
                .to_zoned(TimeZone::UTC)
                .unwrap()
                .timestamp();
            assert_eq!(found.to_offset(at), rules.to_offset(at), "{name} on day {day}");
        }
    }
}

#[test]
fn a_definition_is_as_short_as_it_can_be() {
    let text = |name: &str| {
        let document = Document::of(define(name, &database(name).unwrap(), date(2026, 6, 1)));
        String::from_utf8(document.to_bytes()).unwrap()
    };
    assert_eq!(
        text("Europe/Berlin").replace("\r\n", "\n"),
        "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\n\
         BEGIN:DAYLIGHT\nDTSTART:20240331T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nTZNAME:CEST\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nEND:DAYLIGHT\n\
         BEGIN:STANDARD\nDTSTART:20241027T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nTZNAME:CET\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\n\
         END:VTIMEZONE\n"
    );
    assert!(text("Asia/Tokyo").contains("TZOFFSETTO:+0900") && !text("Asia/Tokyo").contains("RRULE"));
    assert!(!text("Africa/Casablanca").contains("RRULE"), "Ramadan follows no rule of RFC 5545");
}

proptest! {
    #[test]
    fn any_name_ends(name in "(\\(UTC|GMT|[+-]|[0-9]{1,4}|:|\\.|\\)|Berlin|, |/|x|ä| ){0,20}") {
        let _ = named(&name);
    }
}
