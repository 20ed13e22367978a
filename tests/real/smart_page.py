"""SMART App Launch by a page of another origin in headless Chromium: the browser build of fhirclient
(npm), which asks Salus by fetch. Without CORS it would learn nothing, and a page that no app is
registered with learns nothing."""

import http.server
import json
import os
import threading

from common import FHIR, RUN, check
from console import OWN, ROOT

os.environ["SALUS_READY"] = json.dumps({"url": ROOT})
from browser import Browser  # noqa: E402  it reads SALUS_READY

HOME = os.environ.get("SALUS_REAL_HOME") or os.path.expanduser("~/.cache/salus/real")
CLIENT = f"{HOME}/npm/node_modules/fhirclient/build/fhir-client.min.js"
HEAD = '<!doctype html><meta charset="utf-8"><title>app</title><script src="/client.js"></script>'

LAUNCH = HEAD + f"""<pre id="told"></pre><script>
FHIR.oauth2.authorize({{ iss: "{FHIR}", clientId: "page-app", redirectUri: "/app",
  scope: "launch/patient openid fhirUser patient/*.rs", pkceMode: "required" }})
  .catch((error) => {{ document.getElementById("told").textContent = "failed " + error; }});
</script>"""

APP = HEAD + f"""<pre id="told"></pre><script>
const told = (words) => {{ document.getElementById("told").textContent = words; }};
FHIR.oauth2.ready().then(async (client) => {{
  const patient = await client.patient.read();
  const bundle = await client.request("Observation");
  const other = await client.request("Patient/out-{RUN}").then(() => "read", () => "refused");
  told(JSON.stringify({{ patient: client.patient.id, user: client.user.fhirUser, other,
    family: patient.name[0].family, found: (bundle.entry ?? []).map((one) => one.resource.id) }}));
}}).catch((error) => told("failed " + error));
</script>"""


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/client.js":
            with open(CLIENT, "rb") as file:
                kind, body = "text/javascript", file.read()
        else:
            kind, body = "text/html", {"/launch": LAUNCH, "/app": APP}.get(path, HEAD).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def page_app(register, scopes):
    own, strange = serve(), serve()
    register("page-app", "--redirect-uri", f"{own}/app",
             *scopes("launch/patient", "openid", "fhirUser", "patient/*.rs"))
    browser = Browser()
    address = lambda: browser.do("GET", "/url")
    browser.do("POST", "/url", {"url": f"{own}/launch"})
    browser.until(lambda: browser.find("input[name=account]"), "the page does not lead to the sign-in")
    browser.type("input[name=account]", "nora")
    browser.type("input[name=password]", OWN)
    browser.type("input[name=password]", "\ue007")
    browser.until(lambda: browser.find(f"a[href*='patient=in-{RUN}']"), "the patient is not offered")
    browser.click(f"a[href*='patient=in-{RUN}']")
    browser.until(lambda: browser.find("button[value=yes]"), "nobody is asked to agree")
    browser.click("button[value=yes]")
    browser.until(lambda: address().startswith(f"{own}/app") and browser.text("#told"), "no answer comes back")
    said = browser.text("#told")
    told = json.loads(said) if said.startswith("{") else {"error": said}
    check("a page's fhirclient knows patient and person", told.get("patient") == f"in-{RUN}"
          and told.get("user", "").endswith(f"Practitioner/dr-{RUN}"), str(told))
    check("a page's fhirclient reads its patient", told.get("family") == "Launchin", str(told))
    check("a page's fhirclient finds its patient's observations alone", told.get("found") == [f"o-in-{RUN}"], str(told))
    check("a page's fhirclient does not see another patient", told.get("other") == "refused", str(told))
    ask = {"script": "const done = arguments[1]; fetch(arguments[0]).then(() => done('read'), () => done('refused'));",
           "args": [f"{FHIR}/metadata"]}
    check("its page may ask", browser.do("POST", "/execute/async", ask) == "read")
    browser.do("POST", "/url", {"url": f"{strange}/"})
    check("a page that no app is registered with may not", browser.do("POST", "/execute/async", ask) == "refused")
    browser.quit()
