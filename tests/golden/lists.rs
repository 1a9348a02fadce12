//! Distribution lists: found and opened.

use pimsync::remote::{FoundList, ItemError, ItemErrorClass, ListId, ListMember, ListMembers, RemoteRead};

use super::{A, B, Talk, item};

fn found(name: &str, id: ListId) -> FoundList {
    FoundList { name: name.to_owned(), id }
}

fn member(name: &str, address: Option<&str>) -> ListMember {
    ListMember { name: name.to_owned(), address: address.map(str::to_owned), list: None }
}

#[tokio::test]
async fn of_all_that_a_name_can_mean_the_lists_are_taken() {
    let talk = Talk::new(&[("find-lists", "find-lists-several.exchange")]);
    let lists = vec![
        found("Sales & Co", ListId::Directory("sales@example.org".to_owned())),
        found("Sailors", ListId::Personal(item(A))),
    ];
    talk.gives(&talk.client.find_lists("Sa <\"&").await, &lists);

    let talk = Talk::new(&[("find-lists", "find-lists-one.exchange")]);
    talk.gives(&talk.client.find_lists("Sa <\"&").await, &lists[..1].to_vec());

    let talk = Talk::new(&[("find-lists", "find-lists-none.exchange")]);
    talk.gives(&talk.client.find_lists("Sa <\"&").await, &Vec::new());
}

#[tokio::test]
async fn the_members_of_a_list() {
    let talk = Talk::new(&[("list-members", "list-members.exchange")]);
    let inner = ListMember { list: Some(item(B)), ..member("Inner", None) };
    let members = vec![
        member("Ben Holt", Some("ben@example.org")),
        member("Müller & Söhne", Some("müller@example.com")),
        member("Sales EU", Some("sales-eu@example.org")),
        inner,
        member("Old Server", None),
        member("", Some("only@example.org")),
    ];
    let asked = ListId::Directory("sales@example.org".to_owned());
    talk.gives(&talk.client.list_members(&asked).await, &Ok(ListMembers { members, complete: false }));

    let talk = Talk::new(&[("list-members-personal", "list-members-empty.exchange")]);
    let asked = ListId::Personal(item(A));
    talk.gives(&talk.client.list_members(&asked).await, &Ok(ListMembers { members: Vec::new(), complete: true }));
}

#[tokio::test]
async fn a_list_that_is_not_there() {
    let talk = Talk::new(&[("list-members", "list-members-none.exchange")]);
    let error = ItemError {
        class: ItemErrorClass::Permanent,
        code: "ErrorNameResolutionNoResults".to_owned(),
        message: "Es wurden keine Ergebnisse gefunden.".to_owned(),
    };
    let asked = ListId::Directory("sales@example.org".to_owned());
    talk.gives(&talk.client.list_members(&asked).await, &Err(error));
}
