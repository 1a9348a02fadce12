//! Items as sets of fields: which ones differ, and how changes on two sides become one item.

use std::collections::BTreeMap;

use super::event::{Busy, EventState, When};
use super::task::{Percent, TaskStatus};
use super::{Categories, Importance, Sensitivity, Text, marks};

/// What two sides made of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged<T, F> {
    /// All changes of both sides; of fields in conflict, the server's.
    pub item: T,
    /// The fields that both sides changed, and not to the same.
    pub conflicts: Vec<F>,
}

/// What a field holds, and how two changes of it are made one.
pub trait FieldValue: Clone + PartialEq {
    /// Both changes in one value; `None` where they contradict. Only asked when both sides differ from `base` and from each other.
    fn merge(_base: &Self, _remote: &Self, _local: &Self) -> Option<Self> {
        None
    }
}

impl FieldValue for Text {}
impl FieldValue for Sensitivity {}
impl FieldValue for Importance {}
impl FieldValue for TaskStatus {}
impl FieldValue for Percent {}
impl FieldValue for When {}
impl FieldValue for Busy {}
impl FieldValue for EventState {}
impl<T: Clone + PartialEq> FieldValue for Option<T> {}
impl<T: Clone + PartialEq> FieldValue for Vec<T> {}

impl FieldValue for Categories {
    fn merge(base: &Self, remote: &Self, local: &Self) -> Option<Self> {
        Some(marks::merge_categories(base, remote, local))
    }
}

/// Entries are merged one by one: a new number at work and another one at home are no conflict.
impl<K: Clone + Ord, V: Clone + PartialEq> FieldValue for BTreeMap<K, V> {
    fn merge(base: &Self, remote: &Self, local: &Self) -> Option<Self> {
        let mut merged = remote.clone();
        for key in base.keys().chain(local.keys()) {
            let (was, there, here) = (base.get(key), remote.get(key), local.get(key));
            match here {
                _ if here == was || here == there => {}
                _ if there != was => return None,
                Some(value) => drop(merged.insert(key.clone(), value.clone())),
                None => drop(merged.remove(key)),
            }
        }
        Some(merged)
    }
}

/// Most fields of most items are empty; what is kept of them leaves those out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Three-way merge of one field. The second part tells whether it is in conflict.
pub(super) fn merge_field<T: FieldValue>(base: &T, remote: &T, local: &T) -> (T, bool) {
    if local == base || local == remote {
        (remote.clone(), false)
    } else if remote == base {
        (local.clone(), false)
    } else {
        T::merge(base, remote, local).map_or_else(|| (remote.clone(), true), |merged| (merged, false))
    }
}

/// Makes a kind of item: a struct, an enum of its fields, `diff`, `take` and `merge`.
macro_rules! item {
    (
        $(#[$doc:meta])* $item:ident, $(#[$field_doc:meta])* $field:ident {
            $($(#[$one_doc:meta])* $name:ident / $variant:ident: $type:ty,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $item {
            $($(#[$one_doc])*
            #[serde(skip_serializing_if = "crate::pim::fields::is_default")]
            pub $name: $type,)+
        }

        $(#[$field_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $field {
            $($(#[$one_doc])* $variant,)+
        }

        impl $field {
            /// All fields.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }

        impl $item {
            /// The fields in which two items differ.
            pub fn diff(&self, other: &Self) -> Vec<$field> {
                let mut fields = Vec::new();
                $(if self.$name != other.$name {
                    fields.push($field::$variant);
                })+
                fields
            }

            /// Takes one field over from another item.
            pub fn take(&mut self, from: &Self, field: $field) {
                match field {
                    $($field::$variant => self.$name.clone_from(&from.$name),)+
                }
            }

            /// Makes one item of what both sides changed since `base`, field by field.
            pub fn merge(base: &Self, remote: &Self, local: &Self) -> $crate::pim::Merged<Self, $field> {
                let mut conflicts = Vec::new();
                let item = Self {
                    $($name: {
                        let (value, conflict) =
                            $crate::pim::fields::merge_field(&base.$name, &remote.$name, &local.$name);
                        if conflict {
                            conflicts.push($field::$variant);
                        }
                        value
                    },)+
                };
                $crate::pim::Merged { item, conflicts }
            }
        }
    };
}

pub(super) use item;
