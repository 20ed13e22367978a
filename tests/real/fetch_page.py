"""Images fetched by order of a nurse and of an administrator in headless Chromium, with and without script.

SALUS_READY: the JSON line of `salus demo --format json`, of a house whose configuration names the PACS `QR`;
SALUS_SHOTS: a folder for pictures. Prints `ok NAME` lines; exits 1 with a line that begins `failed`.
"""

import sys

from browser import Browser, fail

STUDY = sys.argv[1]
# The orders on a page.
LISTED = "[data-region=pulls] li"


# The form by which images are ordered, and the one by which an order is taken back.
ORDER, BACK = "section[aria-labelledby=order]", "section[aria-labelledby=back]"


def order(browser, path, fields, name, source="QR"):
    browser.page(path, name)
    browser.type(f"{ORDER} select[name=from]", source)
    for field, text in fields.items():
        browser.type(f"{ORDER} input[name={field}]", text)
    listed = len(browser.find(LISTED))
    browser.type(f"{ORDER} input[name=reason]", "prior images for the tumour board")
    # Enter, as somebody would who uses the keyboard alone.
    browser.type(f"{ORDER} input[name=reason]", "\ue007")
    # Going on at once would break off what is being sent.
    browser.until(lambda: len(browser.find(LISTED)) > listed, "the order is not listed")


def ends(browser, path, words, name):
    def seen():
        browser.open(path)
        source = browser.source()
        return words in source and "order goes on" not in source

    browser.until(seen, f"the order does not end as `{words}`")
    browser.page(path, name)


for javascript in (True, False):
    tag = "script" if javascript else "no-script"
    nurse = Browser(javascript)
    nurse.sign_in("nurse")
    nurse.open("/patients")
    path = next(one for one in nurse.links("main a[href*='/patients/']") if "?" not in one)
    nurse.page(path, f"fetch-chart-{tag}")
    if f"{path}/fetch" not in nurse.links("main a[href$='/fetch']"):
        fail("the chart leads to no images elsewhere")
    order(nurse, f"{path}/fetch", {"study": STUDY}, f"fetch-empty-{tag}")
    # The study is of somebody else there.
    ends(nurse, f"{path}/fetch", "is of another patient there", f"fetch-other-{tag}")
    seen = nurse.complaints() if javascript else []
    if seen:
        fail(f"the browser complains: {seen[:3]}")
    nurse.quit()

    admin = Browser(javascript)
    admin.sign_in("administrator")
    order(admin, "/flow/fetch", {"study": STUDY}, f"fetch-flow-empty-{tag}")
    ends(admin, "/flow/fetch", "1 of 1 series", f"fetch-flow-{tag}")
    text = admin.text("main")
    if "ordered on the chart" not in text:
        fail(f"the nurse's order is not there, or says too much: {text[:300]}")
    # Of one that never answers.
    order(admin, "/flow/fetch", {"study": "1.2.3"}, f"fetch-slow-{tag}", "SLOW")
    admin.page("/flow/fetch", f"fetch-goes-on-{tag}")
    admin.type(f"{BACK} input[name=reason]", "it was the wrong study")
    admin.type(f"{BACK} input[name=reason]", "\ue007")
    admin.until(lambda: "taken back by" in admin.text("main"), "the order is not taken back")
    admin.page("/flow/fetch", f"fetch-taken-back-{tag}")
    if admin.find(BACK):
        fail("an order that was taken back can be taken back")
    ends(admin, "/flow/fetch", "> taken back by", f"fetch-ended-{tag}")
    admin.quit()
print("ok images fetched from pages")
