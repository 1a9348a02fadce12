//! Files of events: they lie in the event's own file, come and go one by one, and none is lost or there twice whatever cuts a run off.

use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::{Date, date};
use pimsync::exchange::{Action, Options, Personality, Rule};
use pimsync::pim::{Attachment, Attachments, Blob, Entry, SpecialFolder};
use pimsync::sync::{Notice, Step, SyncError};

use super::entries::{BOTH, TEA, as_event, copies, edit, only_file, settled, write};
use super::series::{EXDATE, exception, silent_from};
use crate::client::Client;
use crate::world::others::Others;
use crate::world::{CutAt, World};

/// A line of a file with an attachment.
fn attach(name: &str, data: &str) -> String {
    format!("ATTACH;ENCODING=BASE64;VALUE=BINARY;FMTTYPE=text/plain;FILENAME={name}:{}\n", STANDARD.encode(data))
}

/// An event with these attachments.
fn tea_with(attachments: &[(&str, &str)]) -> String {
    let lines: String = attachments.iter().map(|(name, data)| attach(name, data)).collect();
    TEA.replace("LOCATION:Garden\n", &format!("LOCATION:Garden\n{lines}"))
}

/// Names and content of what is attached to the only event there is, as another client sees it.
fn there(world: &World) -> Vec<(String, String)> {
    let mut all = Others(world).all(SpecialFolder::Calendar);
    assert_eq!(all.len(), 1, "{all:?}");
    let event = as_event(&all.remove(0).entry).clone();
    let told =
        |file: &Attachment| (file.name.to_string(), String::from_utf8(file.content.data().unwrap().to_vec()).unwrap());
    event.attachments.iter().map(told).collect()
}

