//! Answers as servers give them, and answers that are out of taste.

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::super::{contact, event, note, recurrence, spelling, task};
use super::{Element, parse};
use crate::pim::event::{Answer, At, Busy, Role, When, ZoneName};
use crate::pim::recurrence::{End, Pattern, RelativeDays, WeekIndex};
use crate::pim::task::{RegenerationUnit, TaskRecurrence, TaskStatus};
use crate::pim::{
    AddressKey, Contact, DayOfLife, Event, Gender, Importance, Note, NoteColour, PhoneKey, Sensitivity, Task, Text,
    UnixTime,
};

fn berlin(time: jiff::civil::DateTime) -> At {
    At { time, zone: ZoneName::Named { tzid: "Europe/Berlin".into(), iana: "Europe/Berlin".into() } }
}

#[test]
fn a_contact_with_everything() {
    let item = parse(
        r#"<t:Contact><t:ItemId Id="c" ChangeKey="k"/><t:ItemClass>IPM.Contact</t:ItemClass><t:Subject>Dr. Grete Hermann</t:Subject>
        <t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="Text">Met in Bremen&#xD;
Twice</t:Body>
        <t:Categories><t:String>Physics</t:String><t:String>Old friends</t:String></t:Categories>
        <t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x3a45" PropertyType="String"/><t:Value>Dr.</t:Value></t:ExtendedProperty>
        <t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x3a4d" PropertyType="Short"/><t:Value>1</t:Value></t:ExtendedProperty>
        <t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="00062004-0000-0000-c000-000000000046" PropertyId="32842" PropertyType="String"/><t:Value>PO 7</t:Value></t:ExtendedProperty>
        <t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="urn:schemas:contacts:uid" PropertyType="String"/><t:Value>uid-7</t:Value></t:ExtendedProperty>
        <t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="pimsync-emails" PropertyType="StringArray"/><t:Values><t:Value>four@example.org</t:Value><t:Value>five@example.org</t:Value></t:Values></t:ExtendedProperty>
        <t:FileAs>Hermann, Grete</t:FileAs><t:DisplayName>Grete Hermann</t:DisplayName><t:GivenName>Grete</t:GivenName><t:Nickname>G</t:Nickname>
        <t:CompanyName>Institute</t:CompanyName>
        <t:EmailAddresses><t:Entry Key="EmailAddress1" Name="Grete" RoutingType="SMTP">SMTP:one@example.org</t:Entry>
          <t:Entry Key="EmailAddress3" RoutingType="EX" OriginalDisplayName="three@example.org">/o=Org/ou=Group/cn=Recipients/cn=three</t:Entry></t:EmailAddresses>
        <t:PhysicalAddresses><t:Entry Key="Business"><t:City>Bremen</t:City><t:PostalCode>28195</t:PostalCode></t:Entry><t:Entry Key="Moon"><t:City>X</t:City></t:Entry></t:PhysicalAddresses>
        <t:PhoneNumbers><t:Entry Key="HomePhone">+49 421 1</t:Entry><t:Entry Key="Pager"/><t:Entry Key="Radar">1</t:Entry></t:PhoneNumbers>
        <t:Birthday>1901-03-01T23:00:00.0000000Z</t:Birthday><t:Children><t:String>A</t:String><t:String/></t:Children>
        <t:Generation>jun.</t:Generation><t:ImAddresses><t:Entry Key="ImAddress2">xmpp:grete@example.org</t:Entry></t:ImAddresses>
        <t:WeddingAnniversary>4501-01-01T00:00:00Z</t:WeddingAnniversary></t:Contact>"#,
    );
    let contact: Contact = spelling::read(contact::ROWS, &item);
    let texts = |list: &[&str]| list.iter().map(|text| Text::new(text)).collect::<Vec<_>>();
    assert_eq!((contact.uid.as_str(), contact.display_name.as_str()), ("uid-7", "Grete Hermann"));
    assert_eq!((contact.prefix.as_str(), contact.suffix.as_str()), ("Dr.", "jun."));
    assert_eq!((contact.file_as.as_str(), contact.note.as_str()), ("Hermann, Grete", "Met in Bremen\nTwice"));
    let emails = ["one@example.org", "three@example.org", "four@example.org", "five@example.org"];
    assert_eq!(contact.emails, texts(&emails));
    assert_eq!(contact.messengers, texts(&["xmpp:grete@example.org"]));
    assert_eq!(contact.children, texts(&["A"]));
    assert_eq!(contact.phones, [(PhoneKey::HomePhone, Text::new("+49 421 1"))].into());
    let business = &contact.addresses[&AddressKey::Business];
    assert_eq!((business.po_box.as_str(), business.city.as_str(), contact.addresses.len()), ("PO 7", "Bremen", 1));
    assert_eq!(contact.birthday, DayOfLife::new(date(1901, 3, 2)), "midnight in Bremen");
    assert_eq!(contact.anniversary, None);
    assert_eq!((contact.gender, contact.sensitivity), (Some(Gender::Female), Sensitivity::Private));
    assert_eq!(contact.categories.len(), 2);
}

