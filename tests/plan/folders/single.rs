//! Single cases: what a person did to a folder or two, and what it must come to.

use super::id;
use pimsync::pim::{FolderId, FolderKey};
use pimsync::plan::ending::{Emptied, Ending, end_folders};
use pimsync::plan::folders::{BaseFolder, FolderOp, LocalFolder, RemoteFolder, Trees, plan_folders};
use pimsync::plan::groundwork::{Groundwork, groundwork};
use pimsync::plan::{Brake, Side};

fn remote(number: u32, parent: Option<u32>) -> RemoteFolder {
    let id = |number: u32| FolderId::new(number.to_string());
    RemoteFolder { id: id(number), parent: parent.map(id), name: number.to_string(), mirrored: true }
}

fn agreed(folder: &RemoteFolder) -> BaseFolder {
    let key = |id: &FolderId| FolderKey(id.as_str().parse().expect("a number"));
    BaseFolder {
        key: key(&folder.id),
        id: folder.id.clone(),
        parent: folder.parent.as_ref().map(key),
        name: folder.name.clone(),
        special: false,
        mirrored: true,
    }
}

/// 10,000 folders are planned for in an instant, whatever their shape, whether every directory took the name of the next one, was
/// moved, or is new: if any step looked at all folders for each folder, this would take minutes.
#[test]
fn ten_thousand_folders_take_no_time() {
    const MANY: u32 = 10_000;
    let wide: Vec<_> = (0..MANY).map(|number| remote(number, None)).collect();
    let deep: Vec<_> = (0..MANY).map(|number| remote(number, number.checked_sub(1))).collect();
    let circle: Vec<_> = (0..MANY).map(|number| remote(number, Some((number + 1) % MANY))).collect();
    let started = std::time::Instant::now();
    for tree in [&wide, &deep, &circle] {
        let first = plan_folders::<u32>(&Trees { base: &[], remote: tree, local: &[] });
        assert_eq!(first.len(), if tree[0].parent.is_none() { MANY as usize } else { 0 });
        let base: Vec<_> = tree.iter().map(agreed).collect();
        for (known, shift, nested) in [(true, 1, false), (true, MANY - 1, true), (false, 0, true)] {
            let local: Vec<_> = (0..MANY)
                .map(|number| LocalFolder {
                    dir: number,
                    parent: number.checked_sub(1).filter(|_| nested),
                    name: ((number + shift) % MANY).to_string(),
                    known: known.then(|| FolderKey(i64::from(number))),
                })
                .collect();
            plan_folders(&Trees { base: &base, remote: tree, local: &local });
        }
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Two folders that swapped their names here are swapped on the server, although it refuses a name that a sibling has.
#[test]
fn swapped_names_take_a_spare_one_in_between() {
    let folders = [(1, "a"), (2, "b")];
    let base = folders.map(|(number, name)| BaseFolder {
        key: FolderKey(number),
        id: FolderId::new(name),
        parent: None,
        name: name.into(),
        special: false,
        mirrored: true,
    });
    let remote = folders.map(|(_, name)| RemoteFolder {
        id: FolderId::new(name),
        parent: None,
        name: name.into(),
        mirrored: true,
    });
    let local = [(1, "b"), (2, "a")].map(|(number, name)| LocalFolder {
        dir: number,
        parent: None,
        name: name.to_owned(),
        known: Some(FolderKey(number)),
    });
    let rename = |key, name: &str| FolderOp::RenameRemote { key: FolderKey(key), name: name.into() };
    assert_eq!(
        plan_folders(&Trees { base: &base, remote: &remote, local: &local }),
        [rename(1, "b (1)"), rename(2, "a"), rename(1, "b")]
    );
}

/// Moved into each other, each on its own side: the server's move holds, and the one made here is taken back first.
#[test]
fn folders_moved_into_each_other_do_not_end_up_in_nothing() {
    let folder = |number: i64, parent| BaseFolder {
        key: FolderKey(number),
        id: FolderId::new(number.to_string()),
        parent,
        name: number.to_string(),
        special: false,
        mirrored: true,
    };
    let base = [folder(1, None), folder(2, None)];
    let remote = [remote(1, None), remote(2, Some(1))];
    let local = [
        LocalFolder { dir: 2, parent: None, name: "2".into(), known: Some(FolderKey(2)) },
        LocalFolder { dir: 1, parent: Some(2), name: "1".into(), known: Some(FolderKey(1)) },
    ];
    let place = |key| FolderOp::PlaceLocal { key: FolderKey(key), renamed: false, moved: true };
    assert_eq!(plan_folders(&Trees { base: &base, remote: &remote, local: &local }), [place(1), place(2)]);
}

/// A base and a server that agree with it, from numbers, parents and names.
fn in_step(folders: &[(u32, Option<u32>, &str)]) -> (Vec<BaseFolder>, Vec<RemoteFolder>) {
    let remote: Vec<_> = folders
        .iter()
        .map(|(number, parent, name)| RemoteFolder { name: (*name).into(), ..remote(*number, *parent) })
        .collect();
    (remote.iter().map(agreed).collect(), remote)
}

fn directory(dir: u32, parent: Option<u32>, name: &str) -> LocalFolder<u32> {
    LocalFolder { dir, parent, name: name.into(), known: Some(FolderKey(i64::from(dir))) }
}

/// `mv C/C tmp; rmdir C; mv tmp C`: the inner folder must leave the outer one before that can go, and takes its name after that.
#[test]
fn a_folder_that_takes_the_place_of_the_one_it_lay_in_gets_out_first() {
    let (base, remote) = in_step(&[(1, None, "C"), (2, Some(1), "C")]);
    let local = [directory(2, None, "C")];
    assert_eq!(
        plan_folders(&Trees { base: &base, remote: &remote, local: &local }),
        [
            FolderOp::Vanished { key: FolderKey(1), on: Side::Local },
            FolderOp::RenameRemote { key: FolderKey(2), name: "C (2)".into() },
            FolderOp::MoveRemote { key: FolderKey(2), into: None },
        ]
    );
}

/// `mkdir new; mv C new/C; mv new C`: the new folder can only be made once the old one gave up its name.
#[test]
fn a_folder_put_into_a_new_one_of_its_name() {
    let (base, remote) = in_step(&[(1, None, "C")]);
    let local = [LocalFolder { known: None, ..directory(9, None, "C") }, directory(1, Some(9), "C")];
    let rename = |name: &str| FolderOp::RenameRemote { key: FolderKey(1), name: name.into() };
    assert_eq!(
        plan_folders(&Trees { base: &base, remote: &remote, local: &local }),
        [
            rename("C (1)"),
            FolderOp::MakeRemote(9),
            FolderOp::MoveRemote { key: FolderKey(1), into: Some(9) },
            rename("C"),
        ]
    );
}

/// Renamed there and moved here: the directory takes the new name where it is now, and the server's folder follows the move.
#[test]
fn a_name_from_there_and_a_place_from_here_are_merged() {
    let (base, mut remote) = in_step(&[(1, None, "a"), (2, None, "b")]);
    remote[1].name = "c".into();
    let local = [directory(1, None, "a"), directory(2, Some(1), "b")];
    assert_eq!(
        plan_folders(&Trees { base: &base, remote: &remote, local: &local }),
        [
            FolderOp::PlaceLocal { key: FolderKey(2), renamed: true, moved: false },
            FolderOp::MoveRemote { key: FolderKey(2), into: Some(1) },
        ]
    );
}

/// A directory that was deleted and made anew, or put back from an archive, is the same folder.
#[test]
fn a_directory_made_anew_in_its_old_place_is_the_same_folder() {
    let (base, remote) = in_step(&[(1, None, "a")]);
    let local = [LocalFolder { known: None, ..directory(9, None, "a") }];
    let adopted = FolderOp::Adopt { id: FolderId::new("1"), dir: 9 };
    assert_eq!(plan_folders(&Trees { base: &base, remote: &remote, local: &local }), [adopted]);
}

/// A tree that lost its folders by mistake must not take them along on the other side.
#[test]
fn many_folders_do_not_go_without_a_word() {
    let emptied =
        |number| Emptied { key: FolderKey(number), within: None, left_on: Side::Remote, special: false, in_use: false };
    let gone: Vec<Emptied> = (1..=6).map(emptied).collect();
    let are_held = |brake, total| {
        let endings = end_folders(&gone, brake, total);
        let held = endings.iter().filter(|ending| matches!(ending, Ending::Held(_, Side::Remote, _))).count();
        let removed = endings.iter().filter(|ending| matches!(ending, Ending::Remove(_, Side::Remote, _))).count();
        assert_eq!((held.min(removed), held + removed), (0, 6), "all or none");
        held > 0
    };
    assert!(are_held(Brake::On, 25), "6 of 25 are more than a fifth");
    assert!(!are_held(Brake::On, 30));
    assert!(!are_held(Brake::On, 24), "few folders are no mass deletion");
    assert!(!are_held(Brake::Released, 25));
    assert!(are_held(Brake::Fenced, 1000), "after a restore none goes on the server");
}

/// Else a folder that was deleted there and made again would be deleted here, with what was changed in it.
#[test]
fn a_folder_made_again_in_its_old_place_is_the_same_folder() {
    let (base, mut remote) = in_step(&[(1, None, "Projects"), (2, Some(1), "Plans"), (3, None, "Other")]);
    let local = [directory(1, None, "Projects"), directory(2, Some(1), "Plans"), directory(3, None, "Other")];
    let ground = |remote: &[RemoteFolder]| groundwork(&Trees { base: &base, remote, local: &local });
    assert_eq!(ground(&remote), []);
    remote[1].id = id(9);
    remote[1].name = "PLANS".into();
    assert_eq!(ground(&remote), [Groundwork::Reborn { key: FolderKey(2), id: id(9) }]);
    remote[1].parent = None;
    assert_eq!(ground(&remote), [], "in another place it is another folder");
}

/// Else what somebody put into it here would have nowhere to go.
#[test]
fn a_folder_that_is_gone_there_is_made_again_for_what_was_put_into_it_here() {
    let (base, mut remote) = in_step(&[(1, None, "Projects"), (2, Some(1), "Plans"), (3, None, "Other")]);
    remote.drain(..2);
    let [projects, plans, other] =
        [directory(1, None, "Projects"), directory(2, Some(1), "Plans"), directory(3, None, "Other")];
    let ground = |local: &[LocalFolder<u32>]| groundwork(&Trees { base: &base, remote: &remote, local });
    assert_eq!(ground(&[projects.clone(), plans.clone(), other.clone()]), [], "what lay in it goes with it");
    let new = LocalFolder { known: None, ..directory(4, Some(2), "New") };
    let again = [Groundwork::MakeAgain(FolderKey(2))];
    assert_eq!(ground(&[projects.clone(), plans.clone(), other.clone(), new]), again);
    let moved = LocalFolder { parent: Some(2), ..other };
    assert_eq!(ground(&[projects, plans, moved]), again);
}

/// Else the spare name that a run was cut off with would be taken for somebody's wish, and be given to the directory.
#[test]
fn a_spare_name_is_nobodys_wish() {
    let (base, mut remote) = in_step(&[(1, None, "a")]);
    let local = [directory(1, None, "b")];
    let ground = |remote: &[RemoteFolder]| groundwork(&Trees { base: &base, remote, local: &local });
    assert_eq!(ground(&remote), []);
    remote[0].name = "b (1)".into();
    assert_eq!(ground(&remote), [Groundwork::Spare { key: FolderKey(1), name: "b (1)".into() }]);
}