/// The same of the file.
fn here(world: &World) -> Vec<(String, String)> {
    let text = only_file(world, "Calendar").1.replace("\r\n ", "");
    let lines = text.lines().filter(|line| line.starts_with("ATTACH"));
    let mut found: Vec<_> = lines
        .map(|line| {
            let (head, data) = line.split_once(':').unwrap();
            let name = head.split(';').find_map(|parameter| parameter.strip_prefix("FILENAME=")).unwrap();
            (name.to_owned(), String::from_utf8(STANDARD.decode(data).unwrap()).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect()
}

fn assert_both(world: &World, wanted: &[(&str, &str)]) {
    assert_eq!((here(world), there(world)), (pairs(wanted), pairs(wanted)));
}

#[test]
fn files_of_events_come_and_go_both_ways() {
    for like in BOTH {
        let world = World::new(like);
        let others = Others(&world);
        world.sync();
        write(&world, "Calendar/tea.ics", &tea_with(&[("agenda.txt", "1. Tea"), ("list.txt", "Cups")]));
        assert_eq!(settled(&world).notices, []);
        assert_both(&world, &[("agenda.txt", "1. Tea"), ("list.txt", "Cups")]);

        // One goes there and one comes, while one is edited here.
        others.update(SpecialFolder::Calendar, |entry| {
            let Entry::Event(event) = entry else { panic!() };
            let kept = event.attachments.iter().filter(|file| file.name.as_str() != "list.txt").cloned();
            event.attachments = kept.chain([Attachment::new("there.txt", Blob::new("From there"))]).collect();
        });
        edit(
            &world,
            "Calendar",
            attach("agenda.txt", "1. Tea").trim_end(),
            attach("agenda.txt", "1. Coffee").trim_end(),
        );
        assert_eq!(settled(&world).notices, []);
        assert_both(&world, &[("agenda.txt", "1. Coffee"), ("there.txt", "From there")]);
        assert_eq!(copies(&world), Vec::<String>::new());

        let (path, text) = only_file(&world, "Calendar");
        fs::write(path, text.replace(&attach("agenda.txt", "1. Coffee").replace('\n', "\r\n"), "")).unwrap();
        assert_eq!(settled(&world).notices, []);
        assert_both(&world, &[("there.txt", "From there")]);
        assert!(only_file(&world, "Calendar").1.contains("X-TEAPOT:blue"));
    }
}

#[test]
fn a_link_is_no_file_of_the_event_and_stays_where_it_is() {
    let world = World::new(Personality::Exchange);
    world.sync();
    let linked = tea_with(&[("a.txt", "A")]).replace("X-TEAPOT", "ATTACH:https://example.org/plan.pdf\nX-TEAPOT");
    write(&world, "Calendar/tea.ics", &linked);
    assert_eq!(settled(&world).notices, []);
    assert_eq!(there(&world), pairs(&[("a.txt", "A")]));
    Others(&world).update(SpecialFolder::Calendar, |entry| {
        let Entry::Event(event) = entry else { panic!() };
        event.attachments = Default::default();
    });
    settled(&world);
    let text = only_file(&world, "Calendar").1;
    assert!(text.contains("ATTACH:https://example.org/plan.pdf") && !text.contains("a.txt"), "{text}");
}

#[test]
fn a_picture_in_the_text_keeps_the_name_by_which_the_text_shows_it() {
    let world = World::new(Personality::Exchange);
    let plan = STANDARD.encode("PNG");
    let event = format!(
        "<t:CalendarItem><t:Subject>Plan</t:Subject><t:Body BodyType=\"HTML\">&lt;p&gt;See &lt;img src='cid:plan@1'&gt;&lt;/p&gt;</t:Body>\
         <t:Attachments><t:FileAttachment><t:Name>plan.png</t:Name><t:ContentType>image/png</t:ContentType><t:ContentId>plan@1</t:ContentId>\
         <t:IsInline>true</t:IsInline><t:Content>{plan}</t:Content></t:FileAttachment></t:Attachments>\
         <t:Start>2026-03-02T09:00:00Z</t:Start><t:End>2026-03-02T10:00:00Z</t:End></t:CalendarItem>"
    );
    world.mailbox.add_item("Calendar", &event).unwrap();
    settled(&world);
    let (path, text) = only_file(&world, "Calendar");
    let unfolded = text.replace("\r\n ", "");
    assert!(unfolded.contains("FMTTYPE=image/png;FILENAME=plan.png;X-CONTENT-ID=plan@1:"), "{text}");
    // It comes back as that.
    let mut again = Others(&world).all(SpecialFolder::Calendar).remove(0);
    world.mailbox.delete_item(again.id.as_str()).unwrap();
    settled(&world);
    assert!(!path.exists());
    fs::write(&path, text).unwrap();
    settled(&world);
    again = Others(&world).all(SpecialFolder::Calendar).remove(0);
    let picture = as_event(&again.entry).attachments.iter().next().unwrap();
    assert_eq!((picture.content_id.as_str(), picture.media_type.as_str()), ("plan@1", "image/png"));
}

#[test]
fn what_no_file_can_have_stays_on_the_server_and_is_named() {
    let world = World::new(Personality::Exchange);
    let event = "<t:CalendarItem><t:Subject>Review</t:Subject><t:Attachments><t:ItemAttachment><t:Name>The mail</t:Name>\
         <t:Message><t:Subject>The mail</t:Subject></t:Message></t:ItemAttachment></t:Attachments>\
         <t:Start>2026-03-02T09:00:00Z</t:Start><t:End>2026-03-02T10:00:00Z</t:End></t:CalendarItem>";
    let id = world.mailbox.add_item("Calendar", event).unwrap();
    assert_eq!(settled(&world).notices, []);
    assert_eq!(world.only_there(), ["Calendar: the attached item or link \"The mail\", of \"Review\""]);
    edit(&world, "Calendar", "SUMMARY:Review", "SUMMARY:Second review");
    settled(&world);
    assert!(world.mailbox.item_xml(&id).unwrap().contains("ItemAttachment"), "it is still there");
    assert_eq!(world.only_there().len(), 1, "{:?}", world.only_there());
    world.mailbox.delete_item(&id).unwrap();
    settled(&world);
    assert_eq!(world.only_there(), Vec::<String>::new());
}

#[test]
fn a_file_larger_than_any_other_text_goes_both_ways() {
    let world = World::unrecorded(Personality::Exchange);
    world.sync();
    let large = "0123456789abcdef".repeat(17 << 16);
    write(&world, "Calendar/tea.ics", &tea_with(&[("large.txt", &large)]));
    assert_eq!(settled(&world).notices, []);
    assert!(there(&world) == pairs(&[("large.txt", &large)]));
    world.lose_state();
    fs::remove_file(only_file(&world, "Calendar").0).unwrap();
    settled(&world);
    assert!(here(&world) == pairs(&[("large.txt", &large)]));
}

fn before_the_change(like: Personality) -> World {
    let world = World::unrecorded(like);
    world.sync();
    write(&world, "Calendar/tea.ics", &tea_with(&[("a.txt", "A"), ("b.txt", "B")]));
    settled(&world);
    change(&world);
    world
}

/// One goes, one becomes another, one comes; and a property changes with them.
fn change(world: &World) {
    let (path, _) = only_file(world, "Calendar");
    let new = tea_with(&[("b.txt", "Bb"), ("c.txt", "C")]).replace("SUMMARY:Tea", "SUMMARY:Green tea");
    fs::write(path, new.replace('\n', "\r\n")).unwrap();
}

fn assert_changed(world: &World, told: &str) {
    settled(world);
    assert_both(world, &[("b.txt", "Bb"), ("c.txt", "C")]);
    assert!(only_file(world, "Calendar").1.contains("SUMMARY:Green tea"), "{told}");
    assert_eq!(copies(world), Vec::<String>::new(), "{told}");
}

/// Plays what `before` prepares, cut off at each step, and at each request before and after the server acted.
fn cut_anywhere(before: impl Fn(Personality) -> World, check: impl Fn(&World, &str)) {
    for like in BOTH {
        let world = before(like);
        let whole = Arc::new(CutAt::default());
        let requests = world.server.requests().len();
        world.try_sync(&Default::default(), whole.clone()).unwrap();
        let requests = (world.server.requests().len() - requests) as u64;
        check(&world, "whole");
        let steps: Vec<Step> = whole.passed.lock().unwrap().clone();
        for at in 1..=steps.len() {
            let world = before(like);
            match world.try_sync(&Default::default(), Arc::new(CutAt { at: Some(at), ..CutAt::default() })) {
                Err(SyncError::CutOff(_)) | Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
            check(&world, &format!("{like:?}, cut off at step {at}, {:?}", steps[at - 1]));
        }
        for nth in 1..=requests {
            for action in [Action::ResetAfterCommit, Action::ResetBeforeCommit] {
                let told = format!("{like:?}, silent from request {nth}, {action:?}");
                let world = before(like);
                silent_from(&world, nth, action);
                drop(world.try_sync(&Default::default(), Arc::new(CutAt::default())));
                world.server.faults().clear();
                // What did not get through waits for a while.
                world.advance(2 * 86_400);
                check(&world, &told);
            }
        }
    }
}

#[test]
fn a_change_of_files_that_is_cut_off_anywhere_comes_to_its_end() {
    cut_anywhere(before_the_change, assert_changed);
}

#[test]
fn an_upload_with_files_that_is_cut_off_anywhere_comes_to_its_end() {
    let before = |like| {
        let world = World::unrecorded(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &tea_with(&[("a.txt", "A"), ("b.txt", "B")]));
        world
    };
    cut_anywhere(before, |world, told| {
        settled(world);
        assert_both(world, &[("a.txt", "A"), ("b.txt", "B")]);
        assert_eq!(copies(world), Vec::<String>::new(), "{told}");
    });
}

#[test]
fn a_lost_reply_to_an_attachment_attaches_it_once() {
    for like in BOTH {
        let world = World::unrecorded(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &tea_with(&[("a.txt", "A")]));
        world.server.faults().add(Rule::on("CreateAttachment", Action::ResetAfterCommit));
        settled(&world);
        assert_both(&world, &[("a.txt", "A")]);
        let id = Others(&world).all(SpecialFolder::Calendar).remove(0).id;
        assert_eq!(world.mailbox.item_xml(id.as_str()).unwrap().matches("<t:FileAttachment>").count(), 1);
    }
}

/// What only one side has was taken away by nobody whom the lost state could name: both sides have it afterwards, and no copy is made.
#[test]
fn a_lost_state_unites_what_is_attached_on_both_sides() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &tea_with(&[("plan", "a plan")]));
        settled(&world);
        Others(&world).update(SpecialFolder::Calendar, |entry| {
            let Entry::Event(event) = entry else { panic!() };
            let more = Attachment::new("agenda", Blob::new("an agenda"));
            event.attachments = event.attachments.iter().cloned().chain([more]).collect();
        });
        write(&world, "Calendar/tea.ics", &tea_with(&[("minutes", "minutes"), ("plan", "a plan")]));
        world.lose_state();
        settled(&world);
        assert_both(&world, &[("agenda", "an agenda"), ("minutes", "minutes"), ("plan", "a plan")]);
        assert_eq!(copies(&world), Vec::<String>::new());
    }
}

/// An edit wins over a deletion, and what comes back is whole, though only the hashes of its files are remembered.
#[test]
fn an_event_that_comes_back_has_its_files() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &tea_with(&[("plan", "a plan")]));
        settled(&world);
        fs::remove_file(only_file(&world, "Calendar").0).unwrap();
        Others(&world).update(SpecialFolder::Calendar, |entry| {
            let Entry::Event(event) = entry else { panic!() };
            event.details.location = "Terrace".into();
        });
        settled(&world);
        assert!(only_file(&world, "Calendar").1.contains("Terrace"));
        assert_both(&world, &[("plan", "a plan")]);
    }
}

