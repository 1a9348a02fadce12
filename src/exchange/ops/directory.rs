//! GetServerTimeZones, ConvertId.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::ids::Id;
use super::super::soap::{Answer, Refusal};
use super::super::xml::{Element, XmlOut};
use super::super::zones::{DAYS, Switch, Zone};
use super::{Context, bad_id};

/// The year whose rules of summer time are told.
const RULES_OF: i16 = 2026;

pub(super) fn time_zones(_context: &Context<'_>, request: &Element, answer: &mut Answer<'_>) {
    let wanted: Vec<&str> = request.list("Ids").iter().map(|id| id.text.trim()).collect();
    let full = request.attribute("ReturnFullTimeZoneData").is_none_or(super::is_true);
    let mut out = XmlOut::new();
    out.raw("<m:TimeZoneDefinitions>");
    for zone in Zone::all().filter(|zone| wanted.is_empty() || wanted.contains(&zone.id.as_str())) {
        definition(&mut out, &zone, full);
    }
    out.raw("</m:TimeZoneDefinitions>");
    answer.message("m:GetServerTimeZonesResponseMessage", &Ok(out.buffer), "");
}

fn definition(out: &mut XmlOut, zone: &Zone, full: bool) {
    let (id, name) = (zone.id.as_str(), zone.name.as_str());
    if !full {
        return out.leaf("t:TimeZoneDefinition", &[("Id", id), ("Name", name)], "");
    }
    let rule = |kind: &str| format!("trule:Microsoft/Registry/{id}/1-{kind}");
    let bias = |minutes: i32| {
        let sign = if minutes < 0 { "-" } else { "" };
        format!("{sign}PT{}H{}M", minutes.abs() / 60, minutes.abs() % 60)
    };
    let (west, summer) = zone.summer(RULES_OF);
    out.open("t:TimeZoneDefinition", &[("Id", id), ("Name", name)]);
    out.raw("<t:Periods>");
    out.leaf("t:Period", &[("Bias", &bias(west)), ("Name", "Standard"), ("Id", &rule("Standard"))], "");
    if summer.is_some() {
        out.leaf("t:Period", &[("Bias", &bias(west - 60)), ("Name", "Daylight"), ("Id", &rule("Daylight"))], "");
    }
    out.raw("</t:Periods><t:TransitionsGroups><t:TransitionsGroup Id=\"0\">");
    match summer {
        Some([begin, end]) => {
            transition(out, &rule("Daylight"), begin);
            transition(out, &rule("Standard"), end);
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

fn transition(out: &mut XmlOut, to: &str, switch: Switch) {
    out.raw("<t:RecurringDayTransition>");
    out.leaf("t:To", &[("Kind", "Period")], to);
    out.put("t:TimeOffset", &format!("PT{}H{}M", switch.minutes / 60, switch.minutes % 60));
    out.put("t:Month", &switch.month.to_string());
    let day = usize::try_from(switch.weekday.to_sunday_zero_offset()).ok().and_then(|day| DAYS.get(day));
    out.put("t:DayOfWeek", day.copied().unwrap_or_default());
    out.put("t:Occurrence", &switch.occurrence.to_string());
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
            Id::Folder(_) | Id::Item(_) | Id::Occurrence(..) => {}
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
