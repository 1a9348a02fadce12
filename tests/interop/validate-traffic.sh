#!/usr/bin/env bash
# Validates recorded EWS messages against the schema of EWS. Usage: validate-traffic.sh VALIDATOR FOLDER
# VALIDATOR takes a folder of SOAP messages and fails when one of them breaks the schema. The suite records tens of thousands of messages
# that differ only in ids, times and bodies, so one of each shape is validated.
set -euo pipefail
validator=$1
folder=$2
shapes=$(mktemp -d)
trap 'rm -rf "$shapes"' EXIT
python3 - "$folder" "$shapes" <<'PYTHON'
import hashlib
import re
import shutil
import sys
from pathlib import Path

folder, shapes = map(Path, sys.argv[1:])
VARIES = [
    (rb'((?:Id|ChangeKey|UniqueId|Key)=")[^"]*"', rb'\1"'),
    (rb"(<\w*:?(?:SyncState|MimeContent|Value|Subject|Body|InternetMessageId|DisplayName|Name|EmailAddress|String)\b[^>]*>)[^<]*", rb"\1"),
    (rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b""),
    (rb">\d+<", b"><"),
]
# gromox tells some of these items in its own way, and so does the embedded server when it is like it: a zone twice, a date with a time.
GROMOX, ITS_OWN_WAY = b'MinorBuildNumber="4040"', rb"<t:(?:CalendarItem|Contact|Task)>"
seen = set()
count = broken = odd = 0
for path in sorted(folder.rglob("*.xml")):
    # Exchange wraps this answer in ResponseMessages, which its own schema does not have.
    if path.name.endswith("-GetUserConfiguration-response.xml"):
        continue
    # One envelope after the other, and those that tell events in a namespace that is not its schema's.
    if path.name.endswith("-GetStreamingEvents-response.xml"):
        continue
    text = path.read_bytes()
    # Where a test has the server misbehave, the answer is an HTML page, cut off, or nothing at all.
    if path.name.endswith("-response.xml") and not re.search(rb"</\w+:Envelope>\s*$", text):
        broken += 1
        continue
    if path.name.endswith("-response.xml") and GROMOX in text and re.search(ITS_OWN_WAY, text):
        odd += 1
        continue
    count += 1
    shape = text
    for pattern, kept in VARIES:
        shape = re.sub(pattern, kept, shape)
    # Any number of items of one kind is one shape.
    shape = re.sub(rb"(<(\w*:?\w+)\b(?:(?!</\2>).)*</\2>\s*)\1+", rb"\1", shape, flags=re.S)
    digest = hashlib.sha256(path.name.split("-", 1)[-1].encode() + shape).hexdigest()
    if digest not in seen:
        seen.add(digest)
        shutil.copy(path, shapes / f"{len(seen):06}-{path.parent.name}-{path.name}")
print(f"{count} messages, {len(seen)} shapes; {broken} answers are no SOAP messages, as scripted; {odd} tell items in gromox's own way")
PYTHON
"$validator" "$shapes"
