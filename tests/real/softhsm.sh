#!/usr/bin/env bash
# The root key in a PKCS#11 token (SoftHSM 2, Debian): made, used again, rotated, moved to; and what
# is said when the PIN, the token, the key or the library is not the right one.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed() {
    echo "failed softhsm: $1"
    exit 1
}
module="$(find /usr/lib -name libsofthsm2.so | head -n 1)"
[ -n "$module" ] || failed "libsofthsm2.so is not installed"
export SOFTHSM2_CONF="$work/softhsm2.conf"
mkdir "$work/tokens"
echo "directories.tokendir = $work/tokens" >"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label salus --pin 483920 --so-pin 1234567 >/dev/null
umask 077
echo 483920 >"$work/pin"

# Writes $work/NAME.toml: name, token, key, module, PIN file.
configure() {
    cat >"$work/$1.toml" <<EOF
data = "$work/data"
[keys]
root = "pkcs11"
[keys.pkcs11]
token = "$2"
key = "$3"
module = "$4"
pin_file = "$5"
EOF
}
configure good salus salus-root "$module" "$work/pin"
good=("$salus" --config "$work/good.toml")
# Refused with exit code 2 and these words.
refused() {
    local what="$1" config="$2" words="$3" code=0
    "$salus" --config "$work/$config.toml" refold chart >"$work/out" 2>"$work/why" || code=$?
    [ "$code" = 2 ] || failed "$what: exit code $code"
    grep -q -- "$words" "$work/why" || failed "$what: $(cat "$work/why")"
    echo "ok $what: $(cut -c1-110 "$work/why")"
}

echo '{"resourceType":"Patient","id":"a1"}' >"$work/a.json"
"${good[@]}" import "$work/a.json" >/dev/null || failed "a new record is not made"
[ ! -e "$work/data/keys/root.key" ] || failed "there is a root key in a file"
[ "$("${good[@]}" keys show --format json | grep -c '"root": "pkcs11"')" = 1 ] || failed "keys show"
"${good[@]}" refold chart >/dev/null || failed "it cannot be opened again"
echo "ok a record under a key in the token"

"${good[@]}" keys rotate >/dev/null || failed "keys rotate"
"${good[@]}" keys rotate --root >"$work/out" || failed "keys rotate --root"
grep -q 'salus-root-2' "$work/out" || failed "the new root is not named: $(cat "$work/out")"
"${good[@]}" keys rotate >/dev/null || failed "keys rotate under the new root"
"${good[@]}" verify >/dev/null || failed "verify after rotation"
"${good[@]}" refold chart >/dev/null || failed "it cannot be opened after rotation"
echo "ok both keys rotated"
code=0
"${good[@]}" keys escrow --shares 3 --needed 2 --to "$work/shares" >"$work/out" 2>"$work/why" || code=$?
[ "$code" = 2 ] && grep -q "own backup" "$work/why" || failed "escrow of a token: $(cat "$work/why")"
echo "ok no shares of a key that cannot leave the token"

echo 999999 >"$work/wrong"
configure wrong salus salus-root "$module" "$work/wrong"
refused "wrong PIN" wrong "is not the one of token"
configure nopin salus salus-root "$module" "$work/none"
refused "no PIN file" nopin "cannot be read"
cp "$work/pin" "$work/open" && chmod 644 "$work/open"
configure openpin salus salus-root "$module" "$work/open"
refused "a PIN that others can read" openpin "everybody can read the PIN"
configure token other salus-root "$module" "$work/pin"
refused "missing token" token "token .other. is not there (there are .salus.)"
configure module salus salus-root "$work/none.so" "$work/pin"
refused "missing library" module "cannot be loaded"
echo "data = \"$work/data\"" >"$work/file.toml"
refused "a file's root for a token's keyring" file 'set .root = "pkcs11"'
mv "$work/tokens" "$work/away" && mkdir "$work/tokens"
refused "no token at all" good "there is none"
softhsm2-util --init-token --free --label salus --pin 483920 --so-pin 1234567 >/dev/null
refused "another token of that name" good "there is no AES key .salus-root-2. in the token"
rm -rf "$work/tokens" && mv "$work/away" "$work/tokens"
"${good[@]}" refold chart >/dev/null || failed "the token is back and it does not open"
echo "ok the token is back"

# From a file to the token.
mv "$work/data" "$work/first"
"$salus" --config "$work/file.toml" import "$work/a.json" >/dev/null
configure move salus moved-root "$module" "$work/pin"
"$salus" --config "$work/move.toml" keys rotate --root >/dev/null || failed "the move to the token"
rm "$work/data/keys/root.key"
"$salus" --config "$work/move.toml" refold chart >/dev/null || failed "it does not open after the move"
echo "ok moved from a file to the token"
