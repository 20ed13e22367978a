#!/usr/bin/env bash
# Folders: Salus (`backup files`) beside restic and borg, on the same gigabyte in one run: first
# backup, second backup with nothing changed, restore. Prints seconds until the command ended, and
# until what it wrote was on the disk (Salus waits for the disk, in a restore the others do not), and
# how Salus stands to the fastest of the others (above 1: faster).
#
# SALUS_COMPARE_PERCENT=5 tries the script with a twentieth of the data; such figures say nothing.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SALUS [FOLDER]   (FOLDER: where 5 GB are free)" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"
command -v restic >/dev/null && command -v borg >/dev/null ||
    failed "restic and borg are not installed: apt-get install restic borgbackup"
place="$(mktemp -d -p "${2:-$work}")"
trap 'stop_all; rm -rf "$place"' EXIT

echo "making a gigabyte: text, a noisy picture, what cannot be packed, 4,000 small files" >&2
python3 - "$place/lab" "${SALUS_COMPARE_PERCENT:-100}" <<'PYTHON'
import json, os, random, sys
folder, percent = sys.argv[1], int(sys.argv[2])
os.makedirs(folder + "/small")
dice = random.Random(7)
with open(folder + "/results.ndjson", "w") as out:
    size, number = 0, 0
    while size < 4_000_000 * percent:
        number += 1
        line = json.dumps({"resourceType": "Observation", "id": f"{dice.getrandbits(64):016x}",
            "status": "final", "subject": {"reference": f"Patient/{dice.randrange(20000)}"},
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{dice.randrange(9999)}-{dice.randrange(9)}"}]},
            "effectiveDateTime": f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:{dice.randrange(60):02}:00Z",
            "valueQuantity": {"value": dice.randrange(9999) / 10, "unit": "mmol/L"}}) + "\n"
        size += len(line)
        out.write(line)
with open(folder + "/picture.raw", "wb") as out:
    for _ in range(315 * percent // 100):
        noise = bytearray(dice.randbytes(1 << 20))
        for at in range(0, len(noise), 2):
            noise[at] &= 3
        out.write(noise)
with open(folder + "/packed.bin", "wb") as out:
    for _ in range(315 * percent // 100):
        out.write(dice.randbytes(1 << 20))
for number in range(40 * percent):
    with open(f"{folder}/small/{number}.txt", "w") as out:
        out.write(json.dumps({"id": number, "note": "x" * dice.randrange(2000)}))
PYTHON

cat >"$place/salus.toml" <<TOML
data = "$place/data"
[[backups.files]]
name = "lab"
to = "$place/by-salus"
paths = ["$place/lab"]
TOML
mkdir "$place/by-salus"
export RESTIC_PASSWORD=x RESTIC_REPOSITORY="$place/by-restic" BORG_PASSPHRASE=x
export BORG_BASE_DIR="$place/borg-home" XDG_CACHE_HOME="$place/cache"
restic init -q
borg init -e repokey "$place/by-borg" 2>/dev/null
# As the others have their repositories by now, Salus has its record.
"$salus" --config "$place/salus.toml" client add compare --scope system/Patient.rs >/dev/null
find "$place/lab" -type f -exec cat {} + >/dev/null

declare -A ended disk
since() { python3 -c 'import sys; print(f"{float(sys.argv[1]) - float(sys.argv[2]):.2f}")' "$(date +%s.%N)" "$1"; }
# timed NAME CODES COMMAND...: seconds into `ended[NAME]` and `disk[NAME]`. CODES are the exit codes
# that are no failure: a place without a lock is 1 for Salus, a warning is 1 for borg.
timed() {
    local name="$1" codes="$2" from code=0
    shift 2
    sync
    # A file system looks twice before it gives the place of what was just deleted to something new.
    sleep 6
    from="$(date +%s.%N)"
    "$@" >"$work/last.out" 2>&1 || code=$?
    ended[$name]="$(since "$from")"
    sync
    disk[$name]="$(since "$from")"
    [[ " $codes " == *" $code "* ]] || { cat "$work/last.out" >&2; failed "$name: exit code $code"; }
    echo "$name ${ended[$name]} s, on the disk ${disk[$name]} s" >&2
}
# same NAME FOLDER: what was brought back is the whole; then it makes room.
same() {
    diff -rq "$place/lab" "$2$place/lab" >&2 || failed "what $1 brought back differs"
    rm -rf "$2"
}
by_borg() { (cd "$place/back-borg" && borg extract "$place/by-borg::first"); }
mkdir "$place/back-borg"
for run in first second; do
    timed "salus $run" "0 1" "$salus" --config "$place/salus.toml" backup files
    timed "restic $run" 0 restic backup -q "$place/lab"
    timed "borg $run" "0 1" borg create -C zstd,3 "$place/by-borg::$run" "$place/lab"
done
timed "salus restore" 0 "$salus" --config "$place/salus.toml" restore files --from "$place/by-salus" --to "$place/back-salus"
same salus "$place/back-salus/lab"
timed "restic restore" 0 restic restore -q latest --target "$place/back-restic"
same restic "$place/back-restic"
timed "borg restore" "0 1" by_borg
same borg "$place/back-borg"
RESTIC_REPOSITORY="$place/by-salus/repository" RESTIC_PASSWORD="$(cat "$place/data/keys/files.key")" restic check -q ||
    failed "restic finds fault with the repository"

printf '%-20s %9s %9s %9s %8s\n' "seconds" salus restic borg ratio
row() {
    python3 - "$@" <<'PYTHON'
import sys
what, salus, restic, borg = sys.argv[1], *map(float, sys.argv[2:])
print(f"{what:<20} {salus:>9.2f} {restic:>9.2f} {borg:>9.2f} {min(restic, borg) / max(salus, 0.01):>7.2f}x")
PYTHON
}
for what in first second restore; do
    row "$what, ended" "${ended["salus $what"]}" "${ended["restic $what"]}" "${ended["borg $what"]}"
    row "$what, on the disk" "${disk["salus $what"]}" "${disk["restic $what"]}" "${disk["borg $what"]}"
done
for one in salus restic borg; do
    printf 'repository of %-7s %5s MB\n' "$one" "$(du -sm "$place/by-$one" | cut -f1)"
done
