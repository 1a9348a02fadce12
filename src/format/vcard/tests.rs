use jiff::civil::Date;
use proptest::prelude::*;

use super::*;
use crate::pim::{Address, AddressKey, Category, ContactField, DayOfLife, Gender, PhoneKey, Photo, Sensitivity, Text};

fn parse(text: &str) -> VcardFile {
    VcardFile::parse(text.as_bytes().to_vec()).unwrap()
}

fn text(file: &VcardFile) -> String {
    String::from_utf8(file.to_bytes()).unwrap()
}

const APPLE: &str = "BEGIN:VCARD\nVERSION:3.0\nPRODID:-//Apple Inc.//iOS 17.0//EN\nN:Berg;Anna;;Dr.;\nFN:Dr. Anna Berg\n\
    item1.EMAIL;type=INTERNET;type=pref:anna@example.org\nitem1.X-ABLabel:Club\n\
    TEL;type=CELL;type=VOICE;type=pref:+49 170 1\nTEL;type=CELL;type=VOICE:+49 170 2\nTEL;type=HOME;type=VOICE:030 1\n\
    BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\nNOTE:line\\none\\, two\nEND:VCARD\n";

#[test]
fn what_the_server_cannot_hold_stays_in_the_file() {
    let mut file = parse(APPLE);
    let mut contact = file.contact();
    assert_eq!(contact.phones.get(&PhoneKey::MobilePhone), Some(&"+49 170 1".into()));
    assert_eq!(contact.phones.len(), 2, "the second mobile number has no place");
    assert_eq!(contact.birthday, DayOfLife::without_year(2, 29));
    assert_eq!(contact.note.as_str(), "line\none, two");
    contact.phones.insert(PhoneKey::HomePhone, "030 2".into());
    contact.emails.push("a@b.example".into());
    file.patch(&contact);
    let expected =
        APPLE.replace("030 1", "030 2").replace("item1.X-ABLabel", "EMAIL;TYPE=INTERNET:a@b.example\nitem1.X-ABLabel");
    assert_eq!(text(&file), expected);
    contact.phones.remove(&PhoneKey::MobilePhone);
    file.patch(&contact);
    assert_eq!(file.contact(), contact, "the second one does not take the place of the first");
    assert!(text(&file).contains("TEL;type=CELL;type=VOICE;X-EWS-KEY=none:+49 170 2"), "{}", text(&file));
}

#[test]
fn an_address_of_mail_keeps_its_label_when_another_one_goes() {
    let mut file = parse("BEGIN:VCARD\nVERSION:4.0\nFN:x\nEMAIL;TYPE=work:a@x\nEMAIL;TYPE=home:b@x\nEND:VCARD\n");
    let mut contact = file.contact();
    contact.emails.remove(0);
    file.patch(&contact);
    assert_eq!(text(&file), "BEGIN:VCARD\nVERSION:4.0\nFN:x\nEMAIL;TYPE=home:b@x\nEND:VCARD\n");
}

#[test]
fn a_new_card_is_of_version_4() {
    let contact = Contact {
        uid: "u1".into(),
        display_name: "Anna; Berg".into(),
        surname: "Berg".into(),
        birthday: DayOfLife::without_year(4, 12),
        phones: [(PhoneKey::HomePhone2, "1".into()), (PhoneKey::BusinessFax, "2".into())].into(),
        photo: Some(Photo::new("png", vec![1, 2, 3])),
        spouse: "Jan".into(),
        sensitivity: Sensitivity::Personal,
        ..Contact::default()
    };
    let file = VcardFile::new(&contact);
    let expected = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Anna\\; Berg\r\nUID:u1\r\nN:Berg;;;;\r\n\
        TEL;TYPE=home;TYPE=voice;X-EWS-KEY=HomePhone2:1\r\nTEL;TYPE=work;TYPE=fax:2\r\nBDAY:--0412\r\n\
        PHOTO:data:image/png;base64,AQID\r\nRELATED;TYPE=spouse;VALUE=text:Jan\r\nCLASS:PRIVATE\r\nX-EWS-SENSITIVITY:Personal\r\nEND:VCARD\r\n";
    assert_eq!(text(&file), expected);
    assert_eq!(file.contact(), contact);
}