#[test]
fn a_task_with_everything() {
    let item = parse(
        r#"<t:Task><t:Subject>Rent</t:Subject><t:Body BodyType="Text">x</t:Body><t:Importance>High</t:Importance>
        <t:ReminderDueBy>2026-12-01T08:00:00Z</t:ReminderDueBy><t:ReminderIsSet>true</t:ReminderIsSet>
        <t:CompleteDate>2026-12-02T00:00:00Z</t:CompleteDate><t:DueDate>2026-11-30T23:00:00Z</t:DueDate><t:PercentComplete>37.5</t:PercentComplete>
        <t:Recurrence><t:WeeklyRegeneration><t:Interval>2</t:Interval></t:WeeklyRegeneration><t:NumberedRecurrence><t:StartDate>2026-12-01</t:StartDate><t:NumberOfOccurrences>4</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>
        <t:StartDate>2026-12-01T00:00:00Z</t:StartDate><t:Status>WaitingOnOthers</t:Status></t:Task>"#,
    );
    let task: Task = spelling::read(task::ROWS, &item);
    assert_eq!((task.due, task.start), (Some(date(2026, 12, 1)), Some(date(2026, 12, 1))));
    assert_eq!((task.status, task.percent.get()), (TaskStatus::WaitingOnOthers, 38));
    assert_eq!(task.reminder, Some(UnixTime(1_796_112_000)));
    assert_eq!(task.importance, Importance::High);
    let Some(TaskRecurrence::Regenerating { unit: RegenerationUnit::Weeks, interval, end: End::After(count), .. }) =
        task.recurrence
    else {
        panic!("{:?}", task.recurrence);
    };
    assert_eq!((interval.get(), count.get()), (2, 4));
    // A reminder that is switched off is none, and gromox counts per cent of per cent.
    let odd = parse(
        "<t:Task><t:ReminderDueBy>2026-12-01T08:00:00Z</t:ReminderDueBy><t:ReminderIsSet>false</t:ReminderIsSet><t:PercentComplete>5000</t:PercentComplete><t:Status>Lost</t:Status></t:Task>",
    );
    let odd: Task = spelling::read(task::ROWS, &odd);
    assert_eq!((odd.reminder, odd.percent.get(), odd.status), (None, 50, TaskStatus::NotStarted));
}

#[test]
fn a_note() {
    let colour = r#"<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="0006200e-0000-0000-c000-000000000046" PropertyId="35584" PropertyType="Integer"/><t:Value>1</t:Value></t:ExtendedProperty>"#;
    let item = parse(&format!(
        "<t:Message><t:Subject>Milk</t:Subject><t:Body BodyType=\"Text\">Milk\r\nBread\r\n</t:Body>{colour}</t:Message>"
    ));
    let read: Note = spelling::read(note::ROWS, &item);
    assert_eq!((read.text.as_str(), read.colour), ("Milk\nBread\n", Some(NoteColour::Green)));
    let bare: Note = spelling::read(note::ROWS, &parse("<t:Message><t:Subject>Milk</t:Subject></t:Message>"));
    assert_eq!((bare.text.as_str(), bare.colour), ("Milk", None));
}

