#!/usr/bin/env bash
# rsyslog with mutual TLS as a sender of audit messages (IHE ATNA ITI-20): every one must be found as an
# AuditEvent by ITI-81, those of more than 32 KB too.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 SALUS" >&2; exit 2; }
salus="$(realpath "$1")"
messages=300
work="$(mktemp -d)"
server="" sender=""
finish() {
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    [ -z "$sender" ] || { kill -9 "$sender"; wait "$sender"; } 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
rsyslogd="$(command -v rsyslogd || echo /usr/sbin/rsyslogd)"
[ -x "$rsyslogd" ] || { echo "failed: rsyslogd is not there; run setup.sh" >&2; exit 1; }

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test authority" \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
for name in salus sender; do
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$work/$name.key" \
        -out "$work/$name.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
        >"$work/$name.ext"
    openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
        -CAcreateserial -days 2 -extfile "$work/$name.ext" -out "$work/$name.pem" 2>/dev/null
done
cat >"$work/salus.toml" <<CONF
data = "$work/data"
[signals]
batch_wait_ms = 50
[signals.syslog.tls]
listen = ["127.0.0.1:0"]
certificate = "$work/salus.pem"
key = "$work/salus.key"
client_authorities = "$work/ca.pem"
[[signals.syslog.feed]]
name = "pacs"
format = "audit"
subjects = ["sender"]
authority = "MAIN"
CONF
"$salus" serve --config "$work/salus.toml" --format json --listen 127.0.0.1:0 --mllp 127.0.0.1:0 \
    >"$work/ready" 2>"$work/said" &
server=$!
for _ in $(seq 600); do
    [ -s "$work/ready" ] && break
    kill -0 "$server" 2>/dev/null || { cat "$work/said" >&2; echo "failed: the server ended" >&2; exit 1; }
    sleep 0.1
done
port="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["syslog"][0].rsplit(":", 1)[1])' "$work/ready")"
python3 - "$messages" >"$work/input.log" <<'MAKE'
import sys
for number in range(int(sys.argv[1])):
    more = '<SOPClass UID="1.2.840.10008.5.1.4.1.1.2" NumberOfInstances="1"/>' * (600 if number % 50 == 0 else 1)
    print('<AuditMessage><EventIdentification EventActionCode="R" EventDateTime="2026-11-26T09:14:03.498Z" '
          'EventOutcomeIndicator="0"><EventID csd-code="110103" codeSystemName="DCM" originalText="DICOM '
          f'Instances Accessed"/></EventIdentification><ActiveParticipant UserID="u{number}" UserIsRequestor="true"/>'
          '<AuditSourceIdentification AuditSourceID="pacs"/><ParticipantObjectIdentification '
          f'ParticipantObjectID="1.2.{number}" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3">'
          '<ParticipantObjectIDTypeCode csd-code="110180" codeSystemName="DCM" originalText="Study Instance UID"/>'
          f'<ParticipantObjectDescription>{more}</ParticipantObjectDescription></ParticipantObjectIdentification>'
          f'<ParticipantObjectIdentification ParticipantObjectID="{number % 7}" ParticipantObjectTypeCode="1" '
          'ParticipantObjectTypeCodeRole="1"><ParticipantObjectIDTypeCode csd-code="2" codeSystemName="RFC-3881" '
          'originalText="Patient Number"/></ParticipantObjectIdentification></AuditMessage>')
MAKE
cat >"$work/rsyslog.conf" <<CONF
global(workDirectory="$work" maxMessageSize="256k"
    defaultNetstreamDriverCAFile="$work/ca.pem"
    defaultNetstreamDriverCertFile="$work/sender.pem"
    defaultNetstreamDriverKeyFile="$work/sender.key")
module(load="imfile" mode="inotify")
input(type="imfile" file="$work/input.log" tag="pacs" freshStartTail="off")
template(name="audit" type="string" string="<85>1 %timestamp:::date-rfc3339% pacs pacs - DICOM+RFC3881 - %msg%")
action(type="omfwd" target="127.0.0.1" port="$port" protocol="tcp" template="audit"
    TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1"
    StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"
    queue.type="linkedList" action.resumeRetryCount="-1")
CONF
"$rsyslogd" -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid" >"$work/rsyslog.log" 2>&1 &
sender=$!
fhir="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["fhir"])' "$work/ready")"
token="$("$salus" client add real --scope 'system/AuditEvent.rs' --config "$work/salus.toml" --format json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')"
SALUS_FHIR="$fhir" SALUS_TOKEN="$token" SALUS_CA="$(find "$work/data" -name certificate.pem)" \
    python3 - "$messages" <<'CHECK' || { tail -n 20 "$work/said" "$work/rsyslog.log" >&2; exit 1; }
import json, os, ssl, sys, time, urllib.request
base, wanted = os.environ["SALUS_FHIR"].rstrip("/"), int(sys.argv[1])
tls = ssl.create_default_context(cafile=os.environ["SALUS_CA"])
def get(path):
    request = urllib.request.Request(base + path)
    request.add_header("authorization", "Bearer " + os.environ["SALUS_TOKEN"])
    with urllib.request.urlopen(request, context=tls) as answer:
        return json.load(answer)
told = "/AuditEvent?type=110103&source.identifier=pacs&date=ge2026-11-26&date=lt2026-11-27"
for _ in range(240):
    if get(told + "&_count=0&_total=accurate")["total"] >= wanted:
        break
    time.sleep(0.5)
users, large, path = set(), 0, told + "&_count=100"
while path:
    page = get(path)
    for entry in page.get("entry", []):
        event = entry["resource"]
        users.add(event["agent"][0]["who"]["identifier"]["value"])
        large += len(event["entity"][0].get("detail", [])) == 600
        assert event["entity"][1]["what"]["reference"].startswith("Patient/"), event
    links = {link["relation"]: link["url"] for link in page["link"]}
    path = links.get("next", "")[len(base):]
assert users == {f"u{number}" for number in range(wanted)}, len(users)
assert large == wanted // 50, large
one = get(told + "&agent.identifier=u7&_total=accurate")
assert one["total"] == 1, one
print(f"ok {len(users)} audit messages of rsyslog over TLS, {large} of more than 32 KB, as AuditEvents")
CHECK
