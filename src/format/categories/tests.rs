use proptest::prelude::*;

use super::*;
use crate::pim::{CategoryColour, CategoryList, MasterCategory};

fn category(name: &str, colour: i32, shortcut: u32) -> MasterCategory {
    MasterCategory { colour: CategoryColour(colour), shortcut, ..MasterCategory::named(name) }
}

fn list<const N: usize>(categories: [MasterCategory; N]) -> CategoryList {
    categories.into_iter().collect()
}

const FILE: &str = "# mine\nversion = 3\n\n[[category]] # the first\nname = \"Work\" # at the office\ncolour = \"red\"\nicon = \"w\"\n\n\
                    [[category]]\ncolor = 31\nname = 'Home'\nshortcut = 2\n\n# the end\n";

fn file(text: &str) -> Result<CategoryFile, CategoriesError> {
    CategoryFile::parse(text.as_bytes())
}

fn reason(text: &str) -> String {
    file(text).unwrap_err().to_string()
}

#[test]
fn a_file_is_read_and_comes_back_as_it_was() {
    let read = file(FILE).unwrap();
    assert_eq!(*read.list(), list([category("Home", 31, 2), category("Work", 0, 0)]));
    assert_eq!(read.to_bytes(), FILE.as_bytes());
    assert_eq!(read.with(read.list()).unwrap().to_bytes(), FILE.as_bytes());
    let crlf = FILE.replace('\n', "\r\n");
    assert_eq!(file(&crlf).unwrap().to_bytes(), crlf.as_bytes());
}

#[test]
fn a_change_of_a_file_leaves_all_else() {
    let read = file(FILE).unwrap();
    let changed = read.with(&list([category("Home", 31, 0), category("WORK", 7, 0)])).unwrap();
    let wanted =
        FILE.replace("\"Work\" #", "\"WORK\" #").replace("\"red\"", "\"blue\"").replace("shortcut = 2", "shortcut = 0");
    assert_eq!(String::from_utf8(changed.to_bytes()).unwrap(), wanted);
    let more = read.with(&list([category("Work", 0, 0), category("a \"b\"", -1, 4)])).unwrap();
    let text = String::from_utf8(more.to_bytes()).unwrap();
    assert!(
        text.starts_with("# mine\nversion = 3\n\n[[category]] # the first\nname = \"Work\" # at the office\n"),
        "{text}"
    );
    assert!(text.contains("[[category]]\nname = 'a \"b\"'\nshortcut = 4\n") && !text.contains("Home"), "{text}");
    let crlf = file(&FILE.replace('\n', "\r\n")).unwrap().with(&list([category("New", 1, 0)])).unwrap().to_bytes();
    assert!(!String::from_utf8(crlf).unwrap().replace("\r\n", "").contains('\n'));
}

#[test]
fn a_new_file_says_what_it_is() {
    let new = CategoryFile::new(&list([category("Harbour", 7, 2), category("Odd", 99, 0)])).unwrap();
    let text = String::from_utf8(new.to_bytes()).unwrap();
    let wanted = "\n[[category]]\nname = \"Harbour\"\ncolour = \"blue\"\nshortcut = 2\n\n[[category]]\nname = \"Odd\"\ncolour = 99\n";
    assert!(text.starts_with("# The categories") && text.ends_with(wanted), "{text}");
}

#[test]
fn a_file_that_is_not_clear_says_where() {
    assert!(reason("a = 1\nb = \n").starts_with("line 2: "), "{}", reason("a = 1\nb = \n"));
    assert!(reason("category = 3").contains("[[category]]"));
    assert!(reason("[[category]]\ncolour = \"red\"").contains("number 1 has no name"));
    assert!(reason("[[category]]\nname = \"a\"\ncolour = \"pink\"").contains("\"a\" is none of: none, red"));
    assert!(reason("[[category]]\nname = \"a\"\nshortcut = \"F2\"").contains("\"a\" is no number"));
    assert!(reason("[[category]]\nname = \"a\"\n[[category]]\nname = \"A\"").contains("two categories \"A\""));
    assert!(reason("[[category]]\nname = \" \"").contains("no name for a category"));
    assert!(reason("[[category]]\nname = \"a\\nb\"").contains("on one line"));
    assert_eq!(CategoryFile::parse(b"\xFF").unwrap_err(), CategoriesError::NotUtf8);
    assert_eq!(
        reason(&"#".repeat(MAX_LIST + 1)),
        format!("it has {} bytes, more than the {MAX_LIST} that a list of categories may have", MAX_LIST + 1)
    );
    assert_eq!(file(&"[[category]]\n".repeat(MOST_CATEGORIES + 1)).unwrap_err(), CategoriesError::TooMany);
    assert!(file(&format!("a = {}", "[".repeat(100_000))).is_err());
    assert!(file("").unwrap().list().is_empty());
}

const DOCUMENT: &str = "\u{FEFF}<?xml version=\"1.0\"?>\r\n<categories default=\"Work\" lastSavedSession=\"5\" xmlns=\"CategoryList.xsd\">\
    <!-- note --><category name=\"Work &amp; play\" color=\"0\" keyboardShortcut=\"0\" usageCount=\"7\" guid=\"{1}\"/>\
    <category guid='{2}' odd='say \"x\"' name='Home' color='blue'><more>x</more></category><other/></categories>\r\n";

fn document(text: &str) -> Result<CategoryDocument, CategoriesError> {
    CategoryDocument::parse(text.as_bytes())
}

