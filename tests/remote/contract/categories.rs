//! The master list of categories.

use pimsync::exchange::{Action, Personality, Rule};
use pimsync::pim::{CategoryColour, CategoryList, MasterCategory};
use pimsync::remote::{ItemErrorClass, RemoteRead, RemoteWrite};

use crate::house::House;

contract!(
    a_list_is_made_read_and_changed,
    a_list_that_was_changed_meanwhile_is_left_alone,
    a_lost_answer_is_looked_up,
    what_is_no_list_is_an_error_and_stays,
);

fn list(categories: &[(&str, i32)]) -> CategoryList {
    let named = |(name, colour): &(&str, i32)| MasterCategory {
        colour: CategoryColour(*colour),
        ..MasterCategory::named(name)
    };
    categories.iter().map(named).collect()
}

async fn a_list_is_made_read_and_changed(house: House) {
    assert_eq!(house.client.category_list().await.unwrap().unwrap(), None);
    let first = list(&[("Work", 3), ("Ärger & Co.", 24)]);
    assert_eq!(house.client.update_category_list(None, &first).await.unwrap().unwrap(), first);
    assert_eq!(house.client.category_list().await.unwrap().unwrap(), Some(first.clone()));
    let xml = house.mailbox.category_list().unwrap().unwrap();
    house.mailbox.set_category_list(&xml.replace("usageCount=\"0\"", "usageCount=\"4\" odd=\"1\"")).unwrap();
    let second = list(&[("WORK", 5), ("New", -1)]);
    assert_eq!(house.client.update_category_list(Some(&first), &second).await.unwrap().unwrap(), second);
    let xml = house.mailbox.category_list().unwrap().unwrap();
    assert_eq!((xml.matches("odd=\"1\"").count(), xml.matches("guid=").count()), (1, 2), "{xml}");
}

async fn a_list_that_was_changed_meanwhile_is_left_alone(house: House) {
    house.mailbox.set_category_list("<categories><category name=\"a\" color=\"1\"/></categories>").unwrap();
    for from in [None, Some(list(&[])), Some(list(&[("a", 2)]))] {
        let error = house.client.update_category_list(from.as_ref(), &list(&[("b", 1)])).await.unwrap().unwrap_err();
        assert_eq!(error.class, ItemErrorClass::Conflict);
    }
    assert_eq!(house.client.category_list().await.unwrap().unwrap(), Some(list(&[("a", 1)])));
}

async fn a_lost_answer_is_looked_up(house: House) {
    for (operation, from, to) in [
        ("CreateUserConfiguration", None, list(&[("a", 1)])),
        ("UpdateUserConfiguration", Some(list(&[("a", 1)])), list(&[("b", 2)])),
    ] {
        house.server.faults().add(Rule::on(operation, Action::ResetAfterCommit).times(1));
        assert_eq!(house.client.update_category_list(from.as_ref(), &to).await.unwrap().unwrap(), to);
        let sent = house.server.requests().iter().filter(|request| request.operation == operation).count();
        assert_eq!(sent, 1, "it was not sent again");
    }
}

async fn what_is_no_list_is_an_error_and_stays(house: House) {
    house.mailbox.set_category_list("<other/>").unwrap();
    let error = house.client.category_list().await.unwrap().unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ItemErrorClass::Unrenderable, "UnreadableList"));
    assert!(house.client.update_category_list(None, &list(&[("a", 1)])).await.unwrap().is_err());
    assert_eq!(house.mailbox.category_list().unwrap().as_deref(), Some("<other/>"));
}
