//! Names and lists: ResolveNames and ExpandDL.

use crate::client::{Client, USER};
use pimsync::exchange::{List, NewMember, Options, Personality, User};

fn client() -> Client {
    let user = |address: &str| User { address: address.to_owned(), password: "demo".to_owned() };
    let list = |name: &str, address: &str, members: &[(&str, &str)]| List {
        name: name.to_owned(),
        address: address.to_owned(),
        members: members.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect(),
    };
    let all =
        [("Ben Holt", "ben@example.org"), ("Out & Side", "out@example.com"), ("Sales EU", "sales-eu@example.org")];
    Client::with(Options {
        users: vec![user(USER), user("ben@example.org")],
        lists: vec![list("Sales", "sales@example.org", &all), list("Sales EU", "sales-eu@example.org", &[])],
        ..Options::default()
    })
}

fn resolve(client: &Client, attributes: &str, name: &str) -> crate::client::Answer {
    client.call(&format!(
        "<m:ResolveNames ReturnFullContactData=\"false\"{attributes}><m:UnresolvedEntry>{name}</m:UnresolvedEntry></m:ResolveNames>"
    ))
}

fn expand(client: &Client, inside: &str) -> crate::client::Answer {
    client.call(&format!("<m:ExpandDL><m:Mailbox>{inside}</m:Mailbox></m:ExpandDL>"))
}

#[test]
fn a_name_that_can_mean_several_is_a_warning_with_all_of_them() {
    let client = client();
    let several = resolve(&client, "", "sales");
    assert_eq!(several.codes(), ["ErrorNameResolutionMultipleResults"]);
    assert!(several.body.contains("ResponseClass=\"Warning\"") && several.body.contains("TotalItemsInView=\"2\""));
    assert_eq!(several.all("<t:EmailAddress>", "<"), ["sales@example.org", "sales-eu@example.org"]);
    let one = resolve(&client, "", "EU");
    assert_eq!(
        (one.codes(), one.all("<t:MailboxType>", "<")),
        (vec!["NoError".to_owned()], vec!["PublicDL".to_owned()])
    );
    assert_eq!(resolve(&client, "", "smtp:ben@example.org").all("<t:MailboxType>", "<"), ["Mailbox"]);
    assert_eq!(resolve(&client, "", "nobody").codes(), ["ErrorNameResolutionNoResults"]);
}

#[test]
fn personal_lists_are_found_among_the_contacts() {
    let client = client();
    let id = client.mailbox().add_list("Contacts", "Salsa", &[NewMember::Address("Ida", "ida@example.com")]).unwrap();
    let found = resolve(&client, "", "salsa");
    assert_eq!(found.item_id(), id);
    assert_eq!(found.all("<t:RoutingType>", "<"), ["MAPIPDL"]);
    assert_eq!(resolve(&client, " SearchScope=\"ActiveDirectory\"", "salsa").codes(), ["ErrorNameResolutionNoResults"]);
    let in_contacts = resolve(&client, " SearchScope=\"Contacts\"", "sal").all("<t:MailboxType>", "<");
    assert_eq!(in_contacts, ["PrivateDL"], "the directory is not asked");
}

#[test]
fn a_list_of_the_directory_is_opened_and_lists_in_it_are_not() {
    let client = client();
    for name in ["sales@example.org", "SMTP:SALES@example.org", "sales"] {
        let answer = expand(&client, &format!("<t:EmailAddress>{name}</t:EmailAddress>"));
        assert_eq!(answer.codes(), ["NoError"], "{name}");
        assert!(answer.body.contains("<m:DLExpansion TotalItemsInView=\"3\" IncludesLastItemInRange=\"true\">"));
        assert_eq!(answer.all("<t:Name>", "<"), ["Ben Holt", "Out &amp; Side", "Sales EU"]);
        assert_eq!(answer.all("<t:MailboxType>", "<"), ["Mailbox", "Contact", "PublicDL"]);
    }
    let empty = expand(&client, "<t:EmailAddress>sales-eu@example.org</t:EmailAddress>");
    assert_eq!((empty.codes(), empty.all("<t:Mailbox>", "<").len()), (vec!["NoError".to_owned()], 0));
}

#[test]
fn a_personal_list_is_opened_by_its_id() {
    let client = client();
    let created = client.call(
        "<m:CreateItem><m:Items><t:DistributionList><t:DisplayName>Rowers</t:DisplayName><t:Members>\
         <t:Member><t:Mailbox><t:EmailAddress>typed@example.com</t:EmailAddress></t:Mailbox></t:Member>\
         <t:Member><t:Mailbox><t:Name>Ben</t:Name><t:EmailAddress>ben@example.org</t:EmailAddress>\
         <t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox></t:Member>\
         </t:Members></t:DistributionList></m:Items></m:CreateItem>",
    );
    let id = created.item_id();
    let answer = expand(&client, &format!("<t:ItemId Id=\"{id}\"/>"));
    assert_eq!(answer.all("<t:Name>", "<"), ["typed@example.com", "Ben"]);
    assert_eq!(answer.all("<t:MailboxType>", "<"), ["OneOff", "Mailbox"]);
    client.mailbox().delete_item(&id).unwrap();
    assert_eq!(expand(&client, &format!("<t:ItemId Id=\"{id}\"/>")).codes(), ["ErrorItemNotFound"]);
}

#[test]
fn what_is_no_list_is_not_opened() {
    let client = client();
    for (inside, code) in [
        ("<t:EmailAddress>ben@example.org</t:EmailAddress>", "ErrorNameResolutionNoResults"),
        ("<t:EmailAddress>nobody@example.org</t:EmailAddress>", "ErrorNameResolutionNoResults"),
        ("<t:Name>Sales</t:Name>", "ErrorMissingInformationEmailAddress"),
        ("<t:ItemId Id=\"nonsense\"/>", "ErrorInvalidIdMalformed"),
    ] {
        assert_eq!(expand(&client, inside).codes(), [code], "{inside}");
    }
    assert_eq!(client.call("<m:ExpandDL/>").fault(), "ErrorSchemaValidation");
    let foreign = Client::start(Personality::Gromox);
    assert_eq!(expand(&foreign, "<t:EmailAddress>x@y</t:EmailAddress>").codes(), ["ErrorNameResolutionNoResults"]);
}