fn text(document: &CategoryDocument) -> String {
    String::from_utf8(document.as_bytes().to_vec()).unwrap()
}

#[test]
fn a_document_is_read_and_patched() {
    let read = document(DOCUMENT).unwrap();
    assert_eq!(*read.list(), list([category("Work & play", 0, 0), category("Home", -1, 0)]));
    assert_eq!(text(&read.with(read.list()).unwrap()), DOCUMENT);
    let changed = read.with(&list([category("work & play", 3, 0), category("Home", -1, 2)])).unwrap();
    let wanted = DOCUMENT
        .replace("name=\"Work &amp; play\" color=\"0\"", "name=\"work &amp; play\" color=\"3\"")
        .replace("guid='{2}' odd", "guid=\"{2}\" odd")
        .replace("name='Home' color='blue'>", "name=\"Home\" color=\"blue\" keyboardShortcut=\"2\">");
    assert_eq!(text(&changed), wanted);
    let fewer = read.with(&list([category("Work & play", 0, 0)])).unwrap();
    assert!(text(&fewer).contains("guid=\"{1}\"/><other/></categories>\r\n"), "{}", text(&fewer));
    let more =
        read.with(&list([category("<new>", 5, 0), category("Work & play", 0, 0), category("Home", -1, 0)])).unwrap();
    let (before, after) = DOCUMENT.split_once("</categories>").unwrap();
    let new = text(&more).strip_prefix(before).unwrap().to_owned();
    assert!(new.starts_with("<category name=\"&lt;new&gt;\" color=\"5\" keyboardShortcut=\"0\""), "{new}");
    assert!(new.contains(" guid=\"{") && new.ends_with(&format!("/></categories>{after}")), "{new}");
}

#[test]
fn documents_of_other_servers_are_read_too() {
    let prefixed = document("<x:categories xmlns:x=\"u\"/>").unwrap();
    assert!(prefixed.list().is_empty());
    let filled = prefixed.with(&list([category("a", 1, 0)])).unwrap();
    assert!(text(&filled).starts_with("<x:categories xmlns:x=\"u\"><x:category name=\"a\""), "{}", text(&filled));
    assert!(text(&filled).ends_with("</x:categories>"));
    assert_eq!(*filled.list(), list([category("a", 1, 0)]));
    let twice =
        document("<categories><category name='a' color='1'/><category name='A' color='2'/></categories>").unwrap();
    assert_eq!(*twice.list(), list([category("a", 1, 0)]));
    assert_eq!(text(&twice.with(&CategoryList::default()).unwrap()), "<categories></categories>");
    assert!(
        text(&twice.with(&list([category("a", 4, 0)])).unwrap())
            .ends_with("<category name='A' color='2'/></categories>")
    );
    for empty in ["", "\u{FEFF}", " \r\n"] {
        let new = document(empty).unwrap();
        assert!(new.list().is_empty() && text(&new).contains("CategoryList.xsd"));
    }
    let nameless = "<categories><category color='1'/><category name=' '/></categories>";
    assert_eq!(text(&document(nameless).unwrap().with(&CategoryList::default()).unwrap()), nameless);
}

#[test]
fn a_hostile_document_is_refused_in_bounded_time() {
    let bomb =
        "<!DOCTYPE a [<!ENTITY b \"cccc\"><!ENTITY d \"&b;&b;&b;\">]><categories><category name=\"&d;\"/></categories>";
    assert!(document(bomb).unwrap_err().to_string().contains("document type"));
    let deep = format!("<categories>{}", "<a>".repeat(100_000));
    assert!(document(&deep).unwrap_err().to_string().contains("too deep"));
    assert_eq!(document(&" ".repeat(5 * MAX_LIST)).unwrap_err(), CategoriesError::TooLarge(5 * MAX_LIST));
    let many = format!("<categories>{}</categories>", "<category name='a'/>".repeat(MOST_CATEGORIES + 1));
    assert_eq!(document(&many).unwrap_err(), CategoriesError::TooMany);
    for bad in ["<categories>", "<list/>", "hello", "<categories/><categories/>", "<categories></x>"] {
        assert!(document(bad).is_err(), "{bad}");
    }
    assert_eq!(CategoryDocument::parse(b"\xFF\xFE<\0").unwrap_err(), CategoriesError::NotUtf8);
}

fn some_list() -> impl Strategy<Value = CategoryList> {
    let name = "[a-dA-D<&\"'äß, ]{0,3}[a-c]";
    prop::collection::vec((name, -2..27i32, 0..14u32), 0..6)
        .prop_map(|all| all.into_iter().map(|(name, colour, shortcut)| category(&name, colour, shortcut)).collect())
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(first in some_list(), second in some_list()) {
        let file = CategoryFile::new(&first).unwrap();
        prop_assert_eq!(file.list(), &first);
        let again = file.with(&second).unwrap();
        let again = CategoryFile::parse(&again.to_bytes()).unwrap();
        prop_assert_eq!(again.list(), &second);
        let document = CategoryDocument::new().with(&first).unwrap();
        prop_assert_eq!(document.list(), &first);
        let again = document.with(&second).unwrap();
        let again = CategoryDocument::parse(again.as_bytes()).unwrap();
        prop_assert_eq!(again.list(), &second);
        // What stays has its GUID.
        let back = text(&again.with(&first).unwrap());
        prop_assert_eq!(back.matches("guid=").count(), first.len());
    }
}
