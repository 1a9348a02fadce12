//! What Exchange refuses, the embedded one must refuse too: a client that passes here without care would fail there.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{Answer, Client, USER};
use base64::Engine as _;
use pimsync::exchange::{NewMessage, Options, Personality, User};

const MAIL: &str = "From: Ada <ada@example.com>\r\nTo: Bob <bob@example.com>\r\nSubject: Hello\r\n\r\nText\r\n";

fn exchange() -> Client {
    Client::start(Personality::Exchange)
}

#[test]
fn elements_in_another_order_are_refused_with_their_place() {
    let client = exchange();
    let answer = client.call(
        "<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds>\n<m:FolderShape>\
         <t:BaseShape>IdOnly</t:BaseShape></m:FolderShape></m:GetFolder>",
    );
    assert_eq!(answer.status, 500);
    assert_eq!(answer.fault(), "ErrorSchemaValidation");
    assert_eq!(answer.first("<t:LineNumber>", "<"), "2");
    assert!(answer.first("<t:Violation>", "<").contains("FolderIds"));
}

#[test]
fn values_attributes_and_counts_are_checked() {
    let client = exchange();
    let shape = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>";
    let refused = [
        format!(
            "<m:GetFolder>{shape}<m:FolderIds><t:DistinguishedFolderId Id=\"inbox1\"/></m:FolderIds></m:GetFolder>"
        ),
        format!("<m:GetFolder>{shape}<m:FolderIds/></m:GetFolder>"),
        format!("<m:GetFolder>{shape}</m:GetFolder>"),
        format!("<t:GetFolder>{shape}<m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></t:GetFolder>"),
        client.sync("inbox", "", 513),
        client.sync("inbox", "", 0),
        "<m:DeleteItem><m:ItemIds><t:ItemId Id=\"x\"/></m:ItemIds></m:DeleteItem>".to_owned(),
        client.get_item("x", "<t:FieldURI FieldURI=\"item:Nonsense\"/>"),
        "<m:DeleteFolder DeleteType=\"Softly\"><m:FolderIds><t:FolderId Id=\"x\"/></m:FolderIds></m:DeleteFolder>"
            .to_owned(),
    ];
    for request in refused {
        let answer = client.call(&request);
        assert_eq!((answer.status, answer.fault().as_str()), (500, "ErrorSchemaValidation"), "{request}");
    }
}

#[test]
fn what_is_no_xml_or_no_operation_is_refused() {
    let client = exchange();
    assert_eq!(client.post("<a><b></a>").fault(), "ErrorSchemaValidation");
    assert_eq!(client.post("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").fault(), "ErrorSchemaValidation");
    let illegal = client.create_mail("inbox", MAIL, "<t:Subject>a&#x1F;b</t:Subject>");
    assert_eq!((illegal.status, illegal.fault().as_str()), (500, "ErrorSchemaValidation"));
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    assert_eq!(client.post(&deep).status, 500);
    assert_eq!(client.call("<m:GetInboxRules/>").fault(), "ErrorInvalidRequest");
    let old = client.envelope("<m:GetFolder/>").replace("Exchange2013_SP1", "Exchange1999");
    assert_eq!(client.post(&old).fault(), "ErrorInvalidServerVersion");
}

#[test]
fn a_malformed_id_fails_only_its_slot() {
    let client = exchange();
    let id = client.create_mail("inbox", MAIL, "").item_id();
    let answer = client.call(&format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id=\"AAMk\"/>\
         <t:ItemId Id=\"{id}\"/><t:ItemId Id=\"{}\"/></m:ItemIds></m:GetItem>",
        id.to_lowercase()
    ));
    assert_eq!(answer.codes()[..2], ["ErrorInvalidIdMalformed", "NoError"]);
    assert_ne!(answer.codes()[2], "NoError");
}

