//! Appointments: times and zones, series, and their occurrences.

use crate::client::{Answer, Client, clear, item, path, set};
use pimsync::exchange::Personality;

const QUIETLY: &str = "SendMeetingInvitations=\"SendToNone\"";
const NO_UPDATES: &str = "SendMeetingInvitationsOrCancellations=\"SendToNone\"";
const NO_CANCELLATIONS: &str = "SendMeetingCancellations=\"SendToNone\"";
const BERLIN: &str = "<t:StartTimeZone Id=\"W. Europe Standard Time\"/><t:EndTimeZone Id=\"W. Europe Standard Time\"/>";

fn exchange() -> Client {
    Client::start(Personality::Exchange)
}

fn create(client: &Client, inner: &str) -> Answer {
    client.create("calendar", QUIETLY, &format!("<t:CalendarItem>{inner}</t:CalendarItem>"))
}

fn read(client: &Client, id: &str) -> Answer {
    client.read(id, "AllProperties", "")
}

fn number(id: &str) -> String {
    id.split('"').nth(1).unwrap().to_owned()
}

fn field(name: &str, value: &str) -> String {
    let uri = match name {
        "Subject" | "Sensitivity" | "ReminderIsSet" => format!("item:{name}"),
        name => format!("calendar:{name}"),
    };
    set(&path(&uri), "CalendarItem", &format!("<t:{name}>{value}</t:{name}>"))
}

#[test]
fn times_without_an_offset_are_those_of_their_zone() {
    let client = exchange();
    let times = "<t:Start>2026-07-01T09:00:00</t:Start><t:End>2026-07-01T10:30:00</t:End>";
    let one = read(&client, &create(&client, &format!("{times}{BERLIN}")).id());
    let shown = ["Start", "End", "Duration", "CalendarItemType", "LegacyFreeBusyStatus", "MyResponseType"];
    let expected =
        ["2026-07-01T07:00:00Z", "2026-07-01T08:30:00Z", "PT1H30M", "Single", "Busy", "Organizer"].map(str::to_owned);
    assert_eq!(shown.map(|name| one.text(name)), expected, "{}", one.body);
    assert!(one.body.contains("<t:StartTimeZone Id=\"W. Europe Standard Time\" Name="), "{}", one.body);
    // Nobody said whether to remind: Exchange reminds.
    assert_eq!((one.text("ReminderIsSet"), one.text("ReminderMinutesBeforeStart")), ("true".into(), "15".into()));
    assert_eq!(one.text("EmailAddress"), "demo@example.org");

    // Another zone keeps the clock on the wall, and so moves the instant.
    let zone = set(&path("calendar:StartTimeZone"), "CalendarItem", "<t:StartTimeZone Id=\"Tokyo Standard Time\"/>");
    let moved = client.update(&one.id(), NO_UPDATES, &zone);
    assert_eq!(read(&client, &moved.id()).text("Start"), "2026-07-01T00:00:00Z");

    let nowhere = create(&client, "<t:StartTimeZone Id=\"Nowhere\"/>");
    assert_eq!(nowhere.codes(), ["ErrorCalendarInvalidTimeZone"]);
    let plain = read(&client, &create(&client, times).id());
    assert_eq!(plain.text("Start"), "2026-07-01T09:00:00Z");
    assert!(plain.body.contains("tzone://Microsoft/Utc"));
}

#[test]
fn a_time_zone_context_is_read_and_answered_in() {
    let client = exchange();
    let header =
        "<t:TimeZoneContext><t:TimeZoneDefinition Id=\"Eastern Standard Time\"/></t:TimeZoneContext></s:Header>";
    let call = |request: &str| client.post(&client.envelope(request).replace("</s:Header>", header));
    let made = call(&format!(
        "<m:CreateItem {QUIETLY}><m:Items><t:CalendarItem><t:Start>2026-07-01T09:00:00</t:Start>\
         <t:End>2026-07-01T10:00:00</t:End></t:CalendarItem></m:Items></m:CreateItem>"
    ));
    assert_eq!(read(&client, &made.id()).text("Start"), "2026-07-01T13:00:00Z");
    let answer = call(&format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:ItemIds>{}</m:ItemIds></m:GetItem>",
        made.id()
    ));
    assert_eq!(answer.text("Start"), "2026-07-01T09:00:00-04:00", "{}", answer.body);
}

