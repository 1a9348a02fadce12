use proptest::prelude::*;

use super::*;

const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nitem1.X-Odd;x=\"a;b\":kept\r\nTEL;type=HOME:1\r\nNOTE:a\r\n  b\\, c\r\n\r\nno line\r\nEND:VCARD\r\n";

fn parse(text: &str) -> Result<Document, ContentError> {
    Document::parse(text.as_bytes().to_vec(), Limits::default())
}

fn text(document: &Document) -> String {
    String::from_utf8(document.to_bytes()).unwrap()
}

#[test]
fn a_file_that_nobody_touches_keeps_its_bytes() {
    for file in [
        "",
        "\n",
        "no calendar",
        CARD,
        "\u{FEFF}BEGIN:VCARD\nFN:x\nEND:VCARD",
        "BEGIN:VCALENDAR\n\nBEGIN:VEVENT\r\nSUMMARY;X=1:a\r\n\t b\nEND:VEVENT\n:\n;:\n\rEND:x\nEND:VCALENDAR\n\n trailing",
        "begin:vcard\nEnd: vcard \n",
    ] {
        assert_eq!(text(&parse(file).unwrap()), file);
    }
}

#[test]
fn one_property_changed_rewrites_one_line() {
    let mut document = parse(CARD).unwrap();
    let card = document.components_mut("VCARD").next().unwrap();
    assert_eq!(card.property("NOTE").unwrap().value, "a b\\, c");
    card.set("TEL", Some("2"));
    assert_eq!(text(&document), CARD.replace("HOME:1", "HOME:2"));
    let card = document.components_mut("VCARD").next().unwrap();
    card.set("TEL", Some("1"));
    card.set("FN", Some("Ä"));
    assert_eq!(text(&document), CARD.replace("  b\\, c\r\n\r\n", "  b\\, c\r\nFN:Ä\r\n\r\n"));
    let card = document.components_mut("VCARD").next().unwrap();
    card.set("FN", None);
    card.set("NOTE", Some("a b\\, c"));
    assert_eq!(text(&document), CARD, "what is set to what it was keeps its folds");
}

#[test]
fn lines_end_as_the_file_has_it() {
    let mut document = parse("BEGIN:VCARD\nFN:x\nEND:VCARD\n").unwrap();
    let card = document.components_mut("VCARD").next().unwrap();
    card.set("NOTE", Some(&"ä".repeat(60)));
    let mut inner = Component::new("VALARM");
    inner.set("ACTION", Some("DISPLAY"));
    card.push_component(inner);
    let written = text(&document);
    assert!(!written.contains('\r'));
    assert!(written.lines().all(|line| line.len() <= 75), "{written}");
    assert_eq!(parse(&written).unwrap(), document);
}

#[test]
fn a_character_may_be_cut_by_a_fold() {
    let file = b"BEGIN:VCARD\r\nFN:\xC3\r\n \xA4\r\nEND:VCARD\r\n".to_vec();
    let document = Document::parse(file.clone(), Limits::default()).unwrap();
    assert_eq!(document.components("VCARD").next().unwrap().property("FN").unwrap().value, "ä");
    assert_eq!(document.to_bytes(), file);
}

#[test]
fn parameters_are_read_as_people_write_them() {
    let file = "BEGIN:VCARD\nTEL;WORK;type=\"voice,pref\";X-A=\"a:b\",c;X-B=^'q^^^n:+1:2\nitem1.adr;CHARSET=\"x:1;2\nEND:VCARD\n";
    let document = parse(file).unwrap();
    let card = document.components("VCARD").next().unwrap();
    let tel = card.property("TEL").unwrap();
    assert!(tel.has_type("work") && tel.has_type("VOICE") && tel.has_type("pref") && !tel.has_type("home"));
    assert_eq!(tel.values("x-a").collect::<Vec<_>>(), ["a:b", "c"]);
    assert_eq!(tel.parameter("X-B"), Some("\"q^\n"));
    assert_eq!(tel.value, "+1:2");
    let adr = card.property("ADR").unwrap();
    assert_eq!((adr.group.as_deref(), adr.value.as_str()), (Some("item1"), "1;2"), "a quote that nobody closes");
}