#[test]
fn dispositions_change_keys_and_base64_are_asked_for() {
    let client = exchange();
    let answer =
        client.call("<m:CreateItem><m:Items><t:Message><t:Subject>x</t:Subject></t:Message></m:Items></m:CreateItem>");
    assert_eq!(answer.codes(), ["ErrorMessageDispositionRequired"]);
    let answer = client.call(
        "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:Items><t:Message><t:MimeContent>###</t:MimeContent></t:Message>\
         </m:Items></m:CreateItem>",
    );
    assert_eq!(answer.codes(), ["ErrorMimeContentInvalidBase64String"]);
    let answer = client.call(
        "<m:CreateItem><m:Items><t:CalendarItem><t:Subject>x</t:Subject></t:CalendarItem></m:Items></m:CreateItem>",
    );
    assert_eq!(answer.codes(), ["ErrorSendMeetingInvitationsRequired"]);
    let id = client.create_mail("inbox", MAIL, "").item_id();
    let answer = client.call(&set(&id, "", "message:IsRead", "<t:IsRead>true</t:IsRead>"));
    assert_eq!(answer.codes(), ["ErrorChangeKeyRequiredForWriteOperations"]);
}

fn set(id: &str, key: &str, uri: &str, xml: &str) -> String {
    let key = if key.is_empty() { String::new() } else { format!(" ChangeKey=\"{key}\"") };
    format!(
        "<m:UpdateItem MessageDisposition=\"SaveOnly\" ConflictResolution=\"NeverOverwrite\"><m:ItemChanges><t:ItemChange>\
         <t:ItemId Id=\"{id}\"{key}/><t:Updates><t:SetItemField><t:FieldURI FieldURI=\"{uri}\"/><t:Message>{xml}</t:Message>\
         </t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )
}

#[test]
fn the_read_flag_leaves_the_change_key_and_everything_else_changes_it() {
    let client = exchange();
    let created = client.create_mail("inbox", MAIL, "<t:IsRead>false</t:IsRead>");
    let (id, key) = (created.item_id(), created.change_key());
    let read = client.call(&set(&id, &key, "message:IsRead", "<t:IsRead>true</t:IsRead>"));
    assert_eq!(read.change_key(), key, "{}", read.body);
    let flagged = client.call(&set(&id, &key, "item:Flag", "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>"));
    assert_ne!(flagged.change_key(), key);
}

#[test]
fn sent_mail_keeps_its_content_and_drafts_may_change() {
    let client = exchange();
    let property = "<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"0x0E07\" PropertyType=\"Integer\"/><t:Value>1</t:Value>\
         </t:ExtendedProperty>";
    let sent = client.create_mail("inbox", MAIL, property);
    let draft = client.create_mail("drafts", MAIL, "");
    let mime = "<t:MimeContent>U3ViamVjdDogbmV3DQoNCnRleHQNCg==</t:MimeContent>";
    let update = |answer: &Answer| set(&answer.item_id(), &answer.change_key(), "item:MimeContent", mime);
    assert_eq!(client.call(&update(&sent)).codes(), ["ErrorInvalidPropertySet"]);
    assert_eq!(client.call(&update(&draft)).codes(), ["NoError"]);
    assert_eq!(client.mailbox().items("Drafts").unwrap()[0].subject, "new");
    assert!(!client.mailbox().items("Inbox").unwrap()[0].draft);
}

#[test]
fn folders_have_their_rules() {
    let client = exchange();
    let create = |element: &str, name: &str, class: &str| {
        let class = if class.is_empty() { String::new() } else { format!("<t:FolderClass>{class}</t:FolderClass>") };
        client
            .call(&format!(
                "<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:ParentFolderId><m:Folders>\
                 <t:{element}>{class}<t:DisplayName>{name}</t:DisplayName></t:{element}></m:Folders></m:CreateFolder>"
            ))
            .codes()
    };
    assert_eq!(create("Folder", "Work", "IPF.Note"), ["NoError"]);
    assert_eq!(create("Folder", "WORK", "IPF.Note"), ["ErrorFolderExists"]);
    assert_eq!(create("CalendarFolder", "Dates", "IPF.Appointment"), ["ErrorNoFolderClassOverride"]);
    assert_eq!(create("CalendarFolder", "Dates", ""), ["NoError"]);
    let inbox = "<m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds>";
    let delete = client.call(&format!("<m:DeleteFolder DeleteType=\"HardDelete\">{inbox}</m:DeleteFolder>"));
    assert_eq!(delete.codes(), ["ErrorDeleteDistinguishedFolder"]);
    let target = "<m:ToFolderId><t:DistinguishedFolderId Id=\"drafts\"/></m:ToFolderId>";
    let moved = client.call(&format!("<m:MoveFolder>{target}{inbox}</m:MoveFolder>"));
    assert_eq!(moved.codes(), ["ErrorMoveDistinguishedFolder"]);
    let dates: Vec<String> = client.mailbox().folders().unwrap().into_iter().map(|folder| folder.path).collect();
    assert!(dates.contains(&"Dates".to_owned()));
}

#[test]
fn the_change_hint_moves_with_every_change() {
    let client = exchange();
    let hint = || {
        let answer = client.call(
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
             <t:ExtendedFieldURI PropertyTag=\"0x670a\" PropertyType=\"SystemTime\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x670b\" PropertyType=\"Integer\"/></t:AdditionalProperties></m:FolderShape>\
             <m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>",
        );
        answer.all("<t:Value>", "<")
    };
    let mailbox = client.mailbox();
    let mut last = hint();
    let mut moved = |what: &str| {
        let now = hint();
        assert!(now[0] > last[0], "{what}: {now:?} after {last:?}");
        last = now.clone();
        now[1].clone()
    };
    let id = mailbox.add_message("Inbox", NewMessage { mime: MAIL.as_bytes(), ..NewMessage::default() }).unwrap();
    assert_eq!(moved("create"), "0");
    mailbox.set_read(&id, true).unwrap();
    moved("read");
    mailbox.set_categories(&id, &["a"]).unwrap();
    moved("categories");
    mailbox.copy_item(&id, "Inbox").unwrap();
    moved("copy");
    mailbox.move_item(&id, "Drafts").unwrap();
    assert_eq!(moved("move"), "1");
}

#[test]
fn the_tag_of_an_upload_is_found_and_survives_a_move() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = Client::start(like);
        let path = "<t:ExtendedFieldURI DistinguishedPropertySetId=\"PublicStrings\" PropertyName=\"tag\" PropertyType=\"String\"/>";
        let created = client.create_mail(
            "inbox",
            MAIL,
            &format!("<t:ExtendedProperty>{path}<t:Value>abc</t:Value></t:ExtendedProperty>"),
        );
        let find = |folder: &str, value: &str| {
            client.call(&format!(
                "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{path}\
                 </t:AdditionalProperties></m:ItemShape><m:Restriction><t:IsEqualTo>{path}<t:FieldURIOrConstant><t:Constant \
                 Value=\"{value}\"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction><m:ParentFolderIds>\
                 <t:DistinguishedFolderId Id=\"{folder}\"/></m:ParentFolderIds></m:FindItem>"
            ))
        };
        let id = created.item_id();
        assert_eq!(find("inbox", "abc").item_id(), id);
        assert!(find("inbox", "abd").all("<t:ItemId", "/>").is_empty());
        client.call(&format!(
            "<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id=\"junkemail\"/></m:ToFolderId><m:ItemIds><t:ItemId Id=\"{id}\"/>\
             </m:ItemIds></m:MoveItem>"
        ));
        let found = find("junkemail", "abc");
        assert_ne!(found.item_id(), id);
        assert_eq!(found.all("<t:Value>", "<"), ["abc"]);
    }
}

