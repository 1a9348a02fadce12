//! Meetings between mailboxes of the server: who is told what, and that nobody is told unasked.

use crate::client::{Answer, Client, USER, item, path, set};
use pimsync::exchange::{Options, User};

const ALL: &str = "SendToAllAndSaveCopy";

fn client() -> Client {
    let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
    Client::with(Options { users: vec![user(USER), user("ben@example.org")], ..Options::default() })
}

fn create(client: &Client, send: &str, more: &str) -> Answer {
    let attendee = |address: &str| {
        format!("<t:Attendee><t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox></t:Attendee>")
    };
    let inner = format!(
        "<t:Subject>Plans</t:Subject><t:UID>plans@example.org</t:UID><t:Start>2026-11-02T09:00:00Z</t:Start>\
         <t:End>2026-11-02T10:00:00Z</t:End><t:RequiredAttendees>{}{}</t:RequiredAttendees>{more}",
        attendee("ben@example.org"),
        attendee("eve@elsewhere.example")
    );
    let attributes = format!("SendMeetingInvitations=\"{send}\"");
    client.create("calendar", &attributes, &format!("<t:CalendarItem>{inner}</t:CalendarItem>"))
}

fn subjects(client: &Client, user: &str, folder: &str) -> Vec<String> {
    let items = client.server.mailbox(user).unwrap().items(folder).unwrap();
    items.into_iter().map(|item| format!("{} {}", item.class, item.subject)).collect()
}

fn read(client: &Client, user: &str, id: &str) -> Answer {
    client.post_as(
        user,
        &client.envelope(&format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds>{id}</m:ItemIds>\
             </m:GetItem>"
        )),
    )
}

fn first(client: &Client, user: &str, folder: &str) -> String {
    let items = client.server.mailbox(user).unwrap().items(folder).unwrap();
    item(&items[0].id, &items[0].change_key)
}

fn accept(client: &Client, user: &str, disposition: &str, reference: &str) -> Answer {
    let reference = reference.replace("t:ItemId", "t:ReferenceItemId");
    client.post_as(
        user,
        &client.envelope(&format!(
            "<m:CreateItem MessageDisposition=\"{disposition}\"><m:Items><t:AcceptItem>{reference}</t:AcceptItem></m:Items>\
             </m:CreateItem>"
        )),
    )
}

#[test]
fn nobody_is_told_unless_it_is_asked_for() {
    let client = client();
    let id = create(&client, "SendToNone", "").id();
    let one = read(&client, USER, &id);
    let shown = ["IsMeeting", "MeetingRequestWasSent", "MyResponseType", "IsOrganizer", "AppointmentState"];
    assert_eq!(shown.map(|name| one.text(name)), ["true", "false", "Organizer", "true", "1"], "{}", one.body);
    assert_eq!(one.all("<t:ResponseType>", "<"), ["Unknown", "Unknown"]);
    let place = set(&path("calendar:Location"), "CalendarItem", "<t:Location>Hall</t:Location>");
    let updated = client.update(&id, "SendMeetingInvitationsOrCancellations=\"SendToNone\"", &place);
    client.delete(&updated.id(), "SendMeetingCancellations=\"SendToNone\"");
    for folder in ["Inbox", "Calendar"] {
        assert!(subjects(&client, "ben@example.org", folder).is_empty());
    }
    assert!(subjects(&client, USER, "Sent Items").is_empty());
}

