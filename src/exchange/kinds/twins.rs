//! MAPI properties that are elements, too: whichever of the two is set, both show it.

use super::super::props::PropertyName;

/// The property set of tasks.
const TASK: &str = "00062003-0000-0000-c000-000000000046";
/// The property set that most items share.
const COMMON: &str = "00062008-0000-0000-c000-000000000046";

/// The tags of contacts' elements (MS-OXOCNTC, MS-OXPROPS).
const TAGS: &[(u32, &str)] = &[
    (0x3001, "DisplayName"),
    (0x3A05, "Generation"),
    (0x3A06, "GivenName"),
    (0x3A0A, "Initials"),
    (0x3A11, "Surname"),
    (0x3A16, "CompanyName"),
    (0x3A17, "JobTitle"),
    (0x3A18, "Department"),
    (0x3A19, "OfficeLocation"),
    (0x3A30, "AssistantName"),
    (0x3A41, "WeddingAnniversary"),
    (0x3A42, "Birthday"),
    (0x3A44, "MiddleName"),
    (0x3A46, "Profession"),
    (0x3A48, "SpouseName"),
    (0x3A4E, "Manager"),
    (0x3A4F, "Nickname"),
    (0x3A51, "BusinessHomePage"),
];

/// The numbered properties of tasks and reminders.
const NUMBERS: &[(&str, i64, &str)] = &[
    (TASK, 0x8104, "StartDate"),
    (TASK, 0x8105, "DueDate"),
    (TASK, 0x810F, "CompleteDate"),
    (COMMON, 0x8501, "ReminderMinutesBeforeStart"),
    (COMMON, 0x8502, "ReminderDueBy"),
    (COMMON, 0x8503, "ReminderIsSet"),
];

/// The element whose value a property has.
pub(in super::super) fn element_of(name: &PropertyName) -> Option<&'static str> {
    match name {
        PropertyName::Tag(tag) => TAGS.iter().find(|(known, _)| known == tag).map(|(_, element)| *element),
        PropertyName::Numbered(set, number) => {
            let row = NUMBERS.iter().find(|(known, id, _)| known == set && id == number);
            row.map(|(.., element)| *element)
        }
        PropertyName::Named(..) => None,
    }
}

/// PidLidPrivate, which says the same as a sensitivity of `Private`.
pub(in super::super) fn is_private(name: &PropertyName) -> bool {
    matches!(name, PropertyName::Numbered(set, 0x8506) if set == COMMON)
}