fn read(inside: &str) -> Event {
    event::read(&parse(&format!("<t:CalendarItem>{inside}</t:CalendarItem>")), Vec::new()).unwrap()
}

const BERLIN: &str =
    r#"<t:StartTimeZone Id="W. Europe Standard Time" Name="x"/><t:EndTimeZone Id="W. Europe Standard Time"/>"#;

#[test]
fn a_meeting_with_everything() {
    let event = read(&format!(
        r#"<t:Subject>Board</t:Subject><t:Sensitivity>Confidential</t:Sensitivity><t:Body BodyType="HTML">&lt;p&gt;Agenda&lt;/p&gt;</t:Body>
        <t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>15</t:ReminderMinutesBeforeStart><t:TextBody BodyType="Text">Agenda</t:TextBody>
        <t:UID>u1</t:UID><t:Start>2026-03-28T08:00:00Z</t:Start><t:End>2026-03-29T07:00:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent>
        <t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Here</t:Location><t:IsMeeting>true</t:IsMeeting>
        <t:Organizer><t:Mailbox><t:Name>Ada</t:Name><t:EmailAddress>ada@example.org</t:EmailAddress></t:Mailbox></t:Organizer>
        <t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>Bob</t:Name><t:EmailAddress>bob@example.org</t:EmailAddress></t:Mailbox><t:ResponseType>Accept</t:ResponseType></t:Attendee><t:Attendee/></t:RequiredAttendees>
        <t:Resources><t:Attendee><t:Mailbox><t:EmailAddress>room@example.org</t:EmailAddress></t:Mailbox><t:ResponseType>Odd</t:ResponseType></t:Attendee></t:Resources>{BERLIN}"#
    ));
    let details = &event.details;
    assert_eq!((details.html.as_str(), details.body.as_str()), ("<p>Agenda</p>", "Agenda"));
    assert_eq!((details.busy, details.reminder), (Busy::OutOfOffice, Some(15)));
    let (start, end) = (berlin(date(2026, 3, 28).at(9, 0, 0, 0)), berlin(date(2026, 3, 29).at(9, 0, 0, 0)));
    assert_eq!(details.when, When::Zoned { start, end }, "summer time begins between them");
    assert_eq!(event.organiser.map(|person| person.address), Some("ada@example.org".into()));
    let attendees: Vec<_> =
        event.attendees.iter().map(|who| (who.person.address.as_str(), who.role, who.answer)).collect();
    let wanted =
        [("bob@example.org", Role::Required, Answer::Accepted), ("room@example.org", Role::Resource, Answer::None)];
    assert_eq!(attendees, wanted);
}

#[test]
fn an_appointment_has_no_organiser_though_the_server_names_one() {
    let event =
        read("<t:IsMeeting>false</t:IsMeeting><t:Organizer><t:Mailbox><t:Name>Me</t:Name></t:Mailbox></t:Organizer>");
    assert_eq!(event.organiser, None);
}

#[test]
fn nobody_wrote_a_body_that_is_blank() {
    let blank = r#"<t:Body BodyType="HTML">&lt;html&gt;&lt;body&gt;&lt;/body&gt;&lt;/html&gt;</t:Body><t:TextBody BodyType="Text"> </t:TextBody>"#;
    assert!(read(blank).details.html.is_empty());
    let picture = blank.replace("&lt;/body", "&lt;IMG src='cid:1'&gt;&lt;/body");
    assert!(!read(&picture).details.html.is_empty());
}

/// Whole days are those of the item's zone, wherever the reader is.
#[test]
fn whole_days_are_counted_where_the_event_is() {
    let days = |start: &str, end: &str, zones: &str| {
        read(&format!("<t:Start>{start}</t:Start><t:End>{end}</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent>{zones}"))
            .details
            .when
    };
    let first = date(2026, 11, 3);
    let wanted = When::AllDay { first, end: date(2026, 11, 5) };
    assert_eq!(days("2026-11-02T23:00:00Z", "2026-11-04T23:00:00Z", BERLIN), wanted);
    let tonga = r#"<t:StartTimeZone Id="Tonga Standard Time"/>"#;
    assert_eq!(days("2026-11-02T11:00:00Z", "2026-11-04T11:00:00Z", tonga), wanted);
    let unknown = r#"<t:StartTimeZone Id="tzone://Microsoft/Custom"/>"#;
    assert_eq!(days("2026-11-03T05:00:00Z", "2026-11-05T05:00:00Z", unknown), wanted, "New York");
    assert_eq!(
        days("2026-11-03T00:00:00Z", "2026-11-03T00:00:00Z", ""),
        When::AllDay { first, end: date(2026, 11, 4) }
    );
}

