//! Contacts, tasks, notes, lists and settings: what the server keeps of them, and what it makes of them.

use crate::client::{Client, clear, item, path, set};
use pimsync::exchange::Personality;

const SAVE: &str = "MessageDisposition=\"SaveOnly\"";
const HARD: &str = "AffectedTaskOccurrences=\"AllOccurrences\"";

fn exchange() -> Client {
    Client::start(Personality::Exchange)
}

fn indexed(uri: &str, index: &str) -> String {
    format!("<t:IndexedFieldURI FieldURI=\"{uri}\" FieldIndex=\"{index}\"/>")
}

const ADA: &str = "<t:Contact><t:Body BodyType=\"Text\">First programmer</t:Body><t:Categories><t:String>Friends</t:String>\
    </t:Categories><t:FileAsMapping>LastCommaFirst</t:FileAsMapping><t:GivenName>Ada</t:GivenName>\
    <t:MiddleName>King</t:MiddleName><t:EmailAddresses><t:Entry Key=\"EmailAddress1\">ada@example.com</t:Entry>\
    </t:EmailAddresses><t:PhysicalAddresses><t:Entry Key=\"Home\"><t:Street>1 High St</t:Street><t:City>London</t:City>\
    </t:Entry></t:PhysicalAddresses><t:PhoneNumbers><t:Entry Key=\"MobilePhone\">+44 2</t:Entry></t:PhoneNumbers>\
    <t:Birthday>1815-12-10T00:00:00Z</t:Birthday><t:Surname>Lovelace</t:Surname></t:Contact>";

#[test]
fn a_contact_gets_what_the_server_derives() {
    let client = exchange();
    let id = client.create("contacts", "", ADA).id();
    let read = client.read(&id, "AllProperties", "");
    let shown = ["Subject", "DisplayName", "FileAs", "Birthday", "HasPicture"].map(|name| read.text(name));
    assert_eq!(
        shown,
        ["Ada King Lovelace", "Ada King Lovelace", "Lovelace, Ada King", "1815-12-10T11:59:00Z", "false"]
    );
    assert!(read.body.contains("<t:CompleteName><t:FirstName>Ada</t:FirstName>"), "{}", read.body);
    assert!(read.body.contains("RoutingType=\"SMTP\""), "{}", read.body);
    assert!(read.body.contains("BodyType=\"Text\">First programmer<"), "{}", read.body);
}

#[test]
fn entries_of_a_contact_change_one_by_one() {
    let client = exchange();
    let id = client.create("contacts", "", ADA).id();
    let address = |key: &str, text: &str| {
        let entry = format!("<t:EmailAddresses><t:Entry Key=\"{key}\">{text}</t:Entry></t:EmailAddresses>");
        set(&indexed("contacts:EmailAddress", key), "Contact", &entry)
    };
    let city = "<t:PhysicalAddresses><t:Entry Key=\"Home\"><t:City>Paris</t:City></t:Entry></t:PhysicalAddresses>";
    let updates = [
        address("EmailAddress2", "b@example.org"),
        set(&indexed("contacts:PhysicalAddress:City", "Home"), "Contact", city),
        clear(&indexed("contacts:PhysicalAddress:Street", "Home")),
        clear(&indexed("contacts:PhoneNumber", "MobilePhone")),
        set(&path("contacts:JobTitle"), "Contact", "<t:JobTitle>Analyst</t:JobTitle>"),
        clear(&path("contacts:Birthday")),
    ];
    let updated = client.update(&id, "", &updates.concat());
    assert_eq!(updated.codes(), ["NoError"], "{}", updated.body);
    let read = client.read(&updated.id(), "AllProperties", "");
    assert!(read.body.contains(">ada@example.com<") && read.body.contains(">b@example.org<"), "{}", read.body);
    assert!(read.body.contains("<t:Entry Key=\"Home\"><t:City>Paris</t:City></t:Entry>"), "{}", read.body);
    assert_eq!((read.text("PhoneNumbers"), read.text("Birthday")), (String::new(), String::new()));
    assert!(!read.body.contains("PhoneNumbers"));
    let whole = "<t:EmailAddresses><t:Entry Key=\"EmailAddress1\">x@example.com</t:Entry></t:EmailAddresses>";
    let refused = [
        set(&path("contacts:EmailAddresses"), "Contact", whole),
        set(&path("contacts:HasPicture"), "Contact", "<t:HasPicture>true</t:HasPicture>"),
        set(&path("task:Status"), "Task", "<t:Status>Completed</t:Status>"),
    ];
    for update in refused {
        assert_eq!(client.update(&updated.id(), "", &update).codes(), ["ErrorInvalidPropertySet"], "{update}");
    }
    let notes = set(&path("contacts:Notes"), "Contact", "<t:Notes>x</t:Notes>");
    assert_eq!(client.update(&updated.id(), "", &notes).codes(), ["ErrorInvalidPropertyRequest"]);
    let unique = client.read(&updated.id(), "IdOnly", &path("item:UniqueBody"));
    assert_eq!(unique.codes(), ["ErrorInternalServerError"]);
    let stale = client.update(&id, "", &address("EmailAddress1", "late@example.com"));
    assert_eq!(stale.codes(), ["ErrorIrresolvableConflict"]);
}

