#!/usr/bin/env bash
# Extracts an archive with the system's own zstd, tar and age, and compares it byte by byte with what was archived.
#
#   tests/interop/archive.sh PIMSYNC
set -euo pipefail
umask 077
pimsync=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIMSYNC_ROOT=$work/root TZ=UTC
database=$PIMSYNC_ROOT/Identities/Main/Database
"$pimsync" setup --demo >"$work/setup"

# A name longer than a tar header's, one that is no UTF-8, an empty file, and one larger than a frame.
notes="$database/On My Computer/Notes"
mkdir -p "$notes/$(printf 'long%.0s' {1..50})/$(printf 'deep%.0s' {1..40})"
echo x >"$notes/$(printf 'long%.0s' {1..50})/$(printf 'deep%.0s' {1..40})/note.md"
echo x >"$notes/$(printf 'caf\351').md"
: >"$notes/empty.md"
head -c 20000000 /dev/urandom >"$notes/large.md"

"$pimsync" backup
archive=$(echo "$PIMSYNC_ROOT"/Identities/Main/Backups/*.tar.zst)
zstd --quiet --test "$archive"

compare() {
  diff -r --exclude 'state.db*' "$database" "$1/Database"
  # Times in whole seconds, which is what a tar has.
  (cd "$database" && find . -type f ! -name 'state.db*' -printf '%Ts %m %p\n' | sort) >"$work/here"
  (cd "$1/Database" && find . -type f ! -name 'state.db*' -printf '%Ts %m %p\n' | sort) >"$work/there"
  diff "$work/here" "$work/there"
  head -1 "$1/pimsync-manifest.jsonl" | grep -q '"pimsync_archive":1'
}

mkdir "$work/by-tar" "$work/by-pipe"
tar --zstd -xf "$archive" -C "$work/by-tar"
compare "$work/by-tar"
zstd --quiet -dc "$archive" | tar -x -C "$work/by-pipe"
compare "$work/by-pipe"

# One that builds upon it, laid over it.
echo new >"$notes/new.md"
echo y >"$notes/empty.md"
"$pimsync" backup
second=$(echo "$PIMSYNC_ROOT"/Identities/Main/Backups/*-000002.tar.zst)
test "$(stat -c %s "$second")" -lt $(($(stat -c %s "$archive") / 20))
mkdir "$work/both"
for each in "$archive" "$second"; do tar --zstd -xf "$each" -C "$work/both"; done
compare "$work/both"
"$pimsync" restore --quiet --to "$work/second"
diff -r "$work/both/Database" "$work/second"
archive=$second
rm -r "$work/by-tar"
mv "$work/both" "$work/by-tar"

# An encrypted one, and one that builds upon it.
age-keygen -o "$work/key" 2>/dev/null
recipient=$(age-keygen -y "$work/key")
mkdir "$work/sealed" "$work/by-age"
"$pimsync" backup --to "$work/sealed" --encrypt-to "$recipient"
echo newer >"$notes/newer.md"
"$pimsync" backup --to "$work/sealed" --encrypt-to "$recipient" --verify
test "$(stat -c %s "$work"/sealed/*-000002.tar.zst.age)" -lt 1000000
for each in "$work"/sealed/*.age; do age -d -i "$work/key" "$each" | tar --zstd -x -C "$work/by-age"; done
compare "$work/by-age"
PIMSYNC_AGE_IDENTITY=$work/key "$pimsync" restore --quiet --from "$work/sealed" --to "$work/unsealed"
diff -r "$work/by-age/Database" "$work/unsealed"
rm "$notes/newer.md"

# What we restore is the same.
"$pimsync" restore --quiet --to "$work/by-pimsync"
diff -r "$work/by-tar/Database" "$work/by-pimsync"
echo "$(find "$work/by-tar" -type f | wc -l) files come out of $(basename "$archive") the same by tar --zstd, by zstd | tar, and by pimsync restore"
