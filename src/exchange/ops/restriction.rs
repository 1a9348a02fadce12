//! Restrictions of FindItem and FindFolder: conditions on properties, told as a tree.

use super::super::time;
use super::super::xml::Element;

/// The value of a property, comparable with a constant that a request holds as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
    /// Milliseconds since 1970.
    Time(i64),
    Many(Vec<String>),
}

/// Looks up the property that a path (FieldURI, IndexedFieldURI, ExtendedFieldURI) names.
pub(super) type Lookup<'a> = dyn Fn(&Element) -> Option<Value> + 'a;

/// Whether a `Restriction` holds.
pub(super) fn holds(restriction: &Element, lookup: &Lookup<'_>) -> bool {
    restriction.children.first().is_none_or(|condition| test(condition, lookup))
}

fn test(condition: &Element, lookup: &Lookup<'_>) -> bool {
    let mut inner = condition.children.iter();
    match condition.name.as_str() {
        "And" => inner.all(|condition| test(condition, lookup)),
        "Or" => inner.any(|condition| test(condition, lookup)),
        "Not" => !inner.any(|condition| test(condition, lookup)),
        "Exists" => inner.next().and_then(lookup).is_some(),
        "Contains" => contains(condition, lookup),
        "Excludes" => excludes(condition, lookup),
        name => compare(name, condition, lookup),
    }
}

fn excludes(condition: &Element, lookup: &Lookup<'_>) -> bool {
    let mask = condition.child("Bitmask").and_then(|mask| mask.attribute("Value")).unwrap_or("0");
    let mask = mask.strip_prefix("0x").map_or_else(|| mask.parse().ok(), |hex| i64::from_str_radix(hex, 16).ok());
    match condition.children.first().and_then(lookup) {
        Some(Value::Number(number)) => number & mask.unwrap_or(0) == 0,
        Some(Value::Text(text)) => text.parse::<i64>().is_ok_and(|number| number & mask.unwrap_or(0) == 0),
        _ => true,
    }
}

fn contains(condition: &Element, lookup: &Lookup<'_>) -> bool {
    let Some(value) = condition.children.first().and_then(lookup) else { return false };
    let wanted = condition.child("Constant").and_then(|constant| constant.attribute("Value")).unwrap_or_default();
    let exact = matches!(condition.attribute("ContainmentComparison"), None | Some("Exact"));
    let fold = |text: &str| if exact { text.to_owned() } else { text.to_lowercase() };
    let wanted = fold(wanted);
    let texts = match value {
        Value::Text(text) => vec![text],
        Value::Many(texts) => texts,
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(_) | Value::Time(_) => return false,
    };
    texts.iter().map(|text| fold(text)).any(|text| match condition.attribute("ContainmentMode") {
        Some("Prefixed") => text.starts_with(&wanted),
        Some("Substring") => text.contains(&wanted),
        Some("PrefixOnWords" | "ExactPhrase") => {
            text.split(|character: char| !character.is_alphanumeric()).any(|word| word.starts_with(&wanted))
                || text.contains(&wanted)
        }
        _ => text == wanted,
    })
}

fn compare(name: &str, condition: &Element, lookup: &Lookup<'_>) -> bool {
    let Some(value) = condition.children.first().and_then(lookup) else { return name == "IsNotEqualTo" };
    let Some(other) = condition.child("FieldURIOrConstant").and_then(|holder| holder.children.first()) else {
        return false;
    };
    let order = if other.name == "Constant" {
        order_to_constant(&value, other.attribute("Value").unwrap_or_default())
    } else {
        lookup(other).and_then(|other| order_to_value(&value, &other))
    };
    let Some(order) = order else { return name == "IsNotEqualTo" };
    match name {
        "IsEqualTo" => order.is_eq(),
        "IsNotEqualTo" => order.is_ne(),
        "IsGreaterThan" => order.is_gt(),
        "IsGreaterThanOrEqualTo" => order.is_ge(),
        "IsLessThan" => order.is_lt(),
        "IsLessThanOrEqualTo" => order.is_le(),
        _ => false,
    }
}

fn order_to_constant(value: &Value, constant: &str) -> Option<std::cmp::Ordering> {
    match value {
        Value::Text(text) => Some(text.to_lowercase().cmp(&constant.to_lowercase())),
        Value::Number(number) => Some(number.cmp(&constant.trim().parse().ok()?)),
        Value::Bool(flag) => Some(flag.cmp(&super::is_true(constant))),
        Value::Time(millis) => Some((millis / 1000).cmp(&(time::parse(constant)? / 1000))),
        Value::Many(texts) => {
            let found = texts.iter().any(|text| text.to_lowercase() == constant.to_lowercase());
            Some(if found { std::cmp::Ordering::Equal } else { std::cmp::Ordering::Less })
        }
    }
}

fn order_to_value(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) | (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    }
}