#[test]
fn a_property_is_the_same_by_its_tag_and_by_its_element() {
    let client = exchange();
    let id = client.create("contacts", "", ADA).id();
    let tag = |tag: &str, kind: &str| format!("<t:ExtendedFieldURI PropertyTag=\"{tag}\" PropertyType=\"{kind}\"/>");
    let value = |path: &str, text: &str| {
        let xml = format!("<t:ExtendedProperty>{path}<t:Value>{text}</t:Value></t:ExtendedProperty>");
        set(path, "Contact", &xml)
    };
    let (job, prefix) = (tag("0x3A17", "String"), tag("0x3A45", "String"));
    let updated = client.update(&id, "", &[value(&job, "Analyst"), value(&prefix, "Lady")].concat());
    let read = client.read(&updated.id(), "AllProperties", &tag("0x3a06", "String"));
    assert_eq!((read.text("JobTitle"), read.text("Title")), ("Analyst".to_owned(), "Lady".to_owned()));
    assert!(read.body.contains("<t:Value>Ada</t:Value>"), "{}", read.body);
}

#[test]
fn a_picture_is_an_attachment() {
    let client = exchange();
    let id = client.create("contacts", "", ADA).id();
    let attach = |id: &str, photo: bool| {
        let id = id.replace("t:ItemId", "m:ParentItemId");
        client.call(&format!(
            "<m:CreateAttachment>{id}<m:Attachments><t:FileAttachment><t:Name>ContactPicture.jpg</t:Name>\
             <t:ContentType>image/jpeg</t:ContentType><t:IsContactPhoto>{photo}</t:IsContactPhoto>\
             <t:Content>/9j/4AAQSkZJRg==</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>"
        ))
    };
    let attached = attach(&id, true);
    let file = attached.first("AttachmentId Id=\"", "\"");
    let key = attached.first("RootItemChangeKey=\"", "\"");
    let number = id.split('"').nth(1).unwrap();
    let read = client.read(&item(number, ""), "AllProperties", "");
    assert_eq!((read.text("HasPicture"), read.text("IsContactPhoto")), ("true".to_owned(), "true".to_owned()));
    assert_eq!(read.change_key(), key);
    let note = client.create("notes", SAVE, "<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass></t:Message>");
    assert_eq!(attach(&note.id(), true).codes(), ["ErrorInvalidOperation"]);
    let gone = client.call(&format!(
        "<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId Id=\"{file}\"/></m:AttachmentIds></m:DeleteAttachment>"
    ));
    assert_eq!(gone.codes(), ["NoError"]);
    assert_eq!(client.read(&item(number, ""), "AllProperties", "").text("HasPicture"), "false");
}

#[test]
fn another_client_changes_pictures_and_categories() {
    let client = exchange();
    let mailbox = client.mailbox();
    let id = mailbox.add_item("Contacts", ADA).unwrap();
    for picture in [&b"one"[..], b"two"] {
        mailbox.set_picture(&id, Some(picture)).unwrap();
    }
    let read = client.read(&item(&id, ""), "AllProperties", "");
    assert_eq!((read.text("HasPicture"), read.all("<t:AttachmentId Id=\"", "\"").len()), ("true".to_owned(), 1));
    mailbox.set_picture(&id, None).unwrap();
    assert!(!client.read(&item(&id, ""), "AllProperties", "").body.contains("AttachmentId"));
    assert_eq!(mailbox.category_list().unwrap(), None);
    mailbox.set_category_list("<categories/>").unwrap();
    assert_eq!(mailbox.category_list().unwrap().as_deref(), Some("<categories/>"));
}

