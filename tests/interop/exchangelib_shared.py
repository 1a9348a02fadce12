"""exchangelib in mailboxes of others: as a delegate with few rights and with all of them, in an archive, and as an owner whom one impersonates.

    exchangelib_shared.py URL ADDRESS PASSWORD OWNER READ_ONLY STRANGER

ADDRESS may do everything in the mailbox of OWNER, read that of READ_ONLY, nothing in that of STRANGER, act as the owner of any, and has an archive.
"""

import sys

from exchangelib import Account, Build, Configuration, Credentials, DELEGATE, IMPERSONATION, Message, Version
from exchangelib.errors import ErrorAccessDenied, ErrorCannotDeleteObject, ErrorFolderNotFound, ErrorItemNotFound
from exchangelib.errors import ErrorCreateItemAccessDenied, ErrorImpersonateUserDenied, ErrorNonExistentMailbox

from exchangelib_steps import open_account

MISSING = (ErrorItemNotFound, ErrorFolderNotFound, ErrorAccessDenied)


def account(url, user, password, owner, access):
    configuration = Configuration(
        service_endpoint=url,
        credentials=Credentials(user, password),
        auth_type="basic",
        version=Version(build=Build(15, 2, 1544, 11), api_version="Exchange2016"),
    )
    return Account(primary_smtp_address=owner, config=configuration, autodiscover=False, access_type=access)


def refused(errors, work):
    try:
        done = work()
    except errors as error:
        return error
    raise AssertionError(f"it was not refused: {done}")


def subjects(folder):
    return sorted(item.subject for item in folder.all())


def main():
    url, user, password, owner, read_only, stranger = sys.argv[1:7]
    own = open_account(url, user, password)
    before = own.inbox.all().count()

    shared = account(url, user, password, owner, DELEGATE)
    Message(account=shared, folder=shared.inbox, subject="from a delegate").save()
    assert "from a delegate" in subjects(shared.inbox)
    assert own.inbox.all().count() == before, "it is not in one's own mailbox"
    assert {"Inbox", "Calendar"} <= {folder.name for folder in shared.msg_folder_root.walk()}
    item = shared.inbox.get(subject="from a delegate")
    refused(ErrorCannotDeleteObject, item.move_to_trash)
    item.move(to_folder=shared.trash)
    assert "from a delegate" in subjects(shared.trash)
    changes = list(shared.inbox.sync_items(only_fields=["subject"]))
    assert "from a delegate" not in [changed.subject for kind, changed in changes if kind == "create"]
    print("ok a delegate with all rights")

    reader = account(url, user, password, read_only, DELEGATE)
    list(reader.inbox.all())
    refused((ErrorAccessDenied, ErrorCreateItemAccessDenied), Message(account=reader, folder=reader.inbox, subject="no").save)
    print("ok a delegate who may read")

    refused(MISSING, lambda: account(url, user, password, stranger, DELEGATE).inbox.all().count())
    refused(ErrorNonExistentMailbox, lambda: account(url, user, password, "nobody@example.org", DELEGATE).inbox.all().count())
    print("ok a delegate without rights")

    top = own.archive_msg_folder_root
    assert "Deleted Items" in [folder.name for folder in top.children]
    print("ok an archive")

    acting = account(url, user, password, stranger, IMPERSONATION)
    Message(account=acting, folder=acting.inbox, subject="as the owner").save()
    acting.inbox.get(subject="as the owner").move_to_trash()
    assert "as the owner" in subjects(acting.trash), "an owner may delete to Deleted Items"
    print("ok impersonation")

    refused(ErrorImpersonateUserDenied, lambda: account(url, stranger, "demo", user, IMPERSONATION).inbox.all().count())
    print("ok who may not impersonate")


main()