#[test]
fn an_all_day_event_goes_from_midnight_to_midnight_of_its_zone() {
    let client = exchange();
    let all_day = |start: &str, end: &str| {
        let inner =
            format!("<t:Start>{start}</t:Start><t:End>{end}</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent>{BERLIN}");
        let one = read(&client, &create(&client, &inner).id());
        (one.text("Start"), one.text("End"))
    };
    let snapped = all_day("2026-11-02T09:00:00", "2026-11-02T10:00:00");
    assert_eq!(snapped, ("2026-11-01T23:00:00Z".into(), "2026-11-02T23:00:00Z".into()));
    // Midnight of UTC is one o'clock there, so the day after is touched.
    let utc = all_day("2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z");
    assert_eq!(utc, ("2026-11-01T23:00:00Z".into(), "2026-11-03T23:00:00Z".into()));
}

#[test]
fn what_cannot_be_is_refused_with_its_code() {
    let client = exchange();
    let timed = |start: &str, end: &str, more: &str| {
        create(&client, &format!("<t:Start>{start}</t:Start><t:End>{end}</t:End>{more}")).codes().remove(0)
    };
    let (one, two) = ("2026-11-02T09:00:00Z", "2026-11-02T10:00:00Z");
    assert_eq!(timed(two, one, ""), "ErrorCalendarEndDateIsEarlierThanStartDate");
    assert_eq!(timed(one, "2033-11-02T09:00:00Z", ""), "ErrorCalendarDurationIsTooLong");
    let daily = |interval: &str| {
        format!(
            "<t:Recurrence><t:DailyRecurrence><t:Interval>{interval}</t:Interval></t:DailyRecurrence><t:NoEndRecurrence>\
             <t:StartDate>2026-11-02</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
        )
    };
    assert_eq!(timed(one, two, &daily("1000")), "ErrorCalendarOutOfRange");
    assert_eq!(timed(one, "2026-11-03T10:00:00Z", &daily("1")), "ErrorOccurrenceTimeSpanTooBig");
    assert_eq!(timed(one, "2026-11-03T09:00:00Z", &daily("1")), "NoError");
    assert_eq!(timed(one, two, &daily("1")), "NoError");
    let id = create(&client, &format!("<t:UID>abc</t:UID><t:Start>{one}</t:Start><t:End>{two}</t:End>")).id();
    let refused = [field("UID", "other"), field("MyResponseType", "Accept"), field("IsCancelled", "true")];
    for update in refused {
        assert_eq!(client.update(&id, NO_UPDATES, &update).codes(), ["ErrorInvalidPropertySet"], "{update}");
    }
    let timeless = client.update(&id, NO_UPDATES, &clear(&path("calendar:Start")));
    assert_eq!(timeless.codes(), ["ErrorInvalidPropertyDelete"]);
    let unsaid = client.update(&id, "", &field("Location", "x"));
    assert_eq!(unsaid.codes(), ["ErrorSendMeetingInvitationsOrCancellationsRequired"]);
    assert_eq!(client.delete(&id, "").codes(), ["ErrorSendMeetingCancellationsRequired"]);
    let occurrence = format!("<t:OccurrenceItemId RecurringMasterId=\"{}\" InstanceIndex=\"1\"/>", number(&id));
    assert_eq!(read(&client, &occurrence).codes(), ["ErrorCalendarCannotUseIdForOccurrenceId"]);
    let master = format!("<t:RecurringMasterItemId OccurrenceId=\"{}\"/>", number(&id));
    assert_eq!(read(&client, &master).codes(), ["ErrorCalendarCannotUseIdForRecurringMasterId"]);
}