#[test]
fn every_reading_makes_the_mime_anew() {
    let client = exchange();
    let mail = "From: =?utf-8?q?J=C3=B6rg?= <j@example.com>\r\nTo: b@example.com\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\
         List-Id: <x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; \
         charset=utf-8\r\n\r\n<p>Sch\u{f6}n</p>\r\n--b\r\nContent-Type: application/x-data; name=\"d.bin\"\r\n\
         Content-Disposition: attachment; filename=\"d.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--b--\r\n";
    let id = client.create_mail("inbox", mail, "").item_id();
    let first = client.call(&client.get_item(&id, "<t:FieldURI FieldURI=\"item:Subject\"/>"));
    let second = client.call(&client.get_item(&id, ""));
    assert_ne!(first.mime(), second.mime());
    assert_eq!(first.first("<t:Subject>", "<"), "Grüße");
    for mime in [first.mime(), second.mime()] {
        assert!(mime.contains("AAECAwQ=") && mime.contains("=C3=B6n") && !mime.contains("List-Id"), "{mime}");
    }
}

#[test]
fn one_mailbox_does_not_see_into_another() {
    let other = User { address: "other@example.org".to_owned(), password: "demo".to_owned() };
    let mut options = Options::default();
    options.users.push(other);
    let client = Client::with(options);
    let theirs = client.server.mailbox("other@example.org").unwrap();
    let id = theirs.add_message("Inbox", NewMessage { mime: MAIL.as_bytes(), ..NewMessage::default() }).unwrap();
    assert_eq!(client.call(&client.get_item(&id, "")).codes(), ["ErrorItemNotFound"]);
    let created = client.call(
        "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:Message><t:Subject>for you</t:Subject>\
         <t:Body BodyType=\"Text\">hi</t:Body><t:ToRecipients><t:Mailbox><t:EmailAddress>other@example.org</t:EmailAddress>\
         </t:Mailbox></t:ToRecipients></t:Message></m:Items></m:CreateItem>",
    );
    assert_eq!(created.codes(), ["NoError"], "{}", created.body);
    assert!(created.all("<t:ItemId", "/>").is_empty());
    assert_eq!(theirs.items("Inbox").unwrap().len(), 2);
    assert_eq!(client.mailbox().items("Sent Items").unwrap()[0].subject, "for you");
}

