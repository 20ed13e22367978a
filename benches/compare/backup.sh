#!/usr/bin/env bash
# Folders: Salus (`backup files`) beside restic and borg, on the same gigabyte in one run: first
# backup, second backup with nothing changed, restore. Prints seconds, and how Salus stands to the
# fastest of the others (above 1: faster).
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 SALUS [FOLDER]   (FOLDER: where 4 GB are free)" >&2; exit 2; }
salus="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"
command -v restic >/dev/null && command -v borg >/dev/null ||
    failed "restic and borg are not installed: apt-get install restic borgbackup"
place="$(mktemp -d -p "${2:-$work}")"
trap 'stop_all; rm -rf "$place"' EXIT

echo "making a gigabyte: text, a noisy picture, what cannot be packed, 4,000 small files" >&2
python3 - "$place/lab" <<'PYTHON'
import json, os, random, sys
folder = sys.argv[1]
os.makedirs(folder + "/small")
dice = random.Random(7)
with open(folder + "/results.ndjson", "w") as out:
    size, number = 0, 0
    while size < 400_000_000:
        number += 1
        line = json.dumps({"resourceType": "Observation", "id": f"{dice.getrandbits(64):016x}",
            "status": "final", "subject": {"reference": f"Patient/{dice.randrange(20000)}"},
            "code": {"coding": [{"system": "http://loinc.org", "code": f"{dice.randrange(9999)}-{dice.randrange(9)}"}]},
            "effectiveDateTime": f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:{dice.randrange(60):02}:00Z",
            "valueQuantity": {"value": dice.randrange(9999) / 10, "unit": "mmol/L"}}) + "\n"
        size += len(line)
        out.write(line)
with open(folder + "/picture.raw", "wb") as out:
    for _ in range(315):
        noise = bytearray(dice.randbytes(1 << 20))
        for at in range(0, len(noise), 2):
            noise[at] &= 3
        out.write(noise)
with open(folder + "/packed.bin", "wb") as out:
    for _ in range(315):
        out.write(dice.randbytes(1 << 20))
for number in range(4000):
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
borg init -e repokey "$place/by-borg"
"$salus" --config "$place/salus.toml" verify >/dev/null 2>&1 || true
cat "$place"/lab/* "$place"/lab/small/* >/dev/null 2>&1 || true

declare -A seconds
# timed NAME COMMAND...: seconds into `seconds[NAME]`. Exit code 1 is a warning for all three.
timed() {
    local name="$1" from to
    shift
    sync
    from="$(date +%s.%N)"
    "$@" >"$work/last.out" 2>&1 || [ $? = 1 ] || { cat "$work/last.out" >&2; failed "$name"; }
    to="$(date +%s.%N)"
    seconds[$name]="$(python3 -c 'import sys; print(f"{float(sys.argv[1]) - float(sys.argv[2]):.2f}")' "$to" "$from")"
    echo "$name ${seconds[$name]} s" >&2
}
by_borg() { (cd "$place/$1" && borg extract "$place/by-borg::$2"); }
mkdir "$place/back-borg"
for run in first second; do
    timed "salus $run" "$salus" --config "$place/salus.toml" backup files
    timed "restic $run" restic backup -q "$place/lab"
    timed "borg $run" borg create -C zstd,3 "$place/by-borg::$run" "$place/lab"
done
timed "salus restore" "$salus" --config "$place/salus.toml" restore files --from "$place/by-salus" --to "$place/back-salus"
timed "restic restore" restic restore -q latest --target "$place/back-restic"
timed "borg restore" by_borg back-borg first
diff -rq "$place/lab" "$place/back-salus/lab$place/lab" || failed "what Salus brought back differs"
RESTIC_REPOSITORY="$place/by-salus/repository" restic --password-file "$place/data/keys/files.key" check -q ||
    failed "restic finds fault with the repository"

printf '%-10s %9s %9s %9s %8s\n' "seconds" salus restic borg ratio
for what in first second restore; do
    python3 - "$what" "${seconds["salus $what"]}" "${seconds["restic $what"]}" "${seconds["borg $what"]}" <<'PYTHON'
import sys
what, salus, restic, borg = sys.argv[1], *map(float, sys.argv[2:])
print(f"{what:<10} {salus:>9.2f} {restic:>9.2f} {borg:>9.2f} {min(restic, borg) / salus:>7.2f}x")
PYTHON
done
for one in salus restic borg; do
    printf 'repository of %-7s %5s MB\n' "$one" "$(du -sm "$place/by-$one" | cut -f1)"
done
