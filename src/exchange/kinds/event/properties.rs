//! MAPI properties that an appointment has without their being set.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::props::PropertyName;
use super::super::super::store::Item;
use super::super::values;
use super::{uid, zone_of};

/// The property set of meetings.
const MEETING: &str = "6ed8da90-450b-101b-98da-00aa003f1305";
/// The property set of appointments.
const APPOINTMENT: &str = "00062002-0000-0000-c000-000000000046";

/// The value of a property.
pub(in super::super::super) fn property(item: &Item, name: &PropertyName) -> Option<String> {
    let PropertyName::Numbered(set, number) = name else { return None };
    let fields = &item.meta.fields;
    match (set.as_str(), number) {
        // PidLidGlobalObjectId.
        (MEETING, 0x03) => {
            let day = values::time(fields, "RecurrenceId").map(|at| zone_of(&item.meta).wall(at).date());
            Some(STANDARD.encode(uid::global_id(&values::text(fields, "UID")?, day)))
        }
        // PidLidCleanGlobalObjectId.
        (MEETING, 0x23) => Some(STANDARD.encode(uid::clean_global_id(&values::text(fields, "UID")?))),
        // PidLidAppointmentStateFlags.
        (APPOINTMENT, 0x8217) => values::text(fields, "AppointmentState").or_else(|| Some("0".to_owned())),
        // PidLidRecurring.
        (APPOINTMENT, 0x8223) => Some((item.master == 0 && fields.contains_key("Recurrence")).to_string()),
        _ => None,
    }
}
