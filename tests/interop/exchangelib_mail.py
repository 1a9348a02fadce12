"""Runs exchangelib, which knows nothing of pimsync, against the embedded Exchange: folders, mail, flags, categories,
moves, attachments, synchronization, configurations. Usage: exchangelib_mail.py URL ADDRESS PASSWORD"""

from datetime import datetime, timezone

from exchangelib import ExtendedProperty, FileAttachment, Folder, HTMLBody, ItemAttachment, Mailbox, Message
from exchangelib.errors import ErrorFolderExists, ErrorItemNotFound

from exchangelib_steps import run, step


class Tag(ExtendedProperty):
    property_tag = None
    distinguished_property_set_id = "PublicStrings"
    property_name = "interop-tag"
    property_type = "String"


class LastVerb(ExtendedProperty):
    property_tag = 0x1081
    property_type = "Integer"


class FlagStatus(ExtendedProperty):
    property_tag = 0x1090
    property_type = "Integer"


Message.register("interop_tag", Tag)
Message.register("last_verb", LastVerb)
Message.register("flag_status", FlagStatus)

def mail(account, folder, subject, **more):
    item = Message(
        account=account,
        folder=folder,
        subject=subject,
        body="Line one\r\nLine two & <three>",
        to_recipients=[Mailbox(name="Bob", email_address="bob@example.com")],
        **more,
    )
    return item.save()


@step
def folders(account):
    inbox = account.inbox
    assert inbox.name == "Inbox" and inbox.folder_class == "IPF.Note"
    new = Folder(parent=inbox, name="Interop")
    new.save()
    try:
        Folder(parent=inbox, name="INTEROP").save()
    except ErrorFolderExists:
        pass
    else:
        raise AssertionError("two folders of one name")
    new.name = "Interop renamed"
    new.save(update_fields=["name"])
    account.root.clear_cache()
    new = account.inbox / "Interop renamed"
    child = Folder(parent=new, name="Child")
    child.save()
    child.move(to_folder=account.root / "Top of Information Store")
    account.root.clear_cache()
    assert (account.msg_folder_root / "Child").name == "Child"
    child.delete()
    names = {folder.name for folder in account.root.walk()}
    assert "Interop renamed" in names and "Child" not in names, names


@step
def create_and_read(account):
    folder = account.inbox / "Interop renamed"
    item = mail(account, folder, "Grüße & <more>", interop_tag="tag-1", categories=["Red category"], is_read=False)
    assert item.id and len(item.id) > 140 and item.changekey
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.subject == "Grüße & <more>", read.subject
    assert "Line one" in read.body and "<three>" in read.body, read.body
    assert read.interop_tag == "tag-1" and read.categories == ["Red category"]
    assert read.is_draft and not read.is_read
    assert read.to_recipients[0].email_address == "bob@example.com"
    assert b"Line one" in read.mime_content
    folder.refresh()
    assert folder.total_count == 1 and folder.unread_count == 1
    found = list(folder.filter(subject="Grüße & <more>").only("subject", "interop_tag"))
    assert [one.interop_tag for one in found] == ["tag-1"]
    assert list(folder.filter(interop_tag="tag-1").only("id"))
    assert not list(folder.filter(interop_tag="tag-2").only("id"))


@step
def mime(account):
    folder = account.inbox / "Interop renamed"
    content = (
        b"From: Ada <ada@example.com>\r\nTo: Bob <bob@example.com>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"
        b"Date: Tue, 03 Nov 2026 10:00:00 +0100\r\nMessage-ID: <mime@example.com>\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSch\xf6n\r\n"
    )
    item = Message(account=account, folder=folder, mime_content=content)
    item.save()
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.subject == "Grüße" and read.message_id == "<mime@example.com>", read
    assert read.sender.email_address == "ada@example.com" or read.author.email_address == "ada@example.com"
    assert "Schön" in read.body or "Schön" in read.text_body
    assert read.mime_content != content


@step
def update(account):
    folder = account.inbox / "Interop renamed"
    item = folder.get(subject="Grüße & <more>")
    old = item.changekey
    item.is_read = True
    item.categories = ["Blue", "Green, with comma"]
    item.last_verb = 102
    item.flag_status = 2
    item.body = HTMLBody("<html><body>now <b>bold</b></body></html>")
    item.save(update_fields=["is_read", "categories", "last_verb", "flag_status", "body"])
    assert item.changekey != old
    read = folder.get(id=item.id, changekey=item.changekey)
    assert read.is_read and read.categories == ["Blue", "Green, with comma"]
    assert read.last_verb == 102 and read.flag_status == 2
    assert "<b>bold</b>" in read.body
    read.categories = None
    read.save(update_fields=["categories"])
    assert not folder.get(id=read.id, changekey=read.changekey).categories


@step
def attachments(account):
    folder = account.inbox / "Interop renamed"
    item = mail(account, folder, "with files")
    data = bytes(range(256)) * 40
    item.attach(FileAttachment(name="Über.bin", content=data))
    item.attach(FileAttachment(name="note.txt", content=b"hello", content_type="text/plain"))
    inner = Message(account=account, folder=folder, subject="inner", body="inside")
    item.attach(ItemAttachment(name="inner message", item=inner))
    read = folder.get(subject="with files")
    assert read.has_attachments
    by_name = {attachment.name: attachment for attachment in read.attachments}
    assert set(by_name) == {"Über.bin", "note.txt", "inner message"}, by_name
    assert by_name["Über.bin"].content == data
    assert by_name["note.txt"].content == b"hello"
    assert by_name["inner message"].item.subject == "inner"
    read.detach(by_name["note.txt"])
    again = folder.get(subject="with files")
    assert {attachment.name for attachment in again.attachments} == {"Über.bin", "inner message"}