#[test]
fn what_is_too_much_or_broken_is_told_with_its_place() {
    let cases: [(String, &str); 7] = [
        (
            "BEGIN:A\nX:1\n".into(),
            "A, which begins in line 1, does not end: the file is cut short or its END:A is missing",
        ),
        ("BEGIN:A\nX:1\n y\nEND:B\n".into(), "line 4: END:B ends nothing that began"),
        ("END:B\n".into(), "line 1: END:B ends nothing that began"),
        ("BEGIN:A\n".repeat(1_000_000), "line 9: A lies within more than 8 others"),
        ("X:1\n".repeat(1_000_000), "the file has more than 200000 properties"),
        (
            format!("X:{}", "x".repeat(100 << 20)),
            "the file has 104857602 bytes, more than the 67108864 that one item may have",
        ),
        (format!("BEGIN:{}\n", "N".repeat(5000)), "does not end"),
    ];
    for (file, message) in cases {
        let error = Document::parse(file, Limits::default()).unwrap_err().to_string();
        assert!(error.contains(message) && error.len() < 300, "{error}");
    }
    let latin = Document::parse(&b"BEGIN:A\nFN:K\xF6ln\nEND:A\n"[..], Limits::default());
    assert_eq!(latin.unwrap_err(), ContentError::NotUtf8 { line: 2 });
}

#[test]
fn text_is_escaped_and_split() {
    assert_eq!(escape("a;b,c\\\nd"), "a\\;b\\,c\\\\\\nd");
    assert_eq!(unescape("a\\;b\\,c\\\\\\Nd\\:"), "a;b,c\\\nd:");
    assert_eq!(unescape("C:\\Users\\"), "C:\\Users\\", "what was never escaped");
    assert_eq!(split("a\\;b;c\\\\;d", ';').collect::<Vec<_>>(), ["a\\;b", "c\\\\", "d"]);
    assert_eq!(join(["a,b", "c"], ","), "a\\,b,c");
}

fn value() -> impl Strategy<Value = String> {
    "[ -~äß€\u{1F600}\u{FFFD}\t]{0,200}"
}

fn property() -> impl Strategy<Value = Property> {
    let parameter = ("[A-Za-z0-9-]{1,8}", prop::collection::vec("[ -~ä\n]{0,20}", 1..3))
        .prop_map(|(name, values)| Parameter { name, values });
    let group = prop::option::of("[a-z0-9]{1,6}");
    let name = "X-[A-Za-z0-9-]{1,8}";
    (group, name, prop::collection::vec(parameter, 0..3), value()).prop_map(|(group, name, parameters, value)| {
        let mut property = Property::new(&name, value);
        (property.group, property.parameters) = (group, parameters);
        property
    })
}

proptest! {
    #[test]
    fn any_bytes_come_back(file in "((BEGIN|END|X|item1\\.y)?[:;=\"]?(A|B|ä|\\\\n)?[ \\t]?\r?\n?){0,40}") {
        if let Ok(document) = parse(&file) {
            prop_assert_eq!(text(&document), file);
        }
    }

    #[test]
    fn a_property_that_is_written_is_read(property in property(), lf in any::<bool>()) {
        let ending = if lf { Ending::Lf } else { Ending::CrLf };
        let line = property.to_line(ending);
        prop_assert!(line.raw().split(|byte| *byte == b'\n').all(|piece| piece.len() <= 76));
        prop_assert!(std::str::from_utf8(line.raw()).is_ok(), "no fold cuts a character");
        prop_assert_eq!(line.name(), property.name.to_ascii_uppercase());
        prop_assert_eq!(line.property(), Some(property));
    }

    #[test]
    fn text_comes_back(parts in prop::collection::vec("[ -~\nä]{0,30}", 1..5)) {
        let joined = join(parts.iter().map(String::as_str), ";");
        prop_assert_eq!(split(&joined, ';').map(unescape).collect::<Vec<_>>(), parts);
    }

    #[test]
    fn a_change_leaves_all_other_lines_alone(properties in prop::collection::vec(property(), 1..8), at in any::<prop::sample::Index>(), new in value()) {
        let mut component = Component::new("VCARD");
        properties.iter().for_each(|property| component.push(property));
        let before: Vec<Vec<u8>> = component.lines().map(|line| line.raw().to_vec()).collect();
        let name = at.get(&properties).name.to_ascii_uppercase();
        let first = properties.iter().position(|property| property.name.to_ascii_uppercase() == name).unwrap();
        component.set(&name, Some(&new));
        for (number, line) in component.lines().enumerate() {
            prop_assert!(number == first || line.raw() == before[number]);
        }
        prop_assert_eq!(component.property(&name).unwrap().value, new);
    }
}
