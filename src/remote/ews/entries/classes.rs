//! What entries of several kinds say in the same words.

use super::super::property::Property;
use super::super::shape;
use super::super::xml::Element;
use super::spelling::Spelled;
use crate::pim::{Categories, Importance, Sensitivity};

pub(super) const SENSITIVITY: Property = Property::Field("item:Sensitivity");
pub(super) const IMPORTANCE: Property = Property::Field("item:Importance");
pub(super) const CATEGORIES: Property = Property::Field("item:Categories");

const SENSITIVITIES: [(Sensitivity, &str); 4] = [
    (Sensitivity::Normal, "Normal"),
    (Sensitivity::Personal, "Personal"),
    (Sensitivity::Private, "Private"),
    (Sensitivity::Confidential, "Confidential"),
];

const IMPORTANCES: [(Importance, &str); 3] =
    [(Importance::Low, "Low"), (Importance::Normal, "Normal"), (Importance::High, "High")];

/// The value that a word stands for; the default where nobody knows the word.
pub(super) fn named<T: Copy + Default>(table: &[(T, &str)], word: Option<&str>) -> T {
    table.iter().find(|row| Some(row.1) == word).map(|row| row.0).unwrap_or_default()
}

/// The word for a value.
pub(super) fn name_of<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|row| row.0 == value).map_or("", |row| row.1)
}

pub(super) fn sensitivity(item: &Element) -> Sensitivity {
    named(&SENSITIVITIES, SENSITIVITY.of(item))
}

pub(super) fn spell_sensitivity(sensitivity: Sensitivity, to: &mut Spelled<'_>) {
    to.word(SENSITIVITY, name_of(&SENSITIVITIES, sensitivity));
}

pub(super) fn importance(item: &Element) -> Importance {
    named(&IMPORTANCES, IMPORTANCE.of(item))
}

pub(super) fn spell_importance(importance: Importance, to: &mut Spelled<'_>) {
    to.word(IMPORTANCE, name_of(&IMPORTANCES, importance));
}

pub(super) fn categories(item: &Element) -> Categories {
    shape::categories(item)
}

/// The row of categories.
macro_rules! categories {
    () => {
        $crate::remote::ews::entries::spelling::Row {
            properties: &[$crate::remote::ews::entries::classes::CATEGORIES],
            read: |item, entry| entry.categories = $crate::remote::ews::entries::classes::categories(item),
            spell: |entry, to| to.categories($crate::remote::ews::entries::classes::CATEGORIES, &entry.categories),
            change: $crate::remote::ews::entries::spelling::Change::Each,
        }
    };
}

/// The row of the sensitivity.
macro_rules! sensitivity {
    () => {
        $crate::remote::ews::entries::spelling::Row {
            properties: &[$crate::remote::ews::entries::classes::SENSITIVITY],
            read: |item, entry| entry.sensitivity = $crate::remote::ews::entries::classes::sensitivity(item),
            spell: |entry, to| $crate::remote::ews::entries::classes::spell_sensitivity(entry.sensitivity, to),
            change: $crate::remote::ews::entries::spelling::Change::Each,
        }
    };
}

/// The row of the importance.
macro_rules! importance {
    () => {
        $crate::remote::ews::entries::spelling::Row {
            properties: &[$crate::remote::ews::entries::classes::IMPORTANCE],
            read: |item, entry| entry.importance = $crate::remote::ews::entries::classes::importance(item),
            spell: |entry, to| $crate::remote::ews::entries::classes::spell_importance(entry.importance, to),
            change: $crate::remote::ews::entries::spelling::Change::Each,
        }
    };
}

pub(super) use {categories as categories_row, importance as importance_row, sensitivity as sensitivity_row};