#[test]
fn acting_for_others_is_denied() {
    let client = exchange();
    let request = client.envelope(
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>\
         <t:DistinguishedFolderId Id=\"inbox\"><t:Mailbox><t:EmailAddress>nobody@example.org</t:EmailAddress></t:Mailbox>\
         </t:DistinguishedFolderId></m:FolderIds></m:GetFolder>",
    );
    assert_eq!(client.post(&request).codes(), ["ErrorNonExistentMailbox"]);
    let header = "<s:Header><t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>a@b.c</t:PrimarySmtpAddress>\
         </t:ConnectingSID></t:ExchangeImpersonation>";
    let request = request.replace("<s:Header>", header);
    assert_eq!(client.post(&request).fault(), "ErrorImpersonateUserDenied");
}

#[test]
fn an_upload_keeps_its_times_flags_and_marks() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = Client::start(like);
        let property = |tag: &str, kind: &str, value: &str| {
            format!(
                "<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"{tag}\" PropertyType=\"{kind}\"/><t:Value>{value}</t:Value>\
                 </t:ExtendedProperty>"
            )
        };
        let more = [
            "<t:ItemClass>IPM.Note</t:ItemClass><t:Categories><t:String>Red</t:String></t:Categories>".to_owned(),
            property("0x0E07", "Integer", "0"),
            property("0x0E06", "SystemTime", "2019-03-04T05:06:07Z"),
            property("0x0039", "SystemTime", "2019-03-04T05:06:00Z"),
            property("0x1081", "Integer", "102"),
            property("0x1080", "Integer", "261"),
            "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>".to_owned(),
        ];
        let id = client.create_mail("inbox", MAIL, &more.concat()).item_id();
        let item = client.mailbox().item(&id).unwrap();
        assert_eq!((item.read, item.draft, item.last_verb), (false, false, Some(102)));
        assert_eq!(item.categories, ["Red"]);
        assert_eq!(item.flag, pimsync::exchange::Flag::Flagged);
        assert_eq!(item.received, 1_551_675_967_000);
        let paths = "<t:FieldURI FieldURI=\"item:DateTimeReceived\"/><t:FieldURI FieldURI=\"item:Flag\"/>\
             <t:FieldURI FieldURI=\"item:IsDraft\"/><t:ExtendedFieldURI PropertyTag=\"0xe07\" PropertyType=\"Integer\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x1080\" PropertyType=\"Integer\"/>";
        let read = client.call(&client.get_item(&id, paths));
        assert!(read.first("<t:DateTimeReceived>", "<").starts_with("2019-03-04T05:06:07"));
        assert_eq!(read.first("<t:FlagStatus>", "<"), "Flagged");
        assert_eq!(read.first("<t:IsDraft>", "<"), "false");
        assert_eq!(read.all("<t:Value>", "<"), ["0", "261"]);
        assert!(read.mime().contains("Date: Mon, 4 Mar 2019 05:06:00 +0000"));
    }
}

