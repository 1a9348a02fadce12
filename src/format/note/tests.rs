use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> NoteFile {
    NoteFile::parse(text.as_bytes().to_vec()).unwrap()
}

fn text(file: &NoteFile) -> &str {
    std::str::from_utf8(file.as_bytes()).unwrap()
}

fn categories(names: &[&str]) -> Categories {
    names.iter().map(|name| Category((*name).to_owned())).collect()
}

#[test]
fn a_note_is_its_text() {
    let file = parse("Shopping\n\n- bread\n---\n");
    let note = file.note();
    assert_eq!((note.title(), note.colour, note.categories.len()), ("Shopping", None, 0));
    assert_eq!(note.text.as_str(), "Shopping\n\n- bread\n---\n");
    assert_eq!(NoteFile::new(&note).unwrap(), file, "nothing is set, so there is no front matter");
}

#[test]
fn colour_and_categories_stand_before_it() {
    let note = Note {
        text: "Call".into(),
        colour: Some(NoteColour::Green),
        categories: categories(&["Home", "Bills, \"paid\""]),
    };
    let file = NoteFile::new(&note).unwrap();
    assert_eq!(text(&file), "---\ncolour: green\ncategories: [\"Bills, \\\"paid\\\"\", Home]\n---\nCall");
    assert_eq!(file.note(), note);
}

#[test]
fn the_front_matter_of_others_stays() {
    let original = "---\ntags:\n- a\ncategories:\n  - Work\n  - 'It''s'\n# mine\nColor: PINK\n---\nText\n";
    let mut file = parse(original);
    let mut note = file.note();
    assert_eq!((note.colour, &note.categories), (Some(NoteColour::Pink), &categories(&["work", "It's"])));
    note.categories = categories(&["Home"]);
    file.patch(&note).unwrap();
    assert_eq!(text(&file), original.replace("categories:\n  - Work\n  - 'It''s'", "categories: [Home]"));
    (note.colour, note.categories) = (None, Categories::new());
    file.patch(&note).unwrap();
    assert_eq!(text(&file), "---\ntags:\n- a\n# mine\n---\nText\n");
}

#[test]
fn a_quote_within_a_name_is_part_of_it() {
    let file = parse("---\ncategories: [It's, 'b, c', d\"]\n---\n");
    assert_eq!(file.note().categories, categories(&["It's", "b, c", "d\""]));
}

#[test]
fn text_that_begins_like_a_front_matter_is_text() {
    for body in ["---\ncolour: pink\n---\nx", "---", "---\n", "----\n", "---\nno, not one\n---\n"] {
        let note = Note { text: body.into(), ..Note::default() };
        let mut file = NoteFile::new(&note).unwrap();
        assert_eq!(file.note(), note, "{body:?}");
        let coloured = Note { colour: Some(NoteColour::Blue), ..note };
        file.patch(&coloured).unwrap();
        assert_eq!(file.note(), coloured);
    }
    let file = parse("---\nA rule above and below\n---\nx");
    assert_eq!(file.note().text.as_str(), "---\nA rule above and below\n---\nx");
}

#[test]
fn line_ends_are_the_files() {
    let mut file = parse("---\r\ncolour: blue\r\n---\r\na\r\nb\r\n");
    let mut note = file.note();
    assert_eq!(note.text.as_str(), "a\nb\n");
    note.text = "a\nc\n".into();
    file.patch(&note).unwrap();
    assert_eq!(text(&file), "---\r\ncolour: blue\r\n---\r\na\r\nc\r\n");
    note.colour = Some(NoteColour::Pink);
    file.patch(&note).unwrap();
    assert_eq!(text(&file), "---\r\ncolour: pink\r\n---\r\na\r\nc\r\n");
}

#[test]
fn an_entry_that_stands_there_twice_does_not_come_to_light() {
    let mut file = parse("---\ncategories: a\nx: y\ncategories: [[\n---\nText\n");
    file.patch(&Note { categories: Categories::new(), ..file.note() }).unwrap();
    assert_eq!(text(&file), "---\nx: y\n---\nText\n");
}

#[test]
fn what_is_no_note_is_told() {
    assert_eq!(NoteFile::parse(vec![0xFF, 0xFE]), Err(NoteError::NotUtf8));
    assert_eq!(NoteFile::parse(vec![b'x'; (16 << 20) + 1]), Err(NoteError::TooLarge { found: (16 << 20) + 1 }));
    let endless = format!("---\n{}", "x: y\n".repeat(1_000_000));
    assert_eq!(parse(&endless).note().text.as_str().len(), endless.len());
}

pub(crate) fn note() -> impl Strategy<Value = Note> {
    let name = "[ -~ä\n]{1,12}".prop_filter("empty", |name: &String| !name.trim().is_empty());
    let colour = prop::option::of(prop::sample::select(NoteColour::TABLE.map(|row| row.0).to_vec()));
    let text = prop_oneof!["[ -~\näß\t]{0,80}", "---\n([a-z]{1,5}: [a-z]{0,4}\n){0,3}(---)?\n?[a-z]{0,9}"];
    (text, colour, prop::collection::btree_set(name.prop_map(Category), 0..4))
        .prop_map(|(text, colour, categories)| Note { text: text.into(), colour, categories })
}

proptest! {
    #[test]
    fn a_note_comes_back_from_its_file(note in note()) {
        let mut file = NoteFile::new(&note).unwrap();
        prop_assert_eq!(file.note(), note.clone());
        let before = file.clone();
        file.patch(&note).unwrap();
        prop_assert_eq!(file, before);
    }

    #[test]
    fn any_file_takes_any_note(file in "(\u{FEFF})?(---\n)?((colour|categories|tags|x y): ?[a-z\\[\\]\",-]{0,9}\r?\n|- [a-z]\n|[a-z ]{0,9}\n){0,5}(---\n)?[a-z\r\n]{0,20}", note in note()) {
        let mut patched = parse(&file);
        let same = patched.note();
        patched.patch(&same).unwrap();
        prop_assert_eq!(text(&patched), &file);
        patched.patch(&note).unwrap();
        prop_assert_eq!(patched.note(), note);
    }

    #[test]
    fn one_field_changed_changes_that_field(note in note(), other in note(), field in prop::sample::select(NoteField::ALL.to_vec())) {
        let mut file = NoteFile::new(&note).unwrap();
        let mut changed = note.clone();
        changed.take(&other, field);
        file.patch(&changed).unwrap();
        prop_assert!(file.note().diff(&note).iter().all(|found| *found == field));
    }
}