#[test]
fn zones_come_under_many_names_or_none() {
    let zone = |zones: &str| {
        let read = read(&format!("<t:Start>2026-11-03T12:00:00Z</t:Start><t:End>2026-11-03T13:00:00Z</t:End>{zones}"));
        match read.details.when {
            When::Zoned { start, .. } => (start.time.hour(), start.zone),
            other => panic!("{other:?}"),
        }
    };
    let named = |tzid: &str, iana: &str| ZoneName::Named { tzid: tzid.into(), iana: iana.into() };
    assert_eq!(zone(BERLIN), (13, named("Europe/Berlin", "Europe/Berlin")));
    for utc in ["", r#"<t:StartTimeZone Id="UTC"/>"#, r#"<t:StartTimeZone Id="tzone://Microsoft/Utc"/>"#] {
        assert_eq!(zone(utc), (12, ZoneName::Utc), "{utc}");
    }
    // Some items made elsewhere have the one empty.
    let other_end = r#"<t:StartTimeZone Id=""/><t:EndTimeZone Id="Tokyo Standard Time"/>"#;
    assert_eq!(zone(other_end), (21, named("Asia/Tokyo", "Asia/Tokyo")));
    let kept = |names: &[&str]| {
        let values: String = names.iter().map(|name| format!("<t:Value>{name}</t:Value>")).collect();
        format!(
            r#"<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="pimsync-zones" PropertyType="StringArray"/><t:Values>{values}</t:Values></t:ExtendedProperty>{BERLIN}"#
        )
    };
    assert_eq!(zone(&kept(&["My zone", "Europe/Vienna"])), (13, named("My zone", "Europe/Vienna")));
    let elsewhere = kept(&["America/New_York", "America/New_York"]);
    assert_eq!(zone(&elsewhere), (13, named("Europe/Berlin", "Europe/Berlin")), "somebody chose another zone since");
    assert_eq!(zone(&kept(&["Tokyo Standard Time"])).0, 13, "no longer without a zone");
    let floating = read(&format!(
        "<t:Start>2026-11-03T12:00:00Z</t:Start><t:End>2026-11-03T13:00:00Z</t:End>{}",
        kept(&["W. Europe Standard Time"])
    ));
    let (start, end) = (date(2026, 11, 3).at(13, 0, 0, 0), date(2026, 11, 3).at(14, 0, 0, 0));
    assert_eq!(floating.details.when, When::Floating { start, end });
}