#[test]
fn an_event_is_found_by_the_global_id_that_its_uid_makes() {
    let client = exchange();
    let global =
        "<t:ExtendedFieldURI DistinguishedPropertySetId=\"Meeting\" PropertyId=\"35\" PropertyType=\"Binary\"/>";
    let twins = [create(&client, "<t:UID>a@b</t:UID>").id(), create(&client, "<t:UID>a@b</t:UID>").id()];
    create(&client, "<t:UID>c@d</t:UID>");
    let value = client.read(&twins[0], "IdOnly", global).text("Value");
    let find = |path: &str, value: &str| {
        client.call(&format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
             <m:Restriction><t:IsEqualTo>{path}<t:FieldURIOrConstant><t:Constant Value=\"{value}\"/></t:FieldURIOrConstant>\
             </t:IsEqualTo></m:Restriction><m:ParentFolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds>\
             </m:FindItem>"
        ))
    };
    assert_eq!(find(global, &value).all("<t:ItemId Id=\"", "\"").len(), 2);
    assert_eq!(find(&path("calendar:UID"), "a@b").codes(), ["ErrorUnsupportedPathForQuery"]);
}

/// Mondays and Wednesdays at nine in Berlin, ten times: 19 October to 18 November 2026, over the end of summer time.
fn series(client: &Client) -> Answer {
    let recurrence = "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday Wednesday</t:DaysOfWeek>\
         </t:WeeklyRecurrence><t:NumberedRecurrence><t:StartDate>2026-10-17</t:StartDate>\
         <t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>";
    create(
        client,
        &format!(
            "<t:Subject>Team</t:Subject><t:Body BodyType=\"Text\">Agenda</t:Body><t:Start>2026-10-17T09:00:00</t:Start>\
             <t:End>2026-10-17T10:00:00</t:End><t:Location>Room 1</t:Location>{recurrence}{BERLIN}"
        ),
    )
}

fn nth(master: &str, index: i32) -> String {
    format!("<t:OccurrenceItemId RecurringMasterId=\"{}\" InstanceIndex=\"{index}\"/>", number(master))
}

#[test]
fn a_series_begins_with_its_first_occurrence_and_keeps_the_hour() {
    let client = exchange();
    let master = series(&client).id();
    let all = read(&client, &master);
    assert_eq!((all.text("Start"), all.text("StartDate")), ("2026-10-19T07:00:00Z".into(), "2026-10-17+02:00".into()));
    assert_eq!((all.text("CalendarItemType"), all.text("IsRecurring")), ("RecurringMaster".into(), "false".into()));
    let last = all.first("<t:LastOccurrence>", "</t:LastOccurrence>");
    assert!(last.contains("<t:Start>2026-11-18T08:00:00Z</t:Start>"), "{last}");
    assert!(!all.body.contains("ModifiedOccurrences") && !all.body.contains("DeletedOccurrences"));
    let third = read(&client, &nth(&master, 3));
    assert_eq!(
        (third.text("Start"), third.text("CalendarItemType")),
        ("2026-10-26T08:00:00Z".into(), "Occurrence".into())
    );
    assert_eq!(third.text("RecurrenceId"), "2026-10-26T08:00:00Z");
    assert!(!third.body.contains("<t:Recurrence>"));
    let of = format!("<t:RecurringMasterItemId OccurrenceId=\"{}\"/>", third.item_id());
    assert_eq!(read(&client, &of).item_id(), number(&master));
    for index in [0, 11] {
        let code = read(&client, &nth(&master, index)).codes();
        assert_eq!(code, ["ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"]);
    }
}

