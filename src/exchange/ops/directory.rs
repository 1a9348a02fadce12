//! GetServerTimeZones, ConvertId.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::ids::Id;
use super::super::soap::{Answer, Refusal};
use super::super::xml::{Element, XmlOut};
use super::{Context, bad_id};

/// When summer time begins and ends.
type Summer = ((u8, i8, u8), (u8, i8, u8));

/// A time zone: its Windows name, what people see, minutes west of Greenwich in winter, and when summer time begins and
/// ends (month, occurrence in the month of a Sunday with -1 for the last, hour).
type Zone = (&'static str, &'static str, i32, Option<Summer>);

const EUROPE: Option<Summer> = Some(((3, -1, 2), (10, -1, 3)));
const AMERICA: Option<Summer> = Some(((3, 2, 2), (11, 1, 2)));

const ZONES: &[Zone] = &[
    ("UTC", "(UTC) Coordinated Universal Time", 0, None),
    ("GMT Standard Time", "(UTC+00:00) Dublin, Edinburgh, Lisbon, London", 0, Some(((3, -1, 1), (10, -1, 2)))),
    ("Greenwich Standard Time", "(UTC+00:00) Monrovia, Reykjavik", 0, None),
    ("W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", -60, EUROPE),
    ("Central Europe Standard Time", "(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague", -60, EUROPE),
    ("Romance Standard Time", "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris", -60, EUROPE),
    (
        "FLE Standard Time",
        "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius",
        -120,
        Some(((3, -1, 3), (10, -1, 4))),
    ),
    ("South Africa Standard Time", "(UTC+02:00) Harare, Pretoria", -120, None),
    ("Russian Standard Time", "(UTC+03:00) Moscow, St. Petersburg", -180, None),
    ("India Standard Time", "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", -330, None),
    ("China Standard Time", "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi", -480, None),
    ("Tokyo Standard Time", "(UTC+09:00) Osaka, Sapporo, Tokyo", -540, None),
    ("AUS Eastern Standard Time", "(UTC+10:00) Canberra, Melbourne, Sydney", -600, Some(((10, 1, 2), (4, 1, 3)))),
    ("New Zealand Standard Time", "(UTC+12:00) Auckland, Wellington", -720, Some(((9, -1, 2), (4, 1, 3)))),
    ("E. South America Standard Time", "(UTC-03:00) Brasilia", 180, None),
    ("Atlantic Standard Time", "(UTC-04:00) Atlantic Time (Canada)", 240, AMERICA),
    ("Eastern Standard Time", "(UTC-05:00) Eastern Time (US & Canada)", 300, AMERICA),
    ("Central Standard Time", "(UTC-06:00) Central Time (US & Canada)", 360, AMERICA),
    ("Mountain Standard Time", "(UTC-07:00) Mountain Time (US & Canada)", 420, AMERICA),
    ("Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)", 480, AMERICA),
];

pub(super) fn time_zones(_context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let wanted: Vec<&str> = request.list("Ids").iter().map(|id| id.text.trim()).collect();
    let full = request.attribute("ReturnFullTimeZoneData").is_none_or(super::is_true);
    let mut out = XmlOut::new();
    out.raw("<m:TimeZoneDefinitions>");
    for zone in ZONES.iter().filter(|zone| wanted.is_empty() || wanted.contains(&zone.0)) {
        definition(&mut out, zone, full);
    }
    out.raw("</m:TimeZoneDefinitions>");
    answer.message("m:GetServerTimeZonesResponseMessage", &Ok(out.buffer), "");
}

fn definition(out: &mut XmlOut, (id, name, west, summer): &Zone, full: bool) {
    if !full {
        return out.leaf("t:TimeZoneDefinition", &[("Id", id), ("Name", name)], "");
    }
    let rule = |kind: &str| format!("trule:Microsoft/Registry/{id}/1-{kind}");
    let bias = |minutes: i32| {
        let sign = if minutes < 0 { "-" } else { "" };
        format!("{sign}PT{}H{}M", minutes.abs() / 60, minutes.abs() % 60)
    };
    out.open("t:TimeZoneDefinition", &[("Id", id), ("Name", name)]);
    out.raw("<t:Periods>");
    out.leaf("t:Period", &[("Bias", &bias(*west)), ("Name", "Standard"), ("Id", &rule("Standard"))], "");
    if summer.is_some() {
        out.leaf("t:Period", &[("Bias", &bias(west - 60)), ("Name", "Daylight"), ("Id", &rule("Daylight"))], "");
    }
    out.raw("</t:Periods><t:TransitionsGroups><t:TransitionsGroup Id=\"0\">");
    match summer {
        Some((begin, end)) => {
            transition(out, &rule("Daylight"), *begin);
            transition(out, &rule("Standard"), *end);
        }
        None => {
            out.raw("<t:Transition>");
            out.leaf("t:To", &[("Kind", "Period")], &rule("Standard"));
            out.raw("</t:Transition>");
        }
    }
    out.raw("</t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition><t:To Kind=\"Group\">0</t:To>");
    out.raw("</t:Transition></t:Transitions></t:TimeZoneDefinition>");
}

fn transition(out: &mut XmlOut, to: &str, (month, occurrence, hour): (u8, i8, u8)) {
    out.raw("<t:RecurringDayTransition>");
    out.leaf("t:To", &[("Kind", "Period")], to);
    out.put("t:TimeOffset", &format!("PT{hour}H"));
    out.put("t:Month", &month.to_string());
    out.raw("<t:DayOfWeek>Sunday</t:DayOfWeek>");
    out.put("t:Occurrence", &occurrence.to_string());
    out.raw("</t:RecurringDayTransition>");
}

pub(super) fn convert(context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let format = request.attribute("DestinationFormat").unwrap_or("EwsId");
    context.batch(answer, request.list("SourceIds"), |_, source| {
        if source.name != "AlternateId" {
            return Err(Refusal::because("ErrorInvalidOperation", "There are no public folders."));
        }
        let id = source.attribute("Id").unwrap_or_default();
        let id = ews_id(source.attribute("Format").unwrap_or("EwsId"), id)
            .ok_or_else(|| Refusal::new("ErrorInvalidIdMalformed"))?;
        match context.ids.read(&id).map_err(bad_id)? {
            Id::Folder(_) | Id::Item(_) => {}
            Id::Attachment(..) => return Err(Refusal::new("ErrorInvalidIdMalformed")),
        }
        let mut out = XmlOut::new();
        // An abstract type in the schema: the answer says which one it is.
        let attributes = [
            ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
            ("xsi:type", "t:AlternateIdType"),
            ("Format", format),
            ("Id", &written(format, &id)),
            ("Mailbox", &context.mailbox.address),
        ];
        out.leaf("m:AlternateId", &attributes, "");
        Ok(out.buffer)
    });
}

/// The EWS id that an id of another format stands for.
fn ews_id(format: &str, id: &str) -> Option<String> {
    match format {
        "HexEntryId" => {
            let bytes: Option<Vec<u8>> = (0..id.len())
                .step_by(2)
                .map(|at| id.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
                .collect();
            Some(STANDARD.encode(bytes?))
        }
        "OwaId" => Some(id.replace("%2f", "/").replace("%2b", "+").replace("%3d", "=")),
        _ => Some(id.to_owned()),
    }
}

fn written(format: &str, id: &str) -> String {
    match format {
        "HexEntryId" => STANDARD.decode(id).unwrap_or_default().iter().map(|byte| format!("{byte:02X}")).collect(),
        "OwaId" => id.replace('/', "%2f").replace('+', "%2b").replace('=', "%3d"),
        _ => id.to_owned(),
    }
}
