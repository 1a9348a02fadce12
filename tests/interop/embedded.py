"""The embedded Exchange, talked to with plain requests. Needs nothing but Python."""

import base64
import html
import re
import subprocess
import urllib.request

ACCOUNT = "demo@example.org"


class Server:
    """A server of its own process, or what is reached at a URL."""

    def __init__(self, program=None, store=None, listen="127.0.0.1:0", url=None):
        self.process, self.url = None, url
        if url is None:
            command = [program, "demo-server", "--messages", "0", "--store", store, "--listen", listen]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.url = self.process.stdout.readline().strip()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def ask(self, request):
        envelope = f"""<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
            xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
            xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>
            <t:RequestServerVersion Version="Exchange2013_SP1"/></s:Header><s:Body>{request}</s:Body></s:Envelope>"""
        secret = base64.b64encode(f"{ACCOUNT}:demo".encode()).decode()
        headers = {"Authorization": f"Basic {secret}", "Content-Type": "text/xml; charset=utf-8"}
        with urllib.request.urlopen(urllib.request.Request(self.url, envelope.encode(), headers)) as answer:
            text = answer.read().decode()
        assert 'ResponseClass="Error"' not in text, text
        return text

    def folders(self):
        """Paths and ids of the mail folders."""
        answer = self.ask(
            '<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>Default</t:BaseShape><t:AdditionalProperties>'
            '<t:FieldURI FieldURI="folder:ParentFolderId"/></t:AdditionalProperties></m:FolderShape>'
            '<m:ParentFolderIds><t:DistinguishedFolderId Id="msgfolderroot"/></m:ParentFolderIds></m:FindFolder>'
        )
        found = {}
        for folder in re.findall(r"<t:Folder>(.*?)</t:Folder>", answer, re.S):
            own = re.search(r'<t:FolderId [^>]*?Id="([^"]+)"', folder)[1]
            parent = re.search(r'<t:ParentFolderId [^>]*?Id="([^"]+)"', folder)[1]
            found[own] = (parent, html.unescape(re.search(r"<t:DisplayName>(.*?)</t:DisplayName>", folder)[1]))

        def path(own):
            parent, name = found[own]
            return f"{path(parent)}/{name}" if parent in found else name

        return {path(own): own for own in found}

    def create_folder(self, parent, name):
        into = f'<t:FolderId Id="{parent}"/>' if parent else '<t:DistinguishedFolderId Id="msgfolderroot"/>'
        self.ask(
            f"<m:CreateFolder><m:ParentFolderId>{into}</m:ParentFolderId><m:Folders><t:Folder>"
            f"<t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>{name}</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
        )

    def rename_folder(self, folder, name):
        self.ask(
            f'<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:FolderId Id="{folder}"/><t:Updates><t:SetFolderField>'
            f'<t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder>'
            "</t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
        )

    def delete_folder(self, folder):
        self.ask(f'<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds><t:FolderId Id="{folder}"/></m:FolderIds></m:DeleteFolder>')

    def add(self, folder, messages):
        for at in range(0, len(messages), 100):
            items = "".join(
                f"<t:Message><t:MimeContent>{base64.b64encode(mime).decode()}</t:MimeContent><t:ExtendedProperty>"
                '<t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/><t:Value>1</t:Value></t:ExtendedProperty></t:Message>'
                for mime in messages[at : at + 100]
            )
            self.ask(
                '<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId>'
                f'<t:FolderId Id="{folder}"/></m:SavedItemFolderId><m:Items>{items}</m:Items></m:CreateItem>'
            )

    def messages(self):
        """(folder, Message-ID, read, flagged) of everything, and the ids."""
        found, ids = [], {}
        for path, folder in self.folders().items():
            offset = 0
            while True:
                answer = self.ask(
                    '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
                    '<t:FieldURI FieldURI="message:InternetMessageId"/><t:FieldURI FieldURI="message:IsRead"/>'
                    '<t:FieldURI FieldURI="item:Flag"/></t:AdditionalProperties></m:ItemShape>'
                    f'<m:IndexedPageItemView MaxEntriesReturned="500" Offset="{offset}" BasePoint="Beginning"/>'
                    f'<m:ParentFolderIds><t:FolderId Id="{folder}"/></m:ParentFolderIds></m:FindItem>'
                )
                items = re.findall(r"<t:Message>(.*?)</t:Message>", answer, re.S)
                for item in items:
                    name = re.search(r"<t:InternetMessageId>(.*?)</t:InternetMessageId>", item)
                    if not name:
                        # A note is no message.
                        continue
                    name = html.unescape(name[1])
                    read = "<t:IsRead>true<" in item
                    found.append((path, name, read, "<t:FlagStatus>Flagged<" in item))
                    ids[name] = re.search(r'<t:ItemId [^>]*?Id="([^"]+)"', item)[1]
                offset += len(items)
                if len(items) < 500:
                    break
        return found, ids

    def contents(self, ids):
        """The MIME of messages, by their ids."""
        each = "".join(f'<t:ItemId Id="{own}"/>' for own in ids)
        answer = self.ask(
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
            f"</m:ItemShape><m:ItemIds>{each}</m:ItemIds></m:GetItem>"
        )
        found = {}
        for item in re.findall(r"<t:Message>(.*?)</t:Message>", answer, re.S):
            own = re.search(r'<t:ItemId [^>]*?Id="([^"]+)"', item)[1]
            found[own] = base64.b64decode(re.search(r"<t:MimeContent[^>]*>(.*?)</t:MimeContent>", item, re.S)[1])
        return found

    def update(self, ids, field, value):
        """Sets one field of messages, such as `message:IsRead` to `<t:IsRead>true</t:IsRead>`."""
        changes = "".join(
            f'<t:ItemChange><t:ItemId Id="{own}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="{field}"/>'
            f"<t:Message>{value}</t:Message></t:SetItemField></t:Updates></t:ItemChange>"
            for own in ids
        )
        self.ask(
            '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite" SuppressReadReceipts="true">'
            f"<m:ItemChanges>{changes}</m:ItemChanges></m:UpdateItem>"
        )

    def mark_read(self, ids):
        self.update(ids, "message:IsRead", "<t:IsRead>true</t:IsRead>")

    def move(self, ids, folder):
        each = "".join(f'<t:ItemId Id="{own}"/>' for own in ids)
        self.ask(f'<m:MoveItem><m:ToFolderId><t:FolderId Id="{folder}"/></m:ToFolderId><m:ItemIds>{each}</m:ItemIds></m:MoveItem>')

    def delete(self, ids):
        each = "".join(f'<t:ItemId Id="{own}"/>' for own in ids)
        self.ask(f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{each}</m:ItemIds></m:DeleteItem>')