/// A series with a file, and an occurrence with files of its own.
fn series_with(summary: &str, files: &[(&str, &str)]) -> String {
    let lines: String = files.iter().map(|(name, data)| attach(name, data)).collect();
    let exception =
        exception("20260309", summary, "18").replace("LOCATION:Garden\n", &format!("LOCATION:Garden\n{lines}"));
    let rule = format!("LOCATION:Garden\nRRULE:FREQ=WEEKLY;COUNT=10\n{EXDATE}{}", attach("all.txt", "All"));
    TEA.replace("LOCATION:Garden\n", &rule).replace("END:VCALENDAR\n", &format!("{exception}END:VCALENDAR\n"))
}

/// Names and content of what is attached to that occurrence and not to its series, as another client sees it.
fn there_on(world: &World, day: Date) -> Vec<(String, String)> {
    let all = Others(world).all(SpecialFolder::Calendar);
    let event = as_event(&all[0].entry);
    let series: Vec<&str> = event.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(series, ["all.txt"]);
    let told =
        |file: &Attachment| (file.name.to_string(), String::from_utf8(file.content.data().unwrap().to_vec()).unwrap());
    event.overrides.get(&day).map(|details| details.files.iter().map(told).collect()).unwrap_or_default()
}

const NINTH: Date = date(2026, 3, 9);