#[test]
fn an_invitation_is_answered_and_the_organizer_learns_it() {
    let client = client();
    let ben = "ben@example.org";
    let id = create(&client, ALL, "").id();
    assert_eq!(subjects(&client, ben, "Inbox"), ["IPM.Schedule.Meeting.Request Plans"]);
    assert_eq!(subjects(&client, USER, "Sent Items"), ["IPM.Schedule.Meeting.Request Plans"]);
    let theirs = first(&client, ben, "Calendar");
    let entry = read(&client, ben, &theirs);
    let shown = ["MyResponseType", "LegacyFreeBusyStatus", "IsOrganizer", "UID"].map(|name| entry.text(name));
    assert_eq!(shown, ["NoResponseReceived", "Tentative", "false", "plans@example.org"]);
    let request = first(&client, ben, "Inbox");
    let letter = read(&client, ben, &request);
    assert!(letter.body.contains("<t:MeetingRequest>") && letter.body.contains("AssociatedCalendarItemId"));

    let quiet = accept(&client, ben, "SaveOnly", &theirs);
    assert_eq!(quiet.codes(), ["NoError"], "{}", quiet.body);
    let entry = read(&client, ben, &first(&client, ben, "Calendar"));
    assert_eq!((entry.text("MyResponseType"), entry.text("LegacyFreeBusyStatus")), ("Accept".into(), "Busy".into()));
    assert!(subjects(&client, USER, "Inbox").is_empty());
    let loud = accept(&client, ben, "SendAndSaveCopy", &request);
    assert_eq!(loud.codes(), ["NoError"], "{}", loud.body);
    assert_eq!(subjects(&client, USER, "Inbox"), ["IPM.Schedule.Meeting.Resp.Pos Accepted: Plans"]);
    assert_eq!(subjects(&client, ben, "Deleted Items"), ["IPM.Schedule.Meeting.Request Plans"]);
    let own = read(&client, USER, &item(id.split('"').nth(1).unwrap(), ""));
    assert_eq!(own.all("<t:ResponseType>", "<"), ["Accept", "Unknown"]);
    // The list of a later update does not make the server forget who answered.
    let again = read(&client, USER, &own.id()).first("<t:RequiredAttendees>", "</t:RequiredAttendees>");
    let list = format!("<t:RequiredAttendees>{}</t:RequiredAttendees>", again.replace("Accept<", "Decline<"));
    let same = set(&path("calendar:RequiredAttendees"), "CalendarItem", &list);
    let updated = client.update(&own.id(), "SendMeetingInvitationsOrCancellations=\"SendToNone\"", &same);
    assert_eq!(read(&client, USER, &updated.id()).all("<t:ResponseType>", "<"), ["Accept", "Unknown"]);
}

#[test]
fn an_update_and_a_cancellation_reach_the_attendee() {
    let client = client();
    let ben = "ben@example.org";
    let id = create(&client, ALL, "").id();
    accept(&client, ben, "SaveOnly", &first(&client, ben, "Calendar"));
    let place = set(&path("calendar:Location"), "CalendarItem", "<t:Location>Hall</t:Location>");
    let current = read(&client, USER, &item(id.split('"').nth(1).unwrap(), "")).id();
    let updated = client.update(&current, &format!("SendMeetingInvitationsOrCancellations=\"{ALL}\""), &place);
    assert_eq!(updated.codes(), ["NoError"], "{}", updated.body);
    let entry = read(&client, ben, &first(&client, ben, "Calendar"));
    assert_eq!((entry.text("Location"), entry.text("AppointmentSequenceNumber")), ("Hall".into(), "1".into()));
    assert_eq!((entry.text("MyResponseType"), entry.text("Start")), ("Accept".into(), "2026-11-02T09:00:00Z".into()));
    let deleted = client.delete(&updated.id(), &format!("SendMeetingCancellations=\"{ALL}\""));
    assert_eq!(deleted.codes(), ["NoError"], "{}", deleted.body);
    let entry = read(&client, ben, &first(&client, ben, "Calendar"));
    assert_eq!((entry.text("IsCancelled"), entry.text("Subject")), ("true".into(), "Canceled: Plans".into()));
    assert_eq!(subjects(&client, ben, "Inbox")[0], "IPM.Schedule.Meeting.Canceled Canceled: Plans");
    let reference = entry.id().replace("t:ItemId", "t:ReferenceItemId");
    let late = client.post_as(
        ben,
        &client.envelope(&format!(
            "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:Items><t:DeclineItem>{reference}</t:DeclineItem></m:Items>\
             </m:CreateItem>"
        )),
    );
    assert_eq!(late.codes(), ["ErrorCalendarIsCancelledForDecline"]);
}

