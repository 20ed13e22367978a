"""A ward pack in headless Chromium, from file:// and with the network off.

`pack.py card FOLDER`: with Salus running, reads the code off the nurse's card, waits for the pack.
`pack.py open FOLDER`: with Salus gone, opens the pack: wrong code, right code, search, print; then
packs that were altered by one byte. SALUS_READY and SALUS_SHOTS as for pages.py.
Prints `ok NAME` lines; exits 1 with a line that begins `failed`.
"""

import base64
import json
import os
import re
import sys
import time

from browser import SHOTS, WAIT_S, Browser, fail

FOLDER = sys.argv[2]
KNOWN = os.path.join(SHOTS, "pack.json")


def card():
    browser = Browser()
    browser.sign_in("nurse")
    browser.page("/lifeline", "lifeline")
    ward = re.search(r"/packs/([^/]+)/card", " ".join(browser.links("main a"))).group(1)
    browser.page(f"/packs/{ward}/card", "card-asked")
    browser.click("main form button")
    browser.until(lambda: browser.find(".code-card"), "the card is not shown")
    browser.shot("card")
    code = browser.text(".code-card")
    browser.page("/patients", "patients")
    names = [browser.do("GET", f"/element/{e}/text") for e in
             (list(one.values())[0] for one in browser.find("table.people tbody th a"))]
    path = os.path.join(FOLDER, f"ward-{ward}.html")
    end = time.monotonic() + 6 * WAIT_S
    while not os.path.exists(path):
        if time.monotonic() > end:
            fail(f"no pack was put at {path}")
        time.sleep(0.2)
    # A pack of a later round than the page that was just looked at.
    before = os.stat(path).st_mtime_ns
    while os.stat(path).st_mtime_ns == before:
        if time.monotonic() > end:
            fail(f"the pack at {path} is not made again")
        time.sleep(0.2)
    with open(KNOWN, "w") as file:
        json.dump({"code": code, "ward": ward, "names": names, "path": path}, file)
    print("ok card and pack")
    browser.quit()


def offline(browser):
    browser.do("POST", "/chromium/network_conditions", {"network_conditions": {
        "offline": True, "latency": 0, "throughput": 0}})


def opened(browser):
    return "open" in browser.do("GET", f"/element/{browser.one('body')}/attribute/class").split()


def try_code(browser, code):
    browser.do("POST", f"/element/{browser.one('#code')}/clear", {})
    browser.type("#code", code)
    browser.click("#form button")
    def done():
        return opened(browser) or "does not open" in browser.text("#said")
    browser.until(done, "the pack neither opens nor says why")
    return opened(browser)


def read():
    known = json.load(open(KNOWN))
    browser = Browser(more=("--host-resolver-rules=MAP * ~NOTFOUND",))
    offline(browser)
    browser.do("POST", "/url", {"url": "file://" + known["path"]})
    source = open(known["path"], encoding="utf-8").read()
    for name in known["names"]:
        family = name.split(",")[0]
        if len(family) > 4 and family in source:
            fail(f"the closed pack names {name}")
    if "COPY of ward" not in browser.text("#band"):
        fail("the band does not say how old it is")
    browser.shot("pack-closed")
    if try_code(browser, "7K3M-7K3M-7K3M-7K3M-7K3M") or browser.text("#pack") != "":
        fail("another code opens it")
    print("ok a wrong code opens nothing")
    if not try_code(browser, known["code"].lower().replace("-", " ")):
        fail("the code of the card does not open it")
    took = browser.do("GET", f"/element/{browser.one('body')}/attribute/data-opened-ms")
    print(f"ok opened from file:// with the network off in {took} ms, {os.path.getsize(known['path']) // 1024} KB, "
          f"{len(known['names'])} patients")
    size = os.path.getsize(known["path"])
    if len(known["names"]) <= 30 and size > 400 << 10:
        fail(f"a pack of {len(known['names'])} patients has {size} bytes")
    browser.shot("pack-open")
    text = browser.text("#pack")
    for name in known["names"]:
        if name not in text:
            fail(f"{name} is on the ward but not in the pack")
    for word in ["Code status", "Allergies", "Medications", "Problems", "Vital signs", "Results", "Contacts",
                 "Precautions", "as of"]:
        if word not in text:
            fail(f"the pack does not show: {word}")
    browser.type("#find", known["names"][0].split(",")[0])
    shown = [e for e in browser.find("article.patient[data-find]")
             if browser.do("GET", f"/element/{list(e.values())[0]}/displayed")]
    if not 1 <= len(shown) < max(2, len(known["names"])):
        fail(f"the search shows {len(shown)} of {len(known['names'])}")
    print("ok every patient of the ward is in it, and is found")
    browser.shot("pack-found")
    printing(browser)
    altered(browser, known)
    browser.quit()


def printing(browser):
    browser.do("POST", "/execute/sync", {"script": "window.print = () => {}; document.getElementById('find').value = '';"
               "for (const one of document.querySelectorAll('[data-find]')) one.hidden = false;", "args": []})
    for what in ["ward", "mar", "forms"]:
        browser.click(f".pack-head [data-print={what}]")
        printed = browser.do("POST", "/print", {"page": {"width": 21.0, "height": 29.7}})
        pdf = base64.b64decode(printed)
        with open(os.path.join(SHOTS, f"pack-{what}.pdf"), "wb") as file:
            file.write(pdf)
        if len(pdf) < 5000:
            fail(f"printing {what} gives {len(pdf)} bytes")
    print("ok prints the ward, the medication sheets and blank sheets")


def altered(browser, known):
    source = open(known["path"], "rb").read()
    places = {"the content": source.index(b'id="sealed">') + 5000,
              "what it says of itself": source.index(b'"made_words":"') + 16,
              "the head of the record": source.index(b'"size":') + 7,
              "its words": source.index(b"This file holds") + 6,
              "its script": source.index(b"Opens a ward pack") + 3,
              "its policy": source.index(b"default-src 'none'") + 14}
    path = os.path.join(SHOTS, "altered.html")
    for what, place in places.items():
        wrong = bytearray(source)
        wrong[place] = ord("1") if wrong[place] != ord("1") else ord("2")
        with open(path, "wb") as file:
            file.write(wrong)
        browser.do("POST", "/url", {"url": "file://" + path})
        browser.type("#code", known["code"])
        browser.click("#form button")
        time.sleep(2)
        if opened(browser) or browser.text("#pack") != "":
            fail(f"a pack with one byte of {what} altered opens")
        print(f"ok altered in {what}: refused")


{"card": card, "open": read}[sys.argv[1]]()