fn write_series(world: &World, text: &str) {
    fs::write(only_file(world, "Calendar").0, text.replace('\n', "\r\n")).unwrap();
}

#[test]
fn files_of_one_occurrence_come_and_go_both_ways() {
    for like in BOTH {
        let world = World::new(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &series_with("Late tea", &[("a.txt", "A"), ("b.txt", "B")]));
        assert_eq!(settled(&world).notices, []);
        assert_eq!(there_on(&world, NINTH), pairs(&[("a.txt", "A"), ("b.txt", "B")]));
        // One goes here while another one comes there, and one of a series whose occurrences are all alike.
        write_series(&world, &series_with("Late tea", &[("a.txt", "A")]));
        Others(&world).update(SpecialFolder::Calendar, |entry| {
            let Entry::Event(event) = entry else { panic!() };
            let files = |files: &Attachments, name: &str| {
                files.iter().cloned().chain([Attachment::new(name, Blob::new("From there"))]).collect()
            };
            let ninth = event.overrides.get_mut(&NINTH).unwrap();
            ninth.files = files(&ninth.files, "c.txt");
        });
        assert_eq!(settled(&world).notices, []);
        assert_eq!(there_on(&world, NINTH), pairs(&[("a.txt", "A"), ("c.txt", "From there")]));
        assert_eq!(here(&world), pairs(&[("a.txt", "A"), ("all.txt", "All"), ("c.txt", "From there")]));
        assert_eq!(world.only_there(), Vec::<String>::new());
        assert_eq!(copies(&world), Vec::<String>::new());
        // Without a state, nothing is there twice.
        world.lose_state();
        settled(&world);
        assert_eq!(there_on(&world, NINTH), pairs(&[("a.txt", "A"), ("c.txt", "From there")]));
        assert_eq!(copies(&world), Vec::<String>::new());
    }
}

/// The server drops all exceptions when an occurrence that was deleted is to be there again, and their files with them: also those that nobody
/// touched.
#[test]
fn a_series_that_is_rewritten_keeps_the_files_of_its_occurrences() {
    for files in [[("a.txt", "A"), ("b.txt", "B")], [("b.txt", "B"), ("c.txt", "C")]] {
        rewrite_with(&files);
    }
}

fn rewrite_with(files: &[(&str, &str)]) {
    let before = |like| {
        let world = World::unrecorded(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &series_with("Late tea", &[("a.txt", "A"), ("b.txt", "B")]));
        settled(&world);
        write_series(&world, &series_with("Late tea", files).replace(EXDATE, ""));
        world
    };
    cut_anywhere(before, |world, told| {
        settled(world);
        assert_eq!(there_on(world, NINTH), pairs(files), "{told}");
        let mut all = pairs(files);
        all.push(("all.txt".to_owned(), "All".to_owned()));
        all.sort();
        assert_eq!(here(world), all, "{told}");
        let all = Others(world).all(SpecialFolder::Calendar);
        let event = as_event(&all[0].entry);
        assert_eq!((event.deleted.len(), event.overrides.len()), (0, 1), "{told}");
        assert_eq!(copies(world), Vec::<String>::new(), "{told}");
    });
}