#[test]
fn days_are_read_as_they_are_written() {
    let day = |line: &str| parse(&format!("BEGIN:VCARD\nVERSION:4.0\nFN:x\n{line}\nEND:VCARD\n")).contact().birthday;
    let date = |year, month, number| DayOfLife::new(Date::constant(year, month, number));
    assert_eq!(day("BDAY:19850412"), date(1985, 4, 12));
    assert_eq!(day("BDAY;VALUE=date:1985-04-12"), date(1985, 4, 12));
    assert_eq!(day("BDAY:1985-04-12T23:00:00Z"), date(1985, 4, 12), "the day that is written, wherever it is read");
    assert_eq!(day("BDAY:--04-12"), DayOfLife::without_year(4, 12));
    assert_eq!(day("BDAY:--0229"), DayOfLife::without_year(2, 29));
    for odd in ["BDAY;VALUE=text:circa 1800", "BDAY:1985", "BDAY:19850230", "BDAY:---12", "BDAY:äääääääää", "BDAY:"]
    {
        assert_eq!(day(odd), None, "{odd}");
    }
}

#[test]
fn a_category_with_a_stray_character_stays_one_category() {
    let original = "BEGIN:VCARD\nVERSION:4.0\nFN:x\nCATEGORIES:a\rb,c\u{1}d\nEND:VCARD\n";
    let mut file = parse(original);
    let contact = file.contact();
    let names: Vec<&str> = contact.categories.iter().map(|category| category.0.as_str()).collect();
    assert_eq!(names, ["a\nb", "cd"]);
    assert_eq!(VcardFile::new(&contact).contact(), contact);
    file.patch(&contact);
    assert_eq!(text(&file), original);
}

#[test]
fn what_is_no_contact_is_told() {
    let error = |text: &str| VcardFile::parse(text.as_bytes().to_vec()).unwrap_err().to_string();
    let card = |lines: &str| format!("BEGIN:VCARD\n{lines}\nEND:VCARD\n");
    assert_eq!(error("hello"), "there is no VCARD in the file");
    assert_eq!(error(&card("VERSION:2.1\nN:x")), "the vCard's version is \"2.1\": save it as 3.0 or 4.0");
    assert_eq!(error(&card("VERSION:4.0\nKIND:group")), "the vCard is a group, not a contact");
    assert!(error(&card("VERSION:3.0").repeat(3)).starts_with("there are 3 VCARDs"));
}

#[test]
fn a_million_numbers_end() {
    let many = "TEL;TYPE=home:1\nEMAIL:a\n".repeat(90_000);
    let mut file = parse(&format!("BEGIN:VCARD\nVERSION:4.0\nFN:x\n{many}END:VCARD\n"));
    let mut contact = file.contact();
    contact.phones.clear();
    contact.emails.truncate(1);
    file.patch(&contact);
    assert_eq!(file.contact(), contact);
}

fn words() -> impl Strategy<Value = Text> {
    prop_oneof![Just(""), Just("x"), Just("Ä, b"), Just("a;b\\n\nc"), Just("mailto:\"q\"")]
        .prop_map(Text::new)
        .boxed()
        .prop_union("[ -~ä\n]{0,24}".prop_map(Text::from).boxed())
}

fn some_words() -> impl Strategy<Value = Text> {
    words().prop_filter("empty", |text| !text.is_empty())
}

fn day() -> impl Strategy<Value = Option<DayOfLife>> {
    let day = (1..=9999i16, 1..=12i8, 1..=31i8)
        .prop_map(|(year, month, day)| DayOfLife::new(Date::new(year, month, day).ok()?));
    prop_oneof![day, (1..=12i8, 1..=31i8).prop_map(|(month, day)| DayOfLife::without_year(month, day))]
}

fn phones() -> impl Strategy<Value = std::collections::BTreeMap<PhoneKey, Text>> {
    use super::keyed::Place;
    let keys: Vec<_> = PhoneKey::PLACES.iter().map(|row| row.0).collect();
    let number = prop_oneof!["[+0-9 ()-]{1,15}".prop_map(Text::from), some_words()]
        .prop_filter("a scheme alone", |text| !text.as_str().eq_ignore_ascii_case("tel:"));
    prop::collection::btree_map(prop::sample::select(keys), number, 0..7)
}

fn addresses() -> impl Strategy<Value = std::collections::BTreeMap<AddressKey, Address>> {
    let address = (words(), words(), words(), words(), words(), words())
        .prop_map(|(po_box, street, city, state, postal_code, country)| Address {
            po_box,
            street,
            city,
            state,
            postal_code,
            country,
        })
        .prop_filter("empty", |address| !address.is_empty());
    prop::collection::btree_map(
        prop::sample::select(vec![AddressKey::Business, AddressKey::Home, AddressKey::Other]),
        address,
        0..4,
    )
}

