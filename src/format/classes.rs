//! Properties that contacts, events and tasks have in common: categories and who may see an item.

use super::content::{Component, Property, escape, split, unescape};
use crate::pim::{Categories, Category, Sensitivity, Text};

/// All categories of an item, in however many lines (RFC 5545 §3.8.1.2, RFC 6350 §6.7.1).
pub(super) fn categories(component: &Component) -> Categories {
    let lines: Vec<Property> = component.properties("CATEGORIES").collect();
    let names = lines.iter().flat_map(|line| split(&line.value, ','));
    // As they are written: else what no line can hold would come back as another category.
    let names = names.map(|name| Text::from(unescape(name)).as_str().trim().to_owned());
    names.filter(|name| !name.is_empty()).map(Category).collect()
}

/// Writes all categories into one line.
pub(super) fn set_categories(component: &mut Component, categories: &Categories) {
    // `Text` takes out what no line can hold.
    let names: Vec<_> = categories.iter().map(|category| escape(Text::new(&category.0).as_str())).collect();
    component.rewrite("CATEGORIES", |mut old| {
        old.truncate(1);
        let line = old.pop().unwrap_or_else(|| Property::new("CATEGORIES", ""));
        if names.is_empty() { Vec::new() } else { vec![line.with_value(names.join(","))] }
    });
}

/// `CLASS` of RFC 5545 §3.8.1.3 has no word for "personal", so the exact one stands beside it. A program that knows only `CLASS` and
/// changes that is believed.
const EXACT: &str = "X-EWS-SENSITIVITY";

const CLASSES: [(Sensitivity, &str, &str); 4] = [
    (Sensitivity::Normal, "PUBLIC", "Normal"),
    (Sensitivity::Private, "PRIVATE", "Private"),
    (Sensitivity::Confidential, "CONFIDENTIAL", "Confidential"),
    (Sensitivity::Personal, "PRIVATE", "Personal"),
];

/// Who may see an item.
pub(super) fn sensitivity(component: &Component) -> Sensitivity {
    let class = component.property("CLASS").map(|class| class.value.trim().to_ascii_uppercase());
    // RFC 5545: what is not known counts as private, what is not there is public.
    let is_known = |class: &str| CLASSES.iter().any(|row| row.1 == class);
    let class = class.map_or("PUBLIC".to_owned(), |class| if is_known(&class) { class } else { "PRIVATE".to_owned() });
    let exact = component.property(EXACT).map(|exact| exact.value);
    let is_exact =
        |row: &&(Sensitivity, &str, &str)| exact.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(row.2));
    let mut rows = CLASSES.iter().filter(|row| row.1 == class);
    let row = rows.clone().find(is_exact).or_else(|| rows.next());
    row.map_or(Sensitivity::Normal, |row| row.0)
}

/// Writes who may see an item.
pub(super) fn set_sensitivity(component: &mut Component, sensitivity: Sensitivity) {
    let row = CLASSES.iter().find(|row| row.0 == sensitivity);
    let is_default = sensitivity == Sensitivity::Normal && component.property("CLASS").is_none();
    component.set("CLASS", row.map(|row| row.1).filter(|_| !is_default));
    let exact = row.map(|row| row.2).filter(|_| sensitivity == Sensitivity::Personal);
    component.set(EXACT, exact);
}
