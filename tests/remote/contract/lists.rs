//! Distribution lists: they are found by what people call them, and opened.

use crate::house::*;
use pimsync::exchange::{Action, List, NewMember, Personality, Rule};
use pimsync::pim::ItemId;
use pimsync::remote::{FoundList, ListId, RemoteRead};

contract!(lists_are_found_and_opened, a_list_is_found_and_opened_through_throttling);

async fn lists_are_found_and_opened(house: House) {
    let sample = &List::samples()[0];
    let found = house.client.find_lists(&sample.name.to_uppercase()).await.unwrap();
    let id = ListId::Directory(sample.address.clone());
    assert_eq!(found, [FoundList { name: sample.name.clone(), id: id.clone() }]);
    assert_eq!(house.client.find_lists(&sample.address).await.unwrap(), found);
    let opened = house.client.list_members(&id).await.unwrap().unwrap();
    assert!(opened.complete);
    let members: Vec<_> =
        opened.members.iter().map(|member| (member.name.clone(), member.address.clone().unwrap())).collect();
    assert_eq!(members, sample.members);
    assert!(opened.members.iter().all(|member| member.list.is_none()), "a list of the directory is an address");

    let inner = house.mailbox.add_list("Contacts", "Inner", &[]).unwrap();
    let entries = [NewMember::Address("Ida <&>", "ida@example.com"), NewMember::List("Inner", &inner)];
    house.mailbox.add_list("Contacts", "Rowers", &entries).unwrap();
    let [rowers] = &house.client.find_lists("row").await.unwrap()[..] else { panic!("one list") };
    let opened = house.client.list_members(&rowers.id).await.unwrap().unwrap();
    assert_eq!(
        (opened.members[0].name.as_str(), opened.members[0].address.as_deref()),
        ("Ida <&>", Some("ida@example.com"))
    );
    assert_eq!(
        (opened.members[1].address.as_deref(), opened.members[1].list.as_ref()),
        (None, Some(&ItemId::new(inner)))
    );

    assert_eq!(house.client.find_lists("nobody has this name").await.unwrap(), []);
    assert_eq!(house.client.find_lists("demo@example.org").await.unwrap(), [], "a mailbox is no list");
    let gone = house.client.list_members(&ListId::Directory("gone@example.org".to_owned())).await.unwrap().unwrap_err();
    assert_eq!(gone.code, "ErrorNameResolutionNoResults");
}

async fn a_list_is_found_and_opened_through_throttling(house: House) {
    for (operation, action) in [
        ("ResolveNames", Action::ServerBusyInMessage { backoff_ms: Some(200) }),
        ("ExpandDL", Action::InternalServerErrorWithInnerBusy),
    ] {
        house.server.faults().add(Rule::on(operation, action).times(1));
    }
    let found = house.client.find_lists("library-team@example.org").await.unwrap();
    let opened = house.client.list_members(&found[0].id).await.unwrap().unwrap();
    assert_eq!(opened.members.len(), List::samples()[1].members.len());
}