/// Any contact.
pub(crate) fn contact() -> impl Strategy<Value = Contact> {
    let names = prop::collection::vec(words(), 19);
    let lists = (
        prop::collection::vec(some_words(), 0..6),
        prop::collection::vec(some_words(), 0..4),
        prop::collection::vec(some_words(), 0..3),
    );
    let category =
        "[ -~ä]{1,9}".prop_map(|name| Category(name.trim().to_owned())).prop_filter("empty", |name| !name.0.is_empty());
    let photo = prop::option::of(("[a-z]{0,4}", prop::collection::vec(any::<u8>(), 1..99)));
    let classes = (
        prop::sample::select(vec![
            Sensitivity::Normal,
            Sensitivity::Personal,
            Sensitivity::Private,
            Sensitivity::Confidential,
        ]),
        prop::sample::select(vec![None, Some(Gender::Female), Some(Gender::Male)]),
    );
    let maps = (phones(), addresses(), prop::collection::btree_set(category, 0..4));
    (names, lists, maps, (day(), day()), photo, classes).prop_map(
        |(
            names,
            (emails, messengers, children),
            (phones, addresses, categories),
            days,
            photo,
            (sensitivity, gender),
        )| {
            let name = |index: usize| names[index].clone();
            Contact {
                uid: name(0),
                display_name: name(1),
                prefix: name(2),
                given: name(3),
                middle: name(4),
                surname: name(5),
                suffix: name(6),
                nickname: name(7),
                file_as: name(8),
                emails,
                phones,
                addresses,
                company: name(9),
                department: name(10),
                job_title: name(11),
                profession: name(12),
                business_page: name(13),
                personal_page: name(14),
                birthday: days.0,
                anniversary: days.1,
                photo: photo.map(|(kind, data)| Photo::new(kind, data)),
                note: name(15),
                messengers,
                spouse: name(16),
                children,
                assistant: name(17),
                manager: name(18),
                categories,
                sensitivity,
                gender,
                free_busy: name(0),
            }
        },
    )
}

/// Files that show what programs write.
fn file() -> impl Strategy<Value = String> {
    const LINES: [&str; 26] = [
        "TEL;TYPE=home,voice:1",
        "TEL;TYPE=home:2",
        "TEL;TYPE=home:3",
        "TEL;TYPE=cell;PREF=1;VALUE=uri:tel:+4",
        "TEL;X-EWS-KEY=HomePhone:5",
        "TEL;X-EWS-KEY=odd:6",
        "TEL;TYPE=fax:",
        "TEL:",
        "EMAIL:a@x",
        "EMAIL;PREF=1:a@x",
        "EMAIL:",
        "ADR;TYPE=home;LABEL=\"x\":;Apt 1;Street;;;;",
        "ADR;TYPE=work:;;;;;;",
        "N:a;b,c",
        "ORG:a;b;c",
        "RELATED;TYPE=spouse:urn:uuid:1",
        "RELATED;TYPE=spouse;VALUE=text:S",
        "X-EVOLUTION-SPOUSE:T",
        "X-MS-CHILD:C",
        "RELATED;TYPE=child;VALUE=text:D",
        "BDAY;VALUE=text:once",
        "PHOTO:https://example.org/x.jpg",
        "GENDER:O;it",
        "CATEGORIES:a,b",
        "CLASS:SECRET",
        "X-EVOLUTION-FILE-AS:f",
    ];
    let lines = prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..14);
    (lines, prop::sample::select(vec!["3.0", "4.0"]))
        .prop_map(|(lines, version)| format!("BEGIN:VCARD\nVERSION:{version}\n{}\nEND:VCARD\n", lines.join("\n")))
}

fn some_cases() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(64) }
}

proptest! {
    #![proptest_config(some_cases())]

    #[test]
    fn a_contact_comes_back_from_its_file(contact in contact()) {
        let mut file = VcardFile::new(&contact);
        prop_assert_eq!(file.contact(), contact.clone());
        prop_assert_eq!(VcardFile::parse(file.to_bytes()).unwrap().contact(), contact.clone());
        let before = file.clone();
        file.patch(&contact);
        prop_assert_eq!(file, before);
    }

    #[test]
    fn any_file_takes_any_contact(original in file(), contact in contact()) {
        let mut file = parse(&original);
        file.patch(&file.contact());
        prop_assert_eq!(text(&file), original);
        file.patch(&contact);
        prop_assert_eq!(file.contact(), contact.clone());
        prop_assert_eq!(parse(&text(&file)).contact(), contact);
    }

    #[test]
    fn one_field_changed_changes_that_field(original in file(), other in contact(), field in prop::sample::select(ContactField::ALL.to_vec())) {
        let mut file = parse(&original);
        let before = file.contact();
        let mut changed = before.clone();
        changed.take(&other, field);
        file.patch(&changed);
        prop_assert!(file.contact().diff(&before).iter().all(|found| *found == field));
        prop_assert_eq!(file.contact(), changed);
    }

    #[test]
    fn each_field_has_one_row(field in prop::sample::select(ContactField::ALL.to_vec())) {
        prop_assert_eq!(ROWS.iter().filter(|row| row.fields.contains(&field)).count(), 1);
    }
}