#[test]
fn mangled_requests_are_answered_too() {
    for like in [Personality::Exchange, Personality::Gromox] {
        let client = Client::start(like);
        let id = client.create_mail("inbox", MAIL, "").item_id();
        let requests = [
            client.envelope(&client.get_item(&id, "<t:FieldURI FieldURI=\"item:Body\"/>")),
            client.envelope(&client.sync("inbox", "H1BTAUkBAAABAAAA", 5)),
            client.envelope(&set(&id, "CQAAABYAAAA=", "item:Subject", "<t:Subject>x</t:Subject>")),
            client.envelope(
                "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>\
                 <m:IndexedPageItemView MaxEntriesReturned=\"5\" Offset=\"99999999999\" BasePoint=\"End\"/><m:Restriction><t:Contains \
                 ContainmentMode=\"Substring\"><t:FieldURI FieldURI=\"item:Subject\"/><t:Constant Value=\"x\"/></t:Contains>\
                 </m:Restriction><m:ParentFolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:ParentFolderIds></m:FindItem>",
            ),
        ];
        let mut chance = 88_172_645_463_325_252_u64;
        for round in 0..400 {
            let mut bytes: Vec<char> = requests[round % requests.len()].chars().collect();
            for _ in 0..1 + round % 3 {
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                let at = usize::try_from(chance % bytes.len() as u64).unwrap();
                match chance >> 60 {
                    0..4 => drop(bytes.remove(at)),
                    4..8 => bytes[at] = ['<', '>', '&', '"', '9', 'é', '='][at % 7],
                    8..12 => bytes.insert(at, ['<', '/', ' ', '\'', '0', ';', ':'][at % 7]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let request: String = bytes.into_iter().collect();
            let answer = client.try_post(&request).unwrap_or_else(|error| panic!("{error}: {request}"));
            assert!(answer.status == 200 || answer.status == 500, "{}: {request}", answer.status);
        }
    }
}

/// Sends a request over a connection of its own, and gives back what comes until there are `answers` whole ones.
fn talk(client: &Client, extra: &str, body: &str, answers: usize) -> String {
    let url = reqwest::Url::parse(&client.server.url()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let sign_in = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:demo"));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {sign_in}\r\nContent-Type: text/xml\r\n\
         Content-Length: {}\r\n{extra}\r\n",
        url.path(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut heard = String::new();
    let mut piece = [0; 4096];
    while heard.matches("Envelope>").count() < answers {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    heard
}

/// A client that reused the connection would take the second one for the answer to its next request.
#[test]
fn gromox_says_a_fault_twice() {
    let gromox = Client::start(Personality::Gromox);
    let heard = talk(&gromox, "", "<nonsense", 2);
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 2, "{heard}");
    assert_eq!(heard.matches("faultcode>").count(), 4, "{heard}");
}

/// A client that waits for it before it sends a body waits for ever.
#[test]
fn gromox_never_says_continue() {
    for (like, said) in [(Personality::Exchange, true), (Personality::Gromox, false)] {
        let client = Client::start(like);
        let heard = talk(&client, "Expect: 100-continue\r\n", &client.envelope(&client.sync("inbox", "", 10)), 1);
        assert_eq!(heard.contains("100 Continue"), said, "{heard}");
        assert!(heard.contains("200 OK"), "{heard}");
    }
}
