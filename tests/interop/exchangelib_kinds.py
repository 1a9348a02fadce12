"""Runs exchangelib against the embedded Exchange: contacts, tasks, notes, lists, categories.
Usage: exchangelib_kinds.py URL ADDRESS PASSWORD"""

from datetime import date
from decimal import Decimal

from exchangelib import Contact, DistributionList, ExtendedProperty, FileAttachment, Mailbox, Message, Task
from exchangelib.folders import Contacts, Tasks
from exchangelib.indexed_properties import EmailAddress, PhoneNumber, PhysicalAddress
from exchangelib.properties import Member
from exchangelib.recurrence import AbsoluteMonthlyPattern, NumberedPattern, TaskRecurrence

from exchangelib_steps import run, step

# A GIF of one pixel.
PICTURE = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")


class Uid(ExtendedProperty):
    distinguished_property_set_id = "PublicStrings"
    property_name = "interop-uid"
    property_type = "String"


class NoteColor(ExtendedProperty):
    property_set_id = "0006200E-0000-0000-C000-000000000046"
    property_id = 0x8B00
    property_type = "Integer"


for kind in (Contact, Task, Message):
    kind.register("interop_uid", Uid)
Message.register("note_color", NoteColor)
# Exchange takes a class with a new item; exchangelib does not send one by itself.
Message.get_field_by_fieldname("item_class").is_read_only = False


@step
def folders_of_each_kind(account):
    assert account.contacts.folder_class == "IPF.Contact" and account.tasks.folder_class == "IPF.Task"
    friends = Contacts(parent=account.contacts, name="Interop friends")
    chores = Tasks(parent=account.tasks, name="Interop chores")
    for folder, expected in ((friends, "IPF.Contact"), (chores, "IPF.Task")):
        folder.save()
        folder.refresh()
        assert folder.folder_class == expected, folder.folder_class
    account.root.clear_cache()


@step
def contacts(account):
    folder = account.contacts / "Interop friends"
    item = Contact(
        account=account,
        folder=folder,
        display_name="Ada King Lovelace",
        given_name="Ada",
        middle_name="King",
        surname="Lovelace",
        file_as_mapping="LastCommaFirst",
        company_name="Analytical & Sons",
        email_addresses=[EmailAddress(label="EmailAddress1", email="ada@example.com")],
        phone_numbers=[PhoneNumber(label="MobilePhone", phone_number="+44 2")],
        physical_addresses=[PhysicalAddress(label="Home", street="1 High St", city="London", country="UK", zipcode="W1")],
        birthday=date(1815, 12, 10),
        children=["Byron", "Anne"],
        body="First programmer",
        categories=["Friends"],
        interop_uid="ada-1",
    ).save()
    read = folder.get(id=item.id, changekey=item.changekey)
    assert (read.display_name, read.file_as) == ("Ada King Lovelace", "Lovelace, Ada King"), read
    assert read.subject == "Ada King Lovelace" and read.birthday == date(1815, 12, 10), read.birthday
    assert read.email_addresses[0].email == "ada@example.com" and read.children == ["Byron", "Anne"]
    assert read.physical_addresses[0].city == "London" and read.body == "First programmer"
    assert read.complete_name.last_name == "Lovelace" and read.interop_uid == "ada-1"
    read.email_addresses = [
        EmailAddress(label="EmailAddress1", email="ada@example.org"),
        EmailAddress(label="EmailAddress3", email="third@example.org"),
    ]
    read.physical_addresses = [PhysicalAddress(label="Home", street="2 Low St", city="Paris")]
    read.job_title = "Analyst"
    read.birthday = None
    read.save(update_fields=["email_addresses", "physical_addresses", "job_title", "birthday"])
    read = folder.get(id=read.id, changekey=read.changekey)
    assert {one.label: one.email for one in read.email_addresses} == {
        "EmailAddress1": "ada@example.org",
        "EmailAddress3": "third@example.org",
    }, read.email_addresses
    assert (read.physical_addresses[0].city, read.physical_addresses[0].country) == ("Paris", None)
    assert read.job_title == "Analyst" and read.birthday is None
    read.attach(FileAttachment(name="ContactPicture.jpg", content=PICTURE, is_contact_photo=True))
    read = folder.get(interop_uid="ada-1")
    assert read.has_picture and read.attachments[0].is_contact_photo and read.attachments[0].content == PICTURE
    read.detach(read.attachments[0])
    assert not folder.get(interop_uid="ada-1").has_picture
    read.delete()
    assert folder.all().count() == 0


