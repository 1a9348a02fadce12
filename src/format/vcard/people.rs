//! The people around a contact: `RELATED` in vCard 4.0 (RFC 6350 §6.6.6), an `X-` property of some program otherwise.

use super::super::content::{Component, Property, escape};
use super::Version;
use super::values::{set_list, some_text};
use crate::pim::Text;

/// A relation as files spell it.
pub(super) struct Relation {
    /// The type of `RELATED`, where RFC 6350 has one for it.
    pub(super) related: Option<&'static str>,
    /// The properties that programs use for it; pimsync writes the first one.
    pub(super) names: &'static [&'static str],
}

/// Husband, wife, partner.
pub(super) const SPOUSE: Relation = Relation {
    related: Some("spouse"),
    names: &["X-SPOUSE", "X-MS-SPOUSE", "X-EVOLUTION-SPOUSE", "X-KADDRESSBOOK-X-SPOUSESNAME"],
};
/// Children.
pub(super) const CHILD: Relation = Relation { related: Some("child"), names: &["X-CHILD", "X-MS-CHILD"] };
/// Assistant.
pub(super) const ASSISTANT: Relation = Relation {
    related: None,
    names: &["X-ASSISTANT", "X-MS-ASSISTANT", "X-EVOLUTION-ASSISTANT", "X-KADDRESSBOOK-X-ASSISTANTSNAME"],
};
/// Manager.
pub(super) const MANAGER: Relation = Relation {
    related: None,
    names: &["X-MANAGER", "X-MS-MANAGER", "X-EVOLUTION-MANAGER", "X-KADDRESSBOOK-X-MANAGERSNAME"],
};

impl Relation {
    /// The names of those people, from the first property that tells any.
    pub(super) fn read(&self, card: &Component) -> Vec<Text> {
        let related: Vec<_> = card.properties("RELATED").filter_map(|property| self.named(&property)).collect();
        if !related.is_empty() {
            return related;
        }
        let told = |name: &&str| card.properties(name).filter_map(|property| some_text(&property)).collect::<Vec<_>>();
        self.names.iter().map(told).find(|names| !names.is_empty()).unwrap_or_default()
    }

    /// Writes the names where they were, or where the version wants them.
    pub(super) fn write(&self, card: &mut Component, names: &[Text], version: Version) {
        let is_related = card.properties("RELATED").any(|property| self.named(&property).is_some());
        let used = self.names.iter().find(|name| card.properties(name).any(|property| some_text(&property).is_some()));
        let own = match (is_related, used, version) {
            (true, ..) => None,
            (false, None, Version::V4) if self.related.is_some() => None,
            (false, used, _) => used.or(self.names.first()),
        };
        if own.is_none() {
            let fresh =
                || Property::new("RELATED", "").with("TYPE", self.related.unwrap_or_default()).with("VALUE", "text");
            card.rewrite("RELATED", |old| set_list(old, names, |property| self.named(property), with_text, fresh));
        }
        for name in self.names {
            match own {
                Some(own) if own == name => {
                    card.rewrite(name, |old| set_list(old, names, some_text, with_text, || Property::new(name, "")));
                }
                // Or the name that is gone would be found there.
                _ if names.is_empty() => card.set(name, None),
                _ => {}
            }
        }
    }

    /// A name in `RELATED`; addresses and other contacts have no place on the server.
    fn named(&self, property: &Property) -> Option<Text> {
        let is_text = property.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("text"));
        let is_it = self.related.is_some_and(|kind| property.has_type(kind));
        if is_text && is_it { some_text(property) } else { None }
    }
}

fn with_text(property: Property, text: &Text) -> Property {
    property.with_value(escape(text.as_str()))
}
