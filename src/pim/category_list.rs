//! The master list: which colours and shortcuts the categories of a mailbox have. Items hold names only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Category;

/// The colours of Outlook by their numbers from 0 on, as a file names them (Outlook's OlCategoryColor is one higher).
pub const COLOURS: [&str; 25] = [
    "red",
    "orange",
    "peach",
    "yellow",
    "green",
    "teal",
    "olive",
    "blue",
    "purple",
    "maroon",
    "steel",
    "dark-steel",
    "grey",
    "dark-grey",
    "black",
    "dark-red",
    "dark-orange",
    "dark-peach",
    "dark-yellow",
    "dark-green",
    "dark-teal",
    "dark-olive",
    "dark-blue",
    "dark-purple",
    "dark-maroon",
];

/// The colour of a category, as the server numbers it (MS-OXOCFG 2.2.5.2.2): [`COLOURS`], or a number that nobody has a name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategoryColour(pub i32);

impl CategoryColour {
    /// No colour.
    pub const NONE: Self = Self(-1);

    /// Its name; `None` where it has none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::NONE => Some("none"),
            Self(number) => COLOURS.get(usize::try_from(number).ok()?).copied(),
        }
    }

    /// The colour of that name, in any case, with a space, a hyphen or an underscore in it, and with American grey.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace([' ', '_'], "-").replace("gray", "grey");
        if name == "none" {
            return Some(Self::NONE);
        }
        let number = COLOURS.iter().position(|colour| *colour == name)?;
        i32::try_from(number).ok().map(Self)
    }
}

/// A category of the master list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MasterCategory {
    /// Its name.
    pub name: Category,
    /// Its colour.
    pub colour: CategoryColour,
    /// The key that gives it to what is selected in Outlook, as the server numbers it; 0 for none.
    pub shortcut: u32,
}

/// Another spelling of the name is a difference, though it is the same category.
impl PartialEq for MasterCategory {
    fn eq(&self, other: &Self) -> bool {
        (&self.name.0, self.colour, self.shortcut) == (&other.name.0, other.colour, other.shortcut)
    }
}

impl Eq for MasterCategory {}

/// Whether the changes of two sides contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// No.
    None,
    /// Both gave it another colour or another shortcut: the server's is in the result.
    Some,
}

impl MasterCategory {
    /// A category without colour and shortcut.
    pub fn named(name: &str) -> Self {
        Self { name: Category(name.to_owned()), colour: CategoryColour::NONE, shortcut: 0 }
    }

    /// What both sides made of `base`, or of nothing, in one.
    pub fn merge(base: Option<&Self>, remote: &Self, local: &Self) -> (Self, Contradiction) {
        let nothing = Self::named(&remote.name.0);
        let base = base.unwrap_or(&nothing);
        // Two spellings are no contradiction worth a word.
        let name = pick(&base.name.0, &remote.name.0, &local.name.0).unwrap_or(&remote.name.0);
        let colour = pick(&base.colour, &remote.colour, &local.colour);
        let shortcut = pick(&base.shortcut, &remote.shortcut, &local.shortcut);
        let contradiction =
            if colour.is_none() || shortcut.is_none() { Contradiction::Some } else { Contradiction::None };
        let merged = Self {
            name: Category(name.clone()),
            colour: *colour.unwrap_or(&remote.colour),
            shortcut: *shortcut.unwrap_or(&remote.shortcut),
        };
        (merged, contradiction)
    }
}

/// The value that was changed; `None` where both were, and not to the same.
fn pick<'a, T: PartialEq>(base: &T, remote: &'a T, local: &'a T) -> Option<&'a T> {
    if remote == local || local == base { Some(remote) } else { (remote == base).then_some(local) }
}

/// A master list: categories by their names, which are compared as Outlook does, without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<MasterCategory>", into = "Vec<MasterCategory>")]
pub struct CategoryList(BTreeMap<Category, MasterCategory>);

impl CategoryList {
    /// The category of that name.
    pub fn get(&self, name: &Category) -> Option<&MasterCategory> {
        self.0.get(name)
    }

    /// Adds a category, unless there is one of that name.
    pub fn add(&mut self, category: MasterCategory) {
        self.0.entry(category.name.clone()).or_insert(category);
    }

    /// The categories, by name.
    pub fn iter(&self) -> impl Iterator<Item = &MasterCategory> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many categories are in only one of two lists, or not alike in both.
    pub fn differences(&self, other: &Self) -> usize {
        let changed = self.iter().filter(|category| other.get(&category.name) != Some(category)).count();
        changed + other.iter().filter(|category| self.get(&category.name).is_none()).count()
    }
}

impl From<Vec<MasterCategory>> for CategoryList {
    fn from(categories: Vec<MasterCategory>) -> Self {
        categories.into_iter().collect()
    }
}

impl From<CategoryList> for Vec<MasterCategory> {
    fn from(list: CategoryList) -> Self {
        list.0.into_values().collect()
    }
}

impl FromIterator<MasterCategory> for CategoryList {
    fn from_iter<I: IntoIterator<Item = MasterCategory>>(categories: I) -> Self {
        let mut list = Self::default();
        categories.into_iter().for_each(|category| list.add(category));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(name: &str, colour: i32, shortcut: u32) -> MasterCategory {
        MasterCategory { colour: CategoryColour(colour), shortcut, ..MasterCategory::named(name) }
    }

    #[test]
    fn colours_are_known_by_every_spelling_and_keep_their_numbers() {
        for (number, name) in (0..).zip(COLOURS) {
            assert_eq!(CategoryColour::from_name(name), Some(CategoryColour(number)));
            assert_eq!(CategoryColour(number).name(), Some(name));
        }
        assert_eq!(CategoryColour::from_name(" Dark Gray "), Some(CategoryColour(13)));
        assert_eq!(CategoryColour::from_name("None"), Some(CategoryColour::NONE));
        assert_eq!(CategoryColour::NONE.name(), Some("none"));
        assert_eq!((CategoryColour(25).name(), CategoryColour(-7).name()), (None, None));
        assert_eq!(CategoryColour::from_name("pink"), None);
    }

    #[test]
    fn the_changes_of_both_sides_come_together() {
        let base = category("Work", 0, 0);
        let merge = |remote, local| MasterCategory::merge(Some(&base), &remote, &local);
        let none = Contradiction::None;
        assert_eq!(merge(category("Work", 3, 0), category("WORK", 0, 2)), (category("WORK", 3, 2), none));
        assert_eq!(merge(category("Work", 3, 0), category("Work", 3, 0)), (category("Work", 3, 0), none));
        assert_eq!(merge(category("work", 0, 0), category("WORK", 0, 0)), (category("work", 0, 0), none));
        let clash = merge(category("Work", 3, 0), category("Work", 4, 9));
        assert_eq!(clash, (category("Work", 3, 9), Contradiction::Some));
        let alone = MasterCategory::merge(None, &category("a", -1, 4), &category("A", 7, 0));
        assert_eq!(alone, (category("A", 7, 4), none), "saying nothing contradicts nothing");
    }

    #[test]
    fn names_are_the_same_in_any_case() {
        let list: CategoryList = [category("Ärger", 1, 0), category("ÄRGER", 2, 0)].into_iter().collect();
        assert_eq!(list.len(), 1);
        assert_eq!(list.get(&Category("ärger".to_owned())), Some(&category("Ärger", 1, 0)));
        assert_eq!(list.differences(&[category("ärger", 1, 0)].into_iter().collect()), 1, "a spelling is a difference");
        assert_eq!(list.differences(&list), 0);
    }
}