fn task(client: &Client, inner: &str) -> crate::client::Answer {
    client.create("tasks", SAVE, &format!("<t:Task><t:Subject>Pay rent</t:Subject>{inner}</t:Task>"))
}

fn task_state(client: &Client, id: &str) -> [String; 4] {
    let read = client.read(id, "AllProperties", "");
    ["Status", "PercentComplete", "IsComplete", "CompleteDate"].map(|name| read.text(name))
}

#[test]
fn status_percentage_and_completion_make_each_other() {
    let client = exchange();
    let id = task(&client, "").id();
    assert_eq!(task_state(&client, &id), ["NotStarted", "0", "false", ""]);
    let percent = |number: &str| {
        let xml = format!("<t:PercentComplete>{number}</t:PercentComplete>");
        set(&path("task:PercentComplete"), "Task", &xml)
    };
    let status = |name: &str| set(&path("task:Status"), "Task", &format!("<t:Status>{name}</t:Status>"));
    let id = client.update(&id, "", &percent("25")).id();
    assert_eq!(task_state(&client, &id), ["InProgress", "25", "false", ""]);
    let id = client.update(&id, "", &[percent("30"), status("Deferred")].concat()).id();
    assert_eq!(task_state(&client, &id), ["Deferred", "30", "false", ""]);
    let id = client.update(&id, "", &status("Completed")).id();
    let done = task_state(&client, &id);
    assert_eq!(done[..3], ["Completed", "100", "true"]);
    assert!(done[3].ends_with("T00:00:00Z"), "{done:?}");
    let id = client.update(&id, "", &[status("Completed"), percent("0")].concat()).id();
    assert_eq!(task_state(&client, &id), ["NotStarted", "0", "false", ""]);
    let date = set(&path("task:CompleteDate"), "Task", "<t:CompleteDate>2026-10-01T17:00:00Z</t:CompleteDate>");
    let id = client.update(&id, "", &date).id();
    assert_eq!(task_state(&client, &id), ["Completed", "100", "true", "2026-10-01T00:00:00Z"]);
    let future = date.replace("2026", "2926");
    assert_eq!(client.update(&id, "", &future).codes(), ["ErrorInvalidCompleteDate"]);
    assert_eq!(client.update(&id, "", &percent("101")).codes(), ["ErrorInvalidPercentCompleteValue"]);
    assert_eq!(client.delete(&id, "").codes(), ["ErrorAffectedTaskOccurrencesRequired"]);
    assert_eq!(client.delete(&id, HARD).codes(), ["NoError"]);
}

const MONTHLY: &str = "<t:Recurrence><t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>31</t:DayOfMonth>\
    </t:AbsoluteMonthlyRecurrence><t:NumberedRecurrence><t:StartDate>2026-01-31</t:StartDate>\
    <t:NumberOfOccurrences>3</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>";