#[test]
fn occurrences_change_and_go_one_by_one_and_the_series_is_what_changed() {
    let client = exchange();
    let master = series(&client).id();
    let state = client.call(&client.sync("calendar", "", 100)).sync_state();
    let key = master.split('"').nth(3).unwrap().to_owned();
    let third = nth(&master, 3).replace("InstanceIndex", &format!("ChangeKey=\"{key}\" InstanceIndex"));
    let moved =
        [field("Start", "2026-10-26T12:00:00Z"), field("End", "2026-10-26T13:00:00Z"), field("Subject", "Team, later")];
    let changed = client.update(&third, NO_UPDATES, &moved.concat());
    assert_eq!(changed.codes(), ["NoError"], "{}", changed.body);
    let one = read(&client, &changed.id());
    let shown = ["CalendarItemType", "Start", "RecurrenceId", "Subject", "Location"].map(|name| one.text(name));
    assert_eq!(shown, ["Exception", "2026-10-26T12:00:00Z", "2026-10-26T08:00:00Z", "Team, later", "Room 1"]);
    assert_eq!(client.update(&third, NO_UPDATES, &moved[0]).codes(), ["ErrorIrresolvableConflict"]);
    assert_eq!(client.delete(&nth(&master, 5), NO_CANCELLATIONS).codes(), ["NoError"]);
    assert_eq!(read(&client, &nth(&master, 5)).codes(), ["ErrorCalendarOccurrenceIsDeletedFromRecurrence"]);

    let page = client.call(&client.sync("calendar", &state, 100));
    assert_eq!(page.kinds(), ["Update"]);
    assert_eq!(page.item_id(), number(&master));
    let all = read(&client, &item(&number(&master), ""));
    let exceptions = all.first("<t:ModifiedOccurrences>", "</t:ModifiedOccurrences>");
    assert!(exceptions.contains("<t:Start>2026-10-26T12:00:00Z</t:Start>"), "{exceptions}");
    assert!(exceptions.contains("<t:OriginalStart>2026-10-26T08:00:00Z</t:OriginalStart>"), "{exceptions}");
    let deleted = all.first("<t:DeletedOccurrences>", "</t:DeletedOccurrences>");
    assert!(deleted.contains("2026-11-02T08:00:00Z"), "{deleted}");

    // What the exception does not have of its own it has from its series.
    let updated =
        client.update(&all.id(), NO_UPDATES, &[field("Location", "Room 2"), field("Subject", "Crew")].concat());
    let one = read(&client, &nth(&master, 3));
    assert_eq!((one.text("Location"), one.text("Subject")), ("Room 2".into(), "Team, later".into()));
    // The same time over again changes nothing; with another one it is another series.
    let updated = client.update(&updated.id(), NO_UPDATES, &field("Start", "2026-10-19T09:00:00+02:00"));
    assert!(read(&client, &updated.id()).body.contains("ModifiedOccurrences"));
    client.update(&updated.id(), NO_UPDATES, &field("Start", "2026-10-19T06:30:00Z"));
    let all = read(&client, &item(&number(&master), ""));
    assert!(!all.body.contains("ModifiedOccurrences") && !all.body.contains("DeletedOccurrences"), "{}", all.body);
}

#[test]
fn an_exception_has_a_body_files_and_a_reminder_of_its_own() {
    let client = exchange();
    let master = series(&client).id();
    let third = read(&client, &nth(&master, 3)).id();
    let parent = third.replace("t:ItemId", "m:ParentItemId");
    let attached = client.call(&format!(
        "<m:CreateAttachment>{parent}<m:Attachments><t:FileAttachment><t:Name>a.txt</t:Name><t:Content>YQ==</t:Content>\
         </t:FileAttachment></m:Attachments></m:CreateAttachment>"
    ));
    assert_eq!(attached.codes(), ["NoError"], "{}", attached.body);
    let key = attached.first("RootItemChangeKey=\"", "\"");
    let body = set(&path("item:Body"), "CalendarItem", "<t:Body BodyType=\"Text\">Own</t:Body>");
    let changes = [body, field("ReminderIsSet", "false")].concat();
    let updated = client.update(&item(&number(&third), &key), NO_UPDATES, &changes);
    assert_eq!(updated.codes(), ["NoError"], "{}", updated.body);
    let one = read(&client, &nth(&master, 3));
    assert!(one.body.contains(">Own</t:Body>") && one.body.contains("<t:Name>a.txt</t:Name>"), "{}", one.body);
    assert_eq!(one.text("ReminderIsSet"), "false");
    for other in [item(&number(&master), ""), nth(&master, 4)] {
        let other = read(&client, &other);
        assert!(other.body.contains(">Agenda</t:Body>") && !other.body.contains("a.txt"), "{}", other.body);
        assert_eq!(other.text("ReminderIsSet"), "true");
    }
    let file = one.first("<t:AttachmentId Id=\"", "\"");
    let of = |operation: &str| {
        client.call(&format!(
            "<m:{operation}><m:AttachmentIds><t:AttachmentId Id=\"{file}\"/></m:AttachmentIds></m:{operation}>"
        ))
    };
    assert_eq!(of("GetAttachment").text("Content"), "YQ==");
    let gone = of("DeleteAttachment");
    assert_eq!(gone.first("RootItemId RootItemId=\"", "\""), number(&third), "{}", gone.body);
    let one = read(&client, &nth(&master, 3));
    assert!(!one.body.contains("a.txt") && one.body.contains(">Own</t:Body>"), "{}", one.body);
}