#[test]
fn an_upload_with_files_of_an_occurrence_that_is_cut_off_anywhere_comes_to_its_end() {
    let before = |like| {
        let world = World::unrecorded(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &series_with("Late tea", &[("a.txt", "A"), ("b.txt", "B")]));
        world
    };
    cut_anywhere(before, |world, told| {
        settled(world);
        assert_eq!(there_on(world, NINTH), pairs(&[("a.txt", "A"), ("b.txt", "B")]), "{told}");
        assert_eq!(here(world), pairs(&[("a.txt", "A"), ("all.txt", "All"), ("b.txt", "B")]), "{told}");
        assert_eq!(copies(world), Vec::<String>::new(), "{told}");
    });
}

#[test]
fn a_lost_reply_to_the_change_of_an_occurrence_is_none_of_others_although_files_follow() {
    for like in BOTH {
        let world = World::unrecorded(like);
        world.sync();
        write(&world, "Calendar/tea.ics", &series_with("Late tea", &[("a.txt", "A")]));
        settled(&world);
        world.server.faults().add(Rule::on("UpdateItem", Action::ResetAfterCommit).containing("Later tea").times(1));
        Others(&world).update(SpecialFolder::Calendar, |entry| {
            let Entry::Event(event) = entry else { panic!() };
            let ninth = event.overrides.get_mut(&NINTH).unwrap();
            ninth.subject = "Later tea".into();
            ninth.files = [Attachment::new("b.txt", Blob::new("B"))].into_iter().collect();
            // Without that, gromox tells nobody.
            event.details.importance = pimsync::pim::Importance::High;
        });
        settled(&world);
        assert_eq!(here(&world), pairs(&[("all.txt", "All"), ("b.txt", "B")]));
        assert!(only_file(&world, "Calendar").1.contains("SUMMARY:Later tea"));
    }
}

/// What is attached to one occurrence and no file here would be lost with the exception.
#[test]
fn a_series_is_not_rewritten_where_an_occurrence_would_lose_what_is_attached_to_it() {
    let client = Client::with(Options::default());
    let series = "<t:CalendarItem><t:Subject>Plans</t:Subject><t:Start>2026-11-02T09:00:00Z</t:Start><t:End>2026-11-02T10:00:00Z</t:End>\
                  <t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence>\
                  <t:StartDate>2026-11-02</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>\
                  </t:CalendarItem>";
    let mailbox = client.server.mailbox("demo@example.org").unwrap();
    let id = mailbox.add_item("Calendar", series).unwrap();
    let third = mailbox.occurrence(&id, 3).unwrap();
    mailbox.delete_occurrence(&mailbox.occurrence(&id, 2).unwrap()).unwrap();
    let attached = client.call(&format!(
        "<m:CreateAttachment><m:ParentItemId Id=\"{third}\"/><m:Attachments><t:FileAttachment><t:Name>a.txt</t:Name><t:Content>QQ==</t:Content>\
         </t:FileAttachment><t:ItemAttachment><t:Name>The mail</t:Name><t:Message><t:Subject>The mail</t:Subject></t:Message>\
         </t:ItemAttachment></m:Attachments></m:CreateAttachment>"
    ));
    assert_eq!(attached.codes(), ["NoError", "NoError"], "{}", attached.body);
    let world = World::over(client.server, World::home());
    assert_eq!(settled(&world).notices, []);
    assert_eq!(here(&world), pairs(&[("a.txt", "A")]));
    let named = "Calendar: the attachment \"The mail\" of the occurrence of 2026-11-04, of \"Plans\"";
    assert_eq!(world.only_there(), [named]);
    let (path, text) = only_file(&world, "Calendar");
    let exdate = text.split_inclusive('\n').find(|line| line.starts_with("EXDATE")).unwrap_or_else(|| panic!("{text}"));
    fs::write(&path, text.replace(exdate, "")).unwrap();
    let report = world.sync();
    let refused = |notice: &Notice| notice.text.contains("that of 2026-11-04 has attachments or guests of its own");
    assert!(report.notices.iter().any(refused), "{report:?}");
    settled(&world);
    let all = Others(&world).all(SpecialFolder::Calendar);
    assert_eq!(as_event(&all[0].entry).overrides[&date(2026, 11, 4)].files.iter().count(), 1);
    assert_eq!(world.only_there(), [named]);
}