@step
def lists(account):
    folder = account.contacts / "Interop friends"
    members = [
        Member(mailbox=Mailbox(name="Bob", email_address="bob@example.com", routing_type="SMTP", mailbox_type="OneOff"))
    ]
    item = DistributionList(account=account, folder=folder, display_name="Interop list", members=members).save()
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.subject == "Interop list" and read.members[0].mailbox.email_address == "bob@example.com", read
    assert read.members[0].status == "Normal"
    read.delete()


@step
def tasks(account):
    folder = account.tasks / "Interop chores"
    item = Task(
        account=account,
        folder=folder,
        subject="Pay rent",
        body="Standing order?",
        due_date=date(2026, 12, 1),
        start_date=date(2026, 11, 30),
        importance="High",
        categories=["Home"],
        interop_uid="rent",
    ).save()
    read = folder.get(id=item.id, changekey=item.changekey)
    assert (read.due_date, read.start_date) == (date(2026, 12, 1), date(2026, 11, 30)), read
    assert (read.status, read.percent_complete, read.is_complete) == ("NotStarted", Decimal(0), False)
    assert read.importance == "High" and read.interop_uid == "rent" and read.body == "Standing order?"
    read.percent_complete = Decimal(40)
    read.status = "WaitingOnOthers"
    read.save(update_fields=["percent_complete", "status"])
    read = folder.get(interop_uid="rent")
    assert read.percent_complete == 40 and read.status in ("WaitingOnOthers", "InProgress"), read
    read.complete()
    read = folder.get(interop_uid="rent")
    assert read.is_complete and read.percent_complete == 100 and read.complete_date, read
    read.delete()
    assert folder.all().count() == 0


@step
def recurring_tasks(account):
    folder = account.tasks / "Interop chores"
    pattern = AbsoluteMonthlyPattern(interval=1, day_of_month=31)
    recurrence = TaskRecurrence(pattern=pattern, boundary=NumberedPattern(start=date(2026, 1, 31), number=3))
    item = Task(account=account, folder=folder, subject="Report", due_date=date(2026, 1, 31), recurrence=recurrence)
    item.save()
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.is_recurring and read.recurrence.pattern.day_of_month == 31, read
    read.status = "Completed"
    read.save(update_fields=["status"])
    done = [one for one in folder.all() if one.is_complete]
    open_ones = [one for one in folder.all() if not one.is_complete]
    assert len(done) == 1 and not done[0].is_recurring and done[0].due_date == date(2026, 1, 31), done
    assert len(open_ones) == 1 and open_ones[0].due_date == date(2026, 2, 28), open_ones
    folder.wipe()


@step
def notes(account):
    folder = account.root / "Top of Information Store" / "Notes"
    assert folder.folder_class == "IPF.StickyNote"
    note = Message(
        account=account,
        folder=folder,
        item_class="IPM.StickyNote",
        subject="Milk",
        body="Milk\r\nBread",
        note_color=3,
        interop_uid="note",
    ).save()
    read = folder.get(id=note.id, changekey=note.changekey)
    assert read.item_class == "IPM.StickyNote" and read.body == "Milk\r\nBread" and read.note_color == 3, read
    read.body = "Milk\r\nEggs"
    read.save(update_fields=["body"])
    assert folder.get(interop_uid="note").body == "Milk\r\nEggs"
    read.delete()


@step
def categories_of_items(account):
    folder = account.contacts / "Interop friends"
    item = Contact(account=account, folder=folder, given_name="X", display_name="X").save()
    item.categories = ["One", "Two, with comma"]
    item.save(update_fields=["categories"])
    assert folder.get(id=item.id, changekey=item.changekey).categories == ["One", "Two, with comma"]
    folder.wipe()


@step
def categories(account):
    list_of = account.calendar.get_user_configuration(name="CategoryList", properties="XmlData")
    edited = list_of.xml_data.replace(b'name="Harbour"', b'name="Harbour works"')
    assert edited != list_of.xml_data
    account.calendar.update_user_configuration(name="CategoryList", xml_data=edited)
    again = account.calendar.get_user_configuration(name="CategoryList", properties="XmlData")
    assert again.xml_data == edited
    account.calendar.update_user_configuration(name="CategoryList", xml_data=list_of.xml_data)


@step
def the_sample_has_each_kind(account):
    people = list(account.contacts.all())
    assert any(one.has_picture for one in people if isinstance(one, Contact))
    assert any(one.birthday for one in people if isinstance(one, Contact))
    chores = list(account.tasks.all())
    assert any(one.is_recurring for one in chores) and any(one.is_complete for one in chores)
    (account.contacts / "Interop friends").delete()
    (account.tasks / "Interop chores").delete()


run()
