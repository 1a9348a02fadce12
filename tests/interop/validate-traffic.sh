#!/usr/bin/env bash
# Validates recorded EWS messages against the schema of EWS. Usage: validate-traffic.sh VALIDATOR FOLDER
# VALIDATOR takes a folder of SOAP messages and fails when one of them breaks the schema.
# Left out are answers that the tests break on purpose: those of a server that is told to misbehave lie in folders with a file `faulty`.
set -euo pipefail
validator=$1
folder=$2
while IFS= read -r -d '' mark; do rm -rf "$(dirname "$mark")"; done < <(find "$folder" -name faulty -print0)
# Exchange wraps this answer in ResponseMessages, which its own schema does not have.
find "$folder" -name '*-GetUserConfiguration-response.xml' -delete
# What was cut off before it began.
find "$folder" -name '*.xml' -empty -delete
"$validator" "$folder"