#[test]
fn completing_a_recurring_task_leaves_a_finished_one_and_goes_on() {
    let client = exchange();
    let due = "<t:DueDate>2026-01-31T00:00:00Z</t:DueDate>";
    let id = task(&client, &format!("{due}{MONTHLY}<t:StartDate>2026-01-31T00:00:00Z</t:StartDate>")).id();
    assert_eq!(client.read(&id, "AllProperties", "").text("IsRecurring"), "true");
    let done = set(&path("task:Status"), "Task", "<t:Status>Completed</t:Status>");
    let finished = client.update(&id, "", &done);
    assert_ne!(finished.item_id(), id.split('"').nth(1).unwrap());
    let read = client.read(&finished.id(), "AllProperties", "");
    let shown = ["Status", "IsRecurring", "DueDate"].map(|name| read.text(name));
    assert_eq!(shown, ["Completed", "false", "2026-01-31T00:00:00Z"]);
    let series = client.read(&item(id.split('"').nth(1).unwrap(), ""), "AllProperties", "");
    let shown = ["Status", "DueDate", "StartDate", "NumberOfOccurrences"].map(|name| series.text(name));
    assert_eq!(shown, ["NotStarted", "2026-02-28T00:00:00Z", "2026-02-28", "2"], "{}", series.body);
    let skipped = client.delete(&series.id(), "AffectedTaskOccurrences=\"SpecifiedOccurrenceOnly\"");
    assert_eq!(skipped.codes(), ["NoError"]);
    let series = client.read(&item(&series.item_id(), ""), "AllProperties", "");
    assert_eq!(
        (series.text("DueDate"), series.text("NumberOfOccurrences")),
        ("2026-03-31T00:00:00Z".into(), "1".into())
    );
    let last = client.update(&series.id(), "", &done);
    assert_eq!(last.item_id(), series.item_id());
    assert_eq!(client.mailbox().items("Tasks").unwrap().len(), 2);
}

#[test]
fn a_regenerating_task_counts_from_its_completion() {
    let client = exchange();
    let regenerating = "<t:Recurrence><t:WeeklyRegeneration><t:Interval>2</t:Interval></t:WeeklyRegeneration>\
         <t:NoEndRecurrence><t:StartDate>2026-01-05</t:StartDate></t:NoEndRecurrence></t:Recurrence>";
    let id = task(&client, &format!("<t:DueDate>2026-01-05T00:00:00Z</t:DueDate>{regenerating}")).id();
    let date = set(&path("task:CompleteDate"), "Task", "<t:CompleteDate>2026-02-10T00:00:00Z</t:CompleteDate>");
    assert_eq!(client.update(&id, "", &date).codes(), ["NoError"]);
    let series = client.read(&item(id.split('"').nth(1).unwrap(), ""), "AllProperties", "");
    assert_eq!(series.text("DueDate"), "2026-02-24T00:00:00Z", "{}", series.body);
}

#[test]
fn a_listing_has_no_recurrence_and_says_so() {
    let client = exchange();
    task(&client, MONTHLY);
    let find = |shape: &str, paths: &str| {
        client.call(&format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>{shape}</t:BaseShape>{paths}</m:ItemShape>\
             <m:ParentFolderIds><t:DistinguishedFolderId Id=\"tasks\"/></m:ParentFolderIds></m:FindItem>"
        ))
    };
    let named = format!("<t:AdditionalProperties>{}</t:AdditionalProperties>", path("task:Recurrence"));
    assert_eq!(find("IdOnly", &named).codes(), ["ErrorInvalidPropertyForOperation"]);
    let all = find("AllProperties", "");
    assert!(!all.body.contains("Recurrence>") && all.text("IsRecurring") == "true", "{}", all.body);
}

#[test]
fn a_note_is_a_message_of_its_class() {
    let client = exchange();
    let color = "<t:ExtendedFieldURI PropertySetId=\"0006200E-0000-0000-C000-000000000046\" PropertyId=\"35584\" \
         PropertyType=\"Integer\"/>";
    let note = format!(
        "<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass><t:Subject>Milk</t:Subject><t:Body BodyType=\"Text\">Milk&#xD;\n\
         Bread</t:Body><t:ExtendedProperty>{color}<t:Value>3</t:Value></t:ExtendedProperty></t:Message>"
    );
    let id = client.create("notes", SAVE, &note).id();
    let body = set(&path("item:Body"), "Message", "<t:Body BodyType=\"Text\">Milk&#xD;\nEggs</t:Body>");
    let updated = client.update(&id, SAVE, &body);
    let read = client.read(&updated.id(), "AllProperties", color);
    assert_eq!(read.text("ItemClass"), "IPM.StickyNote");
    assert!(read.body.contains(">Milk&#xD;\nEggs<"), "{}", read.body);
    assert!(read.body.contains("PropertyId=\"35584\" PropertyType=\"Integer\"/><t:Value>3</t:Value>"), "{}", read.body);
}