@step
def moves(account):
    folder = account.inbox / "Interop renamed"
    item = mail(account, folder, "travels")
    old = item.id
    item.move(to_folder=account.drafts)
    assert item.id != old
    try:
        account.inbox.get(id=old, changekey=item.changekey)
    except (ErrorItemNotFound, Exception) as error:
        assert "NotFound" in type(error).__name__ or "DoesNotExist" in type(error).__name__, error
    copy_id = item.copy(to_folder=folder)
    assert copy_id and copy_id != item.id
    item.move_to_trash()
    assert account.trash.filter(subject="travels").count() == 1
    account.trash.filter(subject="travels").delete()
    assert account.trash.filter(subject="travels").count() == 0


@step
def bulk(account):
    folder = account.inbox / "Interop renamed"
    items = [Message(subject=f"bulk {number}", body="x" * 500) for number in range(120)]
    made = account.bulk_create(folder=folder, items=items)
    assert len(made) == 120 and all(one.id for one in made)
    page = list(folder.filter(subject__startswith="bulk").order_by("-subject").only("subject"))
    assert len(page) == 120 and page[0].subject == "bulk 99", page[0]
    assert folder.filter(subject__icontains="LK 11").count() == 11
    fetched = list(account.fetch([(one.id, one.changekey) for one in made]))
    assert len(fetched) == 120
    gone = account.bulk_delete([(one.id, one.changekey) for one in made[:60]])
    assert all(one is True for one in gone), gone
    since = datetime(2020, 1, 1, tzinfo=timezone.utc)
    assert folder.filter(subject__startswith="bulk", datetime_received__gt=since).count() == 60


@step
def sending(account):
    before = account.inbox.filter(subject="to myself").count()
    item = Message(
        account=account,
        folder=account.sent,
        subject="to myself",
        body="hello",
        to_recipients=[account.primary_smtp_address],
    )
    item.send_and_save()
    assert account.inbox.filter(subject="to myself").count() == before + 1
    assert account.sent.filter(subject="to myself").count() == 1
    draft = mail(account, account.drafts, "draft to send")
    draft.to_recipients = [Mailbox(email_address=account.primary_smtp_address)]
    draft.save(update_fields=["to_recipients"])
    draft.send()
    assert account.inbox.filter(subject="draft to send").count() == 1
    assert account.drafts.filter(subject="draft to send").count() == 0
    assert account.sent.filter(subject="draft to send").count() == 1


@step
def synchronization(account):
    folder = account.inbox / "Interop renamed"
    hierarchy = list(account.root.sync_hierarchy())
    assert {kind for kind, _ in hierarchy} == {"create"}, hierarchy[:3]
    assert not list(account.root.sync_hierarchy())
    Folder(parent=folder, name="Fresh").save()
    changes = [(kind, one.name) for kind, one in account.root.sync_hierarchy() if kind == "create"]
    assert changes == [("create", "Fresh")], changes
    first = list(folder.sync_items(only_fields=["subject"]))
    assert len(first) == folder.all().count() and {kind for kind, _ in first} == {"create"}
    item = mail(account, folder, "synced", is_read=False)
    changes = list(folder.sync_items(only_fields=["subject"]))
    assert [(kind, one.subject) for kind, one in changes] == [("create", "synced")], changes
    item.is_read = True
    item.save(update_fields=["is_read"])
    changes = list(folder.sync_items(only_fields=["subject"]))
    assert [kind for kind, _ in changes] == ["read_flag_change"], changes
    item.subject = "synced again"
    item.save(update_fields=["subject"])
    item.delete()
    changes = list(folder.sync_items(only_fields=["subject"]))
    assert [kind for kind, _ in changes] == ["delete"], changes
    assert not list(folder.sync_items(only_fields=["subject"]))


@step
def configurations(account):
    calendar = account.calendar
    calendar.create_user_configuration(name="Interop", dictionary={"one": 1, "word": "zwei"}, xml_data=b"<x/>")
    read = calendar.get_user_configuration(name="Interop")
    assert read.dictionary == {"one": 1, "word": "zwei"} and read.xml_data == b"<x/>", read
    calendar.update_user_configuration(name="Interop", xml_data=b"<y/>")
    assert calendar.get_user_configuration(name="Interop").xml_data == b"<y/>"
    calendar.delete_user_configuration(name="Interop")
    categories = calendar.get_user_configuration(name="CategoryList", properties="XmlData")
    assert b"CategoryList.xsd" in categories.xml_data


@step
def directory(account):
    found = account.protocol.resolve_names([account.primary_smtp_address])
    assert found[0].email_address == account.primary_smtp_address, found
    zones = list(account.protocol.get_timezones())
    assert any(zone.id == "W. Europe Standard Time" for zone in zones)


@step
def deletion(account):
    folder = account.inbox / "Interop renamed"
    folder.wipe()
    assert folder.all().count() == 0
    folder.delete()
    account.root.clear_cache()
    assert "Interop renamed" not in {one.name for one in account.inbox.walk()}


run()