#[test]
fn the_organizer_cannot_accept_and_the_attendee_cannot_invite() {
    let client = client();
    let ben = "ben@example.org";
    let id = create(&client, ALL, "").id().replace("t:ItemId", "t:ReferenceItemId");
    let own = client.call(&format!(
        "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:Items><t:TentativelyAcceptItem>{id}</t:TentativelyAcceptItem></m:Items>\
         </m:CreateItem>"
    ));
    assert_eq!(own.codes(), ["ErrorCalendarIsOrganizerForTentative"]);
    let update = client.envelope(&format!(
        "<m:UpdateItem ConflictResolution=\"NeverOverwrite\" SendMeetingInvitationsOrCancellations=\"SendToNone\"><m:ItemChanges>\
         <t:ItemChange>{}<t:Updates><t:DeleteItemField>{}</t:DeleteItemField></t:Updates></t:ItemChange></m:ItemChanges>\
         </m:UpdateItem>",
        first(&client, ben, "Calendar"),
        path("calendar:RequiredAttendees")
    ));
    assert_eq!(client.post_as(ben, &update).codes(), ["ErrorInvalidPropertySet"]);
}

#[test]
fn one_occurrence_is_moved_and_called_off_for_all() {
    let client = client();
    let ben = "ben@example.org";
    let daily = "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence>\
         <t:StartDate>2026-11-02</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence>\
         </t:Recurrence>";
    let master = create(&client, ALL, daily).item_id();
    let nth = |master: &str, index: i32| {
        format!("<t:OccurrenceItemId RecurringMasterId=\"{master}\" InstanceIndex=\"{index}\"/>")
    };
    let time = |name: &str, at: &str| {
        set(&path(&format!("calendar:{name}")), "CalendarItem", &format!("<t:{name}>{at}</t:{name}>"))
    };
    let second = read(&client, USER, &nth(&master, 2)).id();
    let later = [time("Start", "2026-11-03T15:00:00Z"), time("End", "2026-11-03T16:00:00Z")].concat();
    let moved = client.update(&second, &format!("SendMeetingInvitationsOrCancellations=\"{ALL}\""), &later);
    assert_eq!(moved.codes(), ["NoError"], "{}", moved.body);
    let gone = client.delete(&nth(&master, 4), &format!("SendMeetingCancellations=\"{ALL}\""));
    assert_eq!(gone.codes(), ["NoError"], "{}", gone.body);
    let theirs = first(&client, ben, "Calendar").split('"').nth(1).unwrap().to_owned();
    assert_eq!(read(&client, ben, &nth(&theirs, 2)).text("Start"), "2026-11-03T15:00:00Z");
    assert_eq!(read(&client, ben, &nth(&theirs, 3)).text("Start"), "2026-11-04T09:00:00Z");
    assert_eq!(read(&client, ben, &nth(&theirs, 4)).text("IsCancelled"), "true");
    assert_eq!(read(&client, ben, &item(&theirs, "")).text("IsRecurring"), "true");
    // An update of the series brings its exceptions along.
    let place = set(&path("calendar:Location"), "CalendarItem", "<t:Location>Hall</t:Location>");
    let current = read(&client, USER, &item(&master, "")).id();
    client.update(&current, &format!("SendMeetingInvitationsOrCancellations=\"{ALL}\""), &place);
    let one = read(&client, ben, &nth(&theirs, 2));
    assert_eq!((one.text("Start"), one.text("Location")), ("2026-11-03T15:00:00Z".into(), "Hall".into()));
    assert_eq!(read(&client, ben, &nth(&theirs, 4)).codes(), ["ErrorCalendarOccurrenceIsDeletedFromRecurrence"]);
}