#[test]
fn members_of_a_list_come_and_go_by_their_keys() {
    let client = exchange();
    let member = |address: &str| {
        format!("<t:Member><t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox></t:Member>")
    };
    let list = |members: &str| format!("<t:Members>{members}</t:Members>");
    let made = format!(
        "<t:DistributionList><t:DisplayName>Friends</t:DisplayName>{}</t:DistributionList>",
        list(&member("bob@example.com"))
    );
    let id = client.create("contacts", "", &made).id();
    let more = format!(
        "<t:AppendToItemField>{}<t:DistributionList>{}</t:DistributionList></t:AppendToItemField>",
        path("distributionlist:Members"),
        list(&member("eve@example.com"))
    );
    let updated = client.update(&id, "", &more);
    let read = client.read(&updated.id(), "AllProperties", "");
    assert_eq!(read.all("<t:EmailAddress>", "<"), ["bob@example.com", "eve@example.com"]);
    let key = read.all("Member Key=\"", "\"").remove(0);
    let gone = clear(&indexed("distributionlist:Members:Member", &key));
    let updated = client.update(&updated.id(), "", &gone);
    let read = client.read(&updated.id(), "AllProperties", "");
    assert_eq!(
        (read.text("Subject"), read.all("<t:EmailAddress>", "<")),
        ("Friends".into(), vec!["eve@example.com".into()])
    );
    let nobody = set(&path("distributionlist:Members"), "DistributionList", &list("<t:Member/>"));
    assert_eq!(client.update(&updated.id(), "", &nobody).codes(), ["ErrorInvalidMailbox"]);
}

#[test]
fn the_category_list_is_a_configuration_of_the_calendar() {
    let client = exchange();
    let name = "<t:UserConfigurationName Name=\"CategoryList\"><t:DistinguishedFolderId Id=\"calendar\"/>\
         </t:UserConfigurationName>";
    let write = |operation: &str, data: &str| {
        client.call(&format!(
            "<m:{operation}><m:UserConfiguration>{name}<t:XmlData>{data}</t:XmlData></m:UserConfiguration></m:{operation}>"
        ))
    };
    let read = || {
        let name = name.replace("t:UserConfigurationName", "m:UserConfigurationName");
        client.call(&format!(
            "<m:GetUserConfiguration>{name}<m:UserConfigurationProperties>Id XmlData</m:UserConfigurationProperties>\
             </m:GetUserConfiguration>"
        ))
    };
    assert_eq!(read().codes(), ["ErrorItemNotFound"]);
    assert_eq!(write("UpdateUserConfiguration", "PGEvPg==").codes(), ["ErrorItemNotFound"]);
    assert_eq!(write("CreateUserConfiguration", "PGEvPg==").codes(), ["NoError"]);
    assert_eq!(write("UpdateUserConfiguration", "PGIvPg==").codes(), ["NoError"]);
    assert_eq!(read().text("XmlData"), "PGIvPg==");
}

#[test]
fn gromox_keeps_less_than_it_says() {
    let client = Client::start(Personality::Gromox);
    let id = task(&client, &format!("<t:PercentComplete>50</t:PercentComplete>{MONTHLY}")).id();
    let read = client.read(&id, "AllProperties", "");
    let shown = ["PercentComplete", "IsRecurring", "Recurrence"].map(|name| read.text(name));
    assert_eq!(shown, ["5000", "false", ""]);
    let done = set(&path("task:Status"), "Task", "<t:Status>Completed</t:Status>");
    let id = client.update(&id, "", &done).id();
    let read = client.read(&id, "AllProperties", "");
    assert_eq!((read.text("Status"), read.text("IsComplete")), ("Completed".to_owned(), "false".to_owned()));

    let id = client.create("contacts", "", ADA).id();
    let read = client.read(&id, "AllProperties", "");
    assert!(!read.body.contains("<t:FileAs>") && !read.body.contains("PhysicalAddresses"), "{}", read.body);
    let read = client.read(&id, "IdOnly", &[path("contacts:FileAs"), path("contacts:PhysicalAddresses")].concat());
    assert!(read.body.contains("<t:FileAs>") && read.body.contains("<t:City>London"), "{}", read.body);
    let list =
        client.create("contacts", "", "<t:DistributionList><t:DisplayName>X</t:DisplayName></t:DistributionList>");
    assert_eq!((list.status, list.fault().as_str()), (200, "ErrorInvalidRequest"));
}