/// An invitation of another program, whose zone has a name that means nothing.
#[test]
fn zones_are_known_by_their_rules() {
    let transition = |to: &str, month: u8, time: &str, number: i8| {
        format!(
            "<t:RecurringDayTransition><t:To Kind=\"Period\">{to}</t:To><t:TimeOffset>{time}</t:TimeOffset><t:Month>{month}</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>{number}</t:Occurrence></t:RecurringDayTransition>"
        )
    };
    let zone = |bias: [&str; 2], transitions: &str| {
        let [standard, daylight] = bias;
        format!(
            r#"<t:StartTimeZone Id="tzone://Microsoft/Custom" Name="Customized Time Zone"><t:Periods><t:Period Bias="{standard}" Name="Standard" Id="std"/><t:Period Bias="{daylight}" Name="Daylight" Id="dlt"/></t:Periods>
            <t:TransitionsGroups><t:TransitionsGroup Id="0"><t:Transition><t:To Kind="Period">std</t:To></t:Transition></t:TransitionsGroup><t:TransitionsGroup Id="1">{transitions}</t:TransitionsGroup></t:TransitionsGroups>
            <t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition><t:AbsoluteDateTransition><t:To Kind="Group">1</t:To><t:DateTime>2007-01-01T00:00:00</t:DateTime></t:AbsoluteDateTransition></t:Transitions></t:StartTimeZone>"#
        )
    };
    let start = |zone: &str| {
        let item = parse(&format!(
            "<t:CalendarItem><t:Start>2026-07-06T07:00:00Z</t:Start><t:End>2026-07-06T08:00:00Z</t:End>{WEEKLY}{zone}</t:CalendarItem>"
        ));
        match event::read(&item, Vec::new()).map(|event| event.details.when) {
            Ok(When::Zoned { start: At { time, zone: ZoneName::Named { iana, .. } }, .. }) => {
                Ok((time.hour(), iana.as_str().to_owned()))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.code),
        }
    };
    let europe = transition("dlt", 3, "PT2H", -1) + &transition("std", 10, "PT3H", 5);
    assert_eq!(
        start(&zone(["-PT60M", "-PT120M"], &europe)),
        Ok((9, "Europe/Budapest".to_owned())),
        "the first of those"
    );
    let america = transition("std", 11, "PT2H", 1) + &transition("dlt", 3, "PT2H", 2);
    assert_eq!(start(&zone(["PT300M", "PT240M"], &america)), Ok((3, "America/New_York".to_owned())));
    let fixed = "<t:Transition><t:To Kind=\"Period\">std</t:To></t:Transition>";
    assert_eq!(start(&zone(["-PT5H30M", "PT0S"], fixed)), Ok((12, "Asia/Calcutta".to_owned())));
    let shown = zone(["-PT60M", "-PT120M"], &europe)
        .replace("Customized Time Zone", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna");
    assert_eq!(start(&shown), Ok((9, "Europe/Berlin".to_owned())), "what people see tells more");
    // Nobody lives there.
    let odd = Err("UnknownTimeZone".to_owned());
    assert_eq!(start(&zone(["-PT17M", "PT0S"], fixed)), odd);
    for broken in [
        "",
        "<t:Odd/>",
        &europe.replace("Sunday", "Someday"),
        &europe.replace(">3<", ">13<"),
        &europe.replace("PT2H", "x"),
        &europe.replace("dlt", "none"),
    ] {
        assert_eq!(start(&zone(["-PT60M", "-PT120M"], broken)), odd, "{broken}");
    }
    assert_eq!(start(&zone(["soon", "PT999999999999H"], &europe)), odd);
}

const WEEKLY: &str = "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday Wednesday</t:DaysOfWeek><t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>\
    <t:NumberedRecurrence><t:StartDate>2026-03-16+01:00</t:StartDate><t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>";

/// Nine in Berlin is eight in UTC in winter and seven in summer.
#[test]
fn exceptions_are_on_days_of_the_series() {
    let item = parse(&format!(
        r#"<t:CalendarItem><t:Start>2026-03-16T08:00:00Z</t:Start><t:End>2026-03-16T09:00:00Z</t:End>{WEEKLY}
        <t:ModifiedOccurrences>
          <t:Occurrence><t:ItemId Id="e2" ChangeKey="k"/><t:Start>2026-04-02T07:00:00Z</t:Start><t:OriginalStart>2026-04-01T07:00:00Z</t:OriginalStart></t:Occurrence>
          <t:Occurrence><t:ItemId Id="e1" ChangeKey="k"/><t:OriginalStart>2026-03-22T23:00:00Z</t:OriginalStart></t:Occurrence>
          <t:Occurrence><t:ItemId Id="odd"/></t:Occurrence>
        </t:ModifiedOccurrences>
        <t:DeletedOccurrences><t:DeletedOccurrence><t:Start>2026-03-30T07:00:00Z</t:Start></t:DeletedOccurrence><t:DeletedOccurrence><t:Start>2026-03-31T07:00:00Z</t:Start></t:DeletedOccurrence><t:DeletedOccurrence/></t:DeletedOccurrences>{BERLIN}</t:CalendarItem>"#
    ));
    let exceptions: Vec<(String, Date)> =
        event::exceptions(&item).into_iter().map(|found| (found.id.as_str().to_owned(), found.day)).collect();
    let wanted = [("e1".to_owned(), date(2026, 3, 23)), ("e2".to_owned(), date(2026, 4, 1))];
    assert_eq!(exceptions, wanted, "gromox tells midnight of the day");
    let details = event::details(&parse("<t:CalendarItem><t:Subject>Late</t:Subject></t:CalendarItem>"));
    let event = event::read(&item, vec![(date(2026, 4, 1), details.clone()), (date(2026, 4, 2), details)]).unwrap();
    assert_eq!(event.deleted, [date(2026, 3, 30)].into(), "what is no occurrence is not deleted");
    assert_eq!(event.overrides.keys().copied().collect::<Vec<_>>(), [date(2026, 4, 1)]);
}

#[test]
fn a_series_that_is_not_understood_is_not_guessed_at() {
    let code = |inside: &str| {
        let item = parse(&format!("<t:CalendarItem><t:Start>2026-03-16T08:00:00Z</t:Start>{inside}</t:CalendarItem>"));
        event::read(&item, Vec::new()).map_err(|error| error.code)
    };
    let unknown = Err("UnknownRecurrence".to_owned());
    assert_eq!(code(&WEEKLY.replace("WeeklyRecurrence", "LunarRecurrence")), unknown);
    assert_eq!(code(&WEEKLY.replace("<t:Interval>1<", "<t:Interval>100<")), unknown);
    assert_eq!(code(&WEEKLY.replace("Monday Wednesday", "")), unknown);
    assert_eq!(code(&WEEKLY.replace(">10<", ">0<")), unknown);
    assert_eq!(code(&WEEKLY.replace("2026-03-16+01:00", "soon")), unknown);
    let custom = r#"<t:StartTimeZone Id="tzone://Microsoft/Custom"/>"#;
    assert_eq!(code(&format!("{WEEKLY}{custom}")), Err("UnknownTimeZone".to_owned()));
    assert!(code(WEEKLY).is_ok());
    assert!(code(custom).is_ok(), "a single event is where it is");
}

#[test]
fn patterns_come_in_other_words() {
    let pattern = |inside: &str| {
        let range = "<t:NoEndRecurrence><t:StartDate>2026-03-01T23:00:00Z</t:StartDate></t:NoEndRecurrence>";
        let read = recurrence::read(&parse(&format!("<t:Recurrence>{inside}{range}</t:Recurrence>")))?;
        assert_eq!(read.start, date(2026, 3, 2), "the instant at which the day begins in Berlin");
        Some(read.pattern)
    };
    let monthly = |days: &str| {
        pattern(&format!(
            "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>{days}</t:DaysOfWeek><t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>"
        ))
    };
    let days = |found: Option<Pattern>| match found {
        Some(Pattern::RelativeMonthly { index: WeekIndex::Last, days, .. }) => days,
        other => panic!("{other:?}"),
    };
    assert_eq!(days(monthly("Weekday")), RelativeDays::Workday);
    assert_eq!(days(monthly("Saturday Sunday")), RelativeDays::WeekendDay);
    assert_eq!(monthly("Monday Sunday"), None);
    let yearly = pattern(
        "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>31</t:DayOfMonth><t:Month>February</t:Month></t:AbsoluteYearlyRecurrence>",
    );
    assert!(matches!(yearly, Some(Pattern::AbsoluteYearly { day, .. }) if day.get() == 29));
}

/// Whatever stands where a value should be, the item is read.
#[test]
fn nonsense_has_its_default() {
    for value in [
        "",
        "x",
        "-1",
        "99999999999999999999",
        "NaN",
        "9999-99-99T99:99:99Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00",
        "T",
    ] {
        let fields = [
            "Start",
            "End",
            "IsAllDayEvent",
            "LegacyFreeBusyStatus",
            "ReminderIsSet",
            "ReminderMinutesBeforeStart",
            "Sensitivity",
            "Birthday",
            "WeddingAnniversary",
            "PercentComplete",
            "Status",
            "StartDate",
            "DueDate",
            "CompleteDate",
        ];
        let inside: String = fields.iter().map(|name| format!("<t:{name}>{value}</t:{name}>")).collect();
        let item = parse(&format!("<t:Item>{inside}<t:ReminderIsSet>true</t:ReminderIsSet></t:Item>"));
        let task: Task = spelling::read(task::ROWS, &item);
        assert_eq!((task.status, task.start), (TaskStatus::NotStarted, None));
        let contact: Contact = spelling::read(contact::ROWS, &item);
        assert_eq!(contact, Contact::default(), "{value}");
        assert_eq!(event::read(&item, Vec::new()).unwrap(), Event::default(), "{value}");
    }
}

/// Elements that entries are read from, and such as nobody knows, in any order and depth.
fn any_element() -> impl Strategy<Value = Element> {
    const NAMES: [&str; 48] = [
        "Subject",
        "Sensitivity",
        "Body",
        "TextBody",
        "Attachments",
        "FileAttachment",
        "AttachmentId",
        "Categories",
        "String",
        "Importance",
        "ReminderIsSet",
        "ReminderDueBy",
        "ReminderMinutesBeforeStart",
        "ExtendedProperty",
        "ExtendedFieldURI",
        "Value",
        "Values",
        "EmailAddresses",
        "Entry",
        "PhysicalAddresses",
        "City",
        "Birthday",
        "UID",
        "Start",
        "End",
        "IsAllDayEvent",
        "LegacyFreeBusyStatus",
        "Organizer",
        "Mailbox",
        "EmailAddress",
        "RequiredAttendees",
        "Attendee",
        "Recurrence",
        "WeeklyRecurrence",
        "DaysOfWeek",
        "Interval",
        "NumberedRecurrence",
        "StartDate",
        "NumberOfOccurrences",
        "ModifiedOccurrences",
        "Occurrence",
        "ItemId",
        "OriginalStart",
        "DeletedOccurrences",
        "DeletedOccurrence",
        "StartTimeZone",
        "Periods",
        "Odd",
    ];
    const TEXTS: [&str; 16] = [
        "",
        "true",
        "1",
        "0",
        "-1",
        "999",
        "Monday",
        "Weekday Sunday",
        "PT1H",
        "2026-03-02T08:00:00Z",
        "2026-03-02",
        "9999-12-31",
        "-9999-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "é",
        "99999999999999999999999",
    ];
    const KEYS: [&str; 9] =
        ["Id", "Key", "BodyType", "PropertyTag", "PropertyId", "PropertyName", "RoutingType", "Bias", "Name"];
    const VALUES: [&str; 12] = [
        "",
        "HTML",
        "EX",
        "Home",
        "EmailAddress1",
        "0x3a45",
        "35584",
        "pimsync-zones",
        "UTC",
        "W. Europe Standard Time",
        "tzone://Microsoft/Custom",
        "-PT60M",
    ];
    let attributes =
        || prop::collection::vec((prop::sample::select(KEYS.to_vec()), prop::sample::select(VALUES.to_vec())), 0..3);
    let element = move |(name, text, attributes, children): (&str, &str, Vec<(&str, &str)>, Vec<Element>)| Element {
        name: name.into(),
        text: text.to_owned(),
        attributes: attributes.into_iter().map(|(key, value)| (key.into(), value.to_owned())).collect(),
        children,
    };
    let parts = move || (prop::sample::select(NAMES.to_vec()), prop::sample::select(TEXTS.to_vec()), attributes());
    let leaf = parts().prop_map(move |(name, text, attributes)| element((name, text, attributes, Vec::new())));
    leaf.prop_recursive(5, 60, 12, move |inner| {
        (parts(), prop::collection::vec(inner, 0..12))
            .prop_map(move |((name, text, attributes), children)| element((name, text, attributes, children)))
    })
}

proptest! {
    #[test]
    fn no_answer_is_too_odd_to_be_read(children in prop::collection::vec(any_element(), 0..20)) {
        let item = Element { name: "Item".into(), children, ..Element::default() };
        let _ = spelling::read::<Contact>(contact::ROWS, &item);
        let _ = spelling::read::<Task>(task::ROWS, &item);
        let _ = spelling::read::<Note>(note::ROWS, &item);
        let exceptions = event::exceptions(&item).into_iter().map(|found| (found.day, event::details(&item))).collect();
        let _ = event::read(&item, exceptions);
    }
}
