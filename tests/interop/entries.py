"""The embedded Exchange's contacts, notes and events, talked to with plain requests. Needs nothing but Python."""

import base64
import collections
import html
import re


class There:
    """The mailbox."""

    def __init__(self, server):
        self.server = server

    def add(self, numbers):
        contacts = "".join(
            f"<t:Contact><t:DisplayName>Number {number}</t:DisplayName><t:CompanyName>W0</t:CompanyName></t:Contact>" for number in numbers
        )
        notes = "".join(
            f"<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass><t:Subject>Note {number}</t:Subject>"
            f'<t:Body BodyType="Text">Note {number}\r\nW0</t:Body></t:Message>'
            for number in numbers
        )
        for folder, items in (("contacts", contacts), ("notes", notes)):
            self.server.ask(
                f'<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="{folder}"/>'
                f"</m:SavedItemFolderId><m:Items>{items}</m:Items></m:CreateItem>"
            )

    def ids(self, folder):
        answer = self.server.ask(
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
            '<m:IndexedPageItemView MaxEntriesReturned="1000" Offset="0" BasePoint="Beginning"/>'
            f'<m:ParentFolderIds><t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds></m:FindItem>'
        )
        ids = re.findall(r'<t:ItemId [^>]*?Id="([^"]+)"', answer)
        assert len(ids) < 1000
        return ids

    def items(self, folder, fields):
        found = []
        ids = self.ids(folder)
        for at in range(0, len(ids), 100):
            each = "".join(f'<t:ItemId Id="{own}"/>' for own in ids[at : at + 100])
            properties = "".join(f'<t:FieldURI FieldURI="{field}"/>' for field in fields)
            answer = self.server.ask(
                "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>Text</t:BodyType>"
                f"<t:AdditionalProperties>{properties}</t:AdditionalProperties></m:ItemShape><m:ItemIds>{each}</m:ItemIds></m:GetItem>"
            )
            found.extend(re.findall(r"<m:GetItemResponseMessage.*?</m:GetItemResponseMessage>", answer, re.S))
        return found

    def told(self):
        found = collections.defaultdict(list)
        for item in self.items("contacts", ["contacts:DisplayName", "contacts:CompanyName"]):
            number = int(re.search(r"<t:DisplayName>Number (\d+)<", item)[1])
            found["contact", number].append(re.search(r"<t:CompanyName>(\w+)<", item)[1])
        for item in self.items("notes", ["item:Body"]):
            text = html.unescape(re.search(r"<t:Body[^>]*>(.*?)</t:Body>", item, re.S)[1])
            title, word = text.split("\n")
            found["note", int(title.strip().removeprefix("Note "))].append(word.strip())
        return found

    def edit(self, numbers, word):
        for item in self.items("contacts", ["contacts:DisplayName"]):
            number = int(re.search(r"<t:DisplayName>Number (\d+)<", item)[1])
            if number in numbers:
                self.set(item, "contacts:CompanyName", f"<t:Contact><t:CompanyName>{word}</t:CompanyName></t:Contact>")
        for item in self.items("notes", ["item:Body"]):
            number = int(re.search(r"<t:Body[^>]*>Note (\d+)", item)[1])
            if number in numbers:
                body = f'<t:Message><t:Body BodyType="Text">Note {number}\r\n{word}</t:Body></t:Message>'
                self.set(item, "item:Body", body)

    def add_series(self, number, files=()):
        """An event a week, ten times, the third one deleted and the fifth one different, with files attached."""
        attached = "".join(
            f"<t:FileAttachment><t:Name>{name}</t:Name><t:Content>{base64.b64encode(text.encode()).decode()}</t:Content></t:FileAttachment>"
            for name, text in files
        )
        answer = self.server.ask(
            '<m:CreateItem SendMeetingInvitations="SendToNone"><m:SavedItemFolderId><t:DistinguishedFolderId Id="calendar"/>'
            f"</m:SavedItemFolderId><m:Items><t:CalendarItem><t:Subject>Number {number}</t:Subject><t:Attachments>{attached}</t:Attachments>"
            "<t:Start>2026-01-05T10:00:00Z</t:Start><t:End>2026-01-05T11:00:00Z</t:End><t:Recurrence><t:WeeklyRecurrence>"
            "<t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek></t:WeeklyRecurrence><t:NumberedRecurrence>"
            "<t:StartDate>2026-01-05</t:StartDate><t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>"
            "</t:CalendarItem></m:Items></m:CreateItem>"
        )
        own = re.search(r'<t:ItemId [^>]*?Id="([^"]+)"', answer)[1]
        occurrence = lambda index: f'<t:OccurrenceItemId RecurringMasterId="{own}" InstanceIndex="{index}"/>'
        self.server.ask(
            f'<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>{occurrence(3)}</m:ItemIds></m:DeleteItem>'
        )
        self.server.ask(
            '<m:UpdateItem ConflictResolution="AlwaysOverwrite" SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges>'
            f'<t:ItemChange>{occurrence(5)}<t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Subject"/><t:CalendarItem>'
            f"<t:Subject>Other {number}</t:Subject></t:CalendarItem></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
        )

    def series(self):
        """Of each event: its subject, how many occurrences are different and deleted, and what its files are called."""
        fields = ["item:Subject", "item:Attachments", "calendar:ModifiedOccurrences", "calendar:DeletedOccurrences"]
        return sorted(
            (
                re.search(r"<t:Subject>(.*?)</t:Subject>", item)[1],
                item.count("<t:Occurrence>"),
                item.count("<t:DeletedOccurrence>"),
                sorted(re.findall(r"<t:Name>(.*?)</t:Name>", item)),
            )
            for item in self.items("calendar", fields)
        )

    def set(self, item, field, value):
        own = re.search(r'<t:ItemId [^>]*?Id="([^"]+)"', item)[1]
        self.server.ask(
            '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite"><m:ItemChanges><t:ItemChange>'
            f'<t:ItemId Id="{own}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="{field}"/>{value}</t:SetItemField></t:Updates>'
            "</t:ItemChange></m:ItemChanges></m:UpdateItem>"
        )
