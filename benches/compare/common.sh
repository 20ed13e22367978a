# Sourced by the scripts here: starting servers, waiting for them, reading figures.

home="${SALUS_COMPARE_HOME:-$HOME/.cache/salus/compare}"
mkdir -p "$home"
work="$(mktemp -d)"
running=()
stop_all() {
    for one in "${running[@]}"; do kill "$one" 2>/dev/null && wait "$one" 2>/dev/null; done
    rm -rf "$work"
}
trap stop_all EXIT

failed() {
    echo "failed: $1" >&2
    exit 1
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start NAME COMMAND...: runs it in the background and waits until its output has a first line.
start() {
    local name="$1"
    shift
    "$@" >"$work/$name.out" 2>"$work/$name.err" &
    running+=($!)
    last=$!
    for _ in $(seq 600); do
        [ -s "$work/$name.out" ] && return
        kill -0 "$last" 2>/dev/null || { cat "$work/$name.err" >&2; failed "$name ended"; }
        sleep 0.1
    done
    failed "$name did not begin"
}

stop_last() {
    kill "$last" 2>/dev/null
    wait "$last" 2>/dev/null || true
}

# figure FIELD: of the line of JSON on standard input.
figure() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