#[test]
fn what_an_occurrence_cannot_do_is_refused() {
    let client = exchange();
    let master = series(&client).id();
    let third = read(&client, &nth(&master, 3)).id();
    let beyond = [field("Start", "2026-10-28T09:00:00Z"), field("End", "2026-10-28T10:00:00Z")].concat();
    assert_eq!(client.update(&third, NO_UPDATES, &beyond).codes(), ["ErrorOccurrenceCrossingBoundary"]);
    let recurrence = clear(&path("calendar:Recurrence"));
    assert_eq!(client.update(&third, NO_UPDATES, &recurrence).codes(), ["ErrorInvalidPropertySet"]);
    let moved = client.call(&format!(
        "<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id=\"deleteditems\"/></m:ToFolderId><m:ItemIds>{third}</m:ItemIds>\
         </m:MoveItem>"
    ));
    assert_eq!(moved.codes(), ["ErrorCalendarCannotMoveOrCopyOccurrence"]);
}

#[test]
fn exceptions_go_where_their_series_goes() {
    let client = exchange();
    let master = series(&client).id();
    client.update(&read(&client, &nth(&master, 2)).id(), NO_UPDATES, &field("Location", "Outside"));
    client.delete(&nth(&master, 4), NO_CANCELLATIONS);
    let relocate = |operation: &str| {
        client
            .call(&format!(
                "<m:{operation}><m:ToFolderId><t:DistinguishedFolderId Id=\"deleteditems\"/></m:ToFolderId><m:ItemIds>{}\
                 </m:ItemIds></m:{operation}>",
                item(&number(&master), "")
            ))
            .id()
    };
    let (copy, moved) = (relocate("CopyItem"), relocate("MoveItem"));
    for id in [&copy, &moved] {
        assert_eq!(read(&client, &nth(id, 2)).text("Location"), "Outside");
        assert_eq!(read(&client, &nth(id, 4)).codes(), ["ErrorCalendarOccurrenceIsDeletedFromRecurrence"]);
    }
    let sends =
        client.update(&copy, "SendMeetingInvitationsOrCancellations=\"SendToAllAndSaveCopy\"", &field("Location", "x"));
    assert_eq!(sends.codes(), ["ErrorCalendarCannotUpdateDeletedItem"]);
    assert_eq!(client.mailbox().items("Deleted Items").unwrap().len(), 2);
    client.delete(&item(&number(&copy), ""), NO_CANCELLATIONS);
    assert_eq!(read(&client, &nth(&moved, 2)).text("Location"), "Outside");
}

fn view(client: &Client, from: &str, until: &str) -> Answer {
    client.call(&format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>\
         <m:CalendarView StartDate=\"{from}\" EndDate=\"{until}\"/><m:ParentFolderIds>\
         <t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds></m:FindItem>"
    ))
}

