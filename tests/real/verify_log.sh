#!/usr/bin/env bash
# Verifies the log on disk with programs that know nothing of Salus: signature, root from every
# entry, tiles, inclusion proofs; then that the same programs notice a changed byte.
set -euo pipefail

home="${SALUS_REAL_HOME:-$HOME/.cache/salus/real}"
data="${SALUS_DATA:?SALUS_DATA is not set: see README.md}"
key="$data/keys/log.pub"
failed() {
    echo "failed $1"
    exit 1
}
[ -s "$data/vault/checkpoint" ] || failed "log: there is no checkpoint in $data/vault"

copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
# The server publishes while it is read, so a copy is checked, taken while nothing was published.
for attempt in $(seq 100); do
    rm -rf "$copy/tile"
    cp "$data/vault/checkpoint" "$copy/checkpoint"
    cp -r "$data/vault/tile" "$copy/tile" 2>/dev/null || continue
    cmp -s "$data/vault/checkpoint" "$copy/checkpoint" && break
    [ "$attempt" -lt 100 ] || failed "log: it grows too fast to be copied"
done

"$home/verifylog" "$copy" "$key" || failed "golang.org/x/mod sumdb/tlog"

aics="$home/venv/bin/aics-tlog"
size="$(sed -n 2p "$copy/checkpoint")"
if [ -x "$aics" ]; then
    "$aics" verify-checkpoint --tiles "$copy" --vkey-file "$key" >/dev/null || failed "aics-tlog verify-checkpoint"
    echo "ok aics-tlog checkpoint of $size entries"
    for index in 0 $((size / 2)) $((size - 1)); do
        "$home/verifylog" -leaf "$index" "$copy" "$key" >"$copy/leaf"
        "$aics" verify-inclusion --tiles "$copy" --vkey-file "$key" --index "$index" --leaf "$copy/leaf" >/dev/null ||
            failed "aics-tlog verify-inclusion of $index"
        echo "ok aics-tlog inclusion of $index"
    done
    printf 'x' >>"$copy/leaf"
    ! "$aics" verify-inclusion --tiles "$copy" --vkey-file "$key" --index 0 --leaf "$copy/leaf" >/dev/null 2>&1 ||
        failed "aics-tlog took a changed leaf"
    echo "ok aics-tlog refuses a changed leaf"
else
    echo "note: aics-tlog needs Python 3.12 or newer and is not installed"
fi

bundle="$(find "$copy/tile/entries" -type f | sort | head -n 1)"
printf '\xff' | dd of="$bundle" bs=1 seek=40 conv=notrunc status=none
! "$home/verifylog" "$copy" "$key" >/dev/null 2>&1 || failed "sumdb/tlog took a changed entry"
echo "ok sumdb/tlog refuses a changed entry"