#[test]
fn a_calendar_view_shows_each_occurrence_by_itself() {
    let client = exchange();
    let master = series(&client).id();
    create(
        &client,
        "<t:Subject>One</t:Subject><t:Start>2026-10-27T09:00:00Z</t:Start><t:End>2026-10-27T10:00:00Z</t:End>",
    );
    client.delete(&nth(&master, 4), NO_CANCELLATIONS);
    let moved = [field("Start", "2026-10-26T20:00:00Z"), field("End", "2026-10-26T21:00:00Z")].concat();
    client.update(&read(&client, &nth(&master, 3)).id(), NO_UPDATES, &moved);
    let found = view(&client, "2026-10-26T00:00:00Z", "2026-11-03T00:00:00Z");
    let starts = ["2026-10-26T20:00:00Z", "2026-10-27T09:00:00Z", "2026-11-02T08:00:00Z"];
    assert_eq!(found.all("<t:Start>", "<"), starts, "{}", found.body);
    assert_eq!(found.all("<t:CalendarItemType>", "<"), ["Exception", "Single", "Occurrence"]);
    let wide = view(&client, "2026-01-01T00:00:00Z", "2029-01-01T00:00:00Z");
    assert_eq!(wide.codes(), ["ErrorCalendarViewRangeTooBig"]);
    let backwards = view(&client, "2026-11-03T00:00:00Z", "2026-10-26T00:00:00Z");
    assert_eq!(backwards.codes(), ["ErrorCalendarEndDateIsEarlierThanStartDate"]);
}

#[test]
fn another_client_changes_items_and_occurrences_alike() {
    let client = exchange();
    let (mailbox, master) = (client.mailbox(), number(&series(&client).id()));
    let state = client.call(&client.sync("calendar", "", 100)).sync_state();
    let third = mailbox.occurrence(&master, 3).unwrap();
    mailbox.set_fields(&third, "<t:Location>Hall</t:Location><t:Subject>Third</t:Subject>").unwrap();
    mailbox.delete_occurrence(&mailbox.occurrence(&master, 4).unwrap()).unwrap();
    mailbox.clear_fields(&master, &["Location"]).unwrap();
    let xml = mailbox.item_xml(&third).unwrap();
    assert!(xml.contains("<t:Location>Hall<") && xml.contains("<t:Subject>Third<"), "{xml}");
    assert_eq!(client.call(&client.sync("calendar", &state, 100)).kinds(), ["Update"]);
    let all = read(&client, &item(&master, ""));
    assert!(!all.body.contains("<t:Location>") && all.body.contains("DeletedOccurrences"), "{}", all.body);
    let task = mailbox.add_item("Tasks", "<t:Task><t:Subject>Shelves</t:Subject></t:Task>").unwrap();
    mailbox.set_fields(&task, "<t:PercentComplete>100</t:PercentComplete>").unwrap();
    assert_eq!(read(&client, &item(&task, "")).text("Status"), "Completed");
    assert!(mailbox.add_item("Tasks", "<t:Task/><t:Task/>").is_err());
    assert!(mailbox.set_fields(&task, "<t:PercentComplete>101</t:PercentComplete>").is_err());
}

#[test]
fn gromox_tells_of_exceptions_in_its_own_way() {
    let client = Client::start(Personality::Gromox);
    let master = series(&client).id();
    let state = client.call(&client.sync("calendar", "", 100)).sync_state();
    let third = read(&client, &nth(&master, 3)).id();
    client.update(&third, NO_UPDATES, &field("Location", "Outside"));
    client.update(&third, NO_UPDATES, &field("ReminderIsSet", "true"));
    client.delete(&nth(&master, 5), NO_CANCELLATIONS);
    assert!(client.call(&client.sync("calendar", &state, 100)).kinds().is_empty());
    let all = read(&client, &item(&number(&master), ""));
    let exceptions = all.first("<t:ModifiedOccurrences>", "</t:ModifiedOccurrences>");
    assert!(exceptions.contains("<t:OriginalStart>2026-10-25T23:00:00.0000000Z"), "{exceptions}");
    assert!(all.first("<t:DeletedOccurrences>", "</t:DeletedOccurrences>").contains("2026-11-02T08:00:00.0000000Z"));
    assert_eq!(all.text("StartDate"), "2026-10-17T00:00:00Z");
    assert_eq!(all.all("<t:StartTimeZone ", ">").len(), 2);
    let of = format!("<t:RecurringMasterItemId OccurrenceId=\"{}\"/>", number(&third));
    assert_eq!(read(&client, &of).codes(), ["ErrorInvalidId"]);
    let found = view(&client, "2026-10-01T00:00:00Z", "2026-12-03T00:00:00Z");
    assert_eq!(found.all("<t:CalendarItemType>", "<"), ["RecurringMaster"]);
}
