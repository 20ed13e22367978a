#!/usr/bin/env python3
"""Makes crates/wire/src/fhir/tables/*.txt from the published R4 definitions.

    npm pack hl7.fhir.r4.examples@4.0.1      # CC0-1.0; holds all R4 definitions, not only examples
    python3 tools/fhir-tables.py hl7.fhir.r4.examples-4.0.1.tgz

Standard library only. The same package gives the same bytes. What each file means stands in its
first lines; the reader is crates/wire/src/fhir/tables/.
"""

import json
import re
import sys
import tarfile
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "crates/wire/src/fhir/tables"
PROVENANCE = (
    "# Made by tools/fhir-tables.py from the npm package hl7.fhir.r4.examples@4.0.1 (FHIR R4, 4.0.1).\n"
    "# The definitions are HL7 International's, published under CC0-1.0. Do not edit: make it again.\n"
)
BASES = {"Resource": "R", "DomainResource": "D", "Element": "E", "BackboneElement": "B"}
# Elements every structure of a base has; the reader knows them, the table does not repeat them.
INHERITED = {
    "R": {"id", "meta", "implicitRules", "language"},
    "D": {"id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"},
    "E": {"id", "extension"},
    "B": {"id", "extension", "modifierExtension"},
}
# Functions the evaluator has (crates/wire/src/fhir/path/). Rules that need others are left out.
FUNCTIONS = {
    "exists", "empty", "not", "where", "all", "count", "hasValue", "as", "ofType", "first", "is",
    "resolve", "select", "isDistinct", "startsWith", "contains", "substring", "intersect", "trace",
}
# Checked in code (ref-1, dom-3) or by the structure itself (ele-1),
# or never wrong on its own (dom-6: a narrative is advice).
IN_CODE = {"ele-1", "ref-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6"}
# con-3 as published compares a CodeableConcept with a string, which never holds.
MENDED = {
    "con-3": "clinicalStatus.exists() or verificationStatus.coding.where(code='entered-in-error').exists()"
    " or category.coding.where(code='problem-list-item').empty()",
}


def load(package):
    found = {}
    with tarfile.open(package) as tar:
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            kind = name.split("-", 1)[0]
            if kind in ("StructureDefinition", "SearchParameter", "ValueSet", "CodeSystem", "CompartmentDefinition"):
                found.setdefault(kind, []).append(json.load(tar.extractfile(member)))
    for kind in found:
        found[kind].sort(key=lambda r: r.get("url", r.get("id", "")))
    return found


# ---- structures ---------------------------------------------------------------------------------

def structures(definitions, sets):
    wanted = [
        d for d in definitions
        if d.get("derivation") != "constraint" and d["kind"] in ("resource", "complex-type")
        and (not d.get("abstract") or d["type"] == "Element")  # Element: what may stand in `_name`
        and "snapshot" in d and d["url"].startswith("http://hl7.org/fhir/StructureDefinition/")
    ]
    wanted.sort(key=lambda d: (d["kind"] != "resource", d["type"]))
    lines = []
    for definition in wanted:
        lines += structure_lines(definition, sets)
    return lines


def structure_lines(definition, sets):
    elements = definition["snapshot"]["element"]
    parents = {e["path"].rsplit(".", 1)[0] for e in elements if "." in e["path"]}
    paths = {}
    for element in elements:
        if "." in element["path"]:
            paths.setdefault(element["path"].rsplit(".", 1)[0], []).append(element)
    lines = []
    for element in elements:
        path = element["path"]
        if path not in parents:
            continue
        base = base_of(definition, element)
        lines.append(f"{path}\t{base}")
        for child in paths[path]:
            name = child["path"].rsplit(".", 1)[1]
            if name not in INHERITED[base]:
                lines.append(element_line(child, name, child["path"] in parents, sets))
        lines += rule_lines(element, "")
        for child in paths[path]:
            if child["path"] not in parents:
                lines += rule_lines(child, child["path"].rsplit(".", 1)[1])
    return lines


def base_of(definition, element):
    if "." in element["path"]:
        return BASES.get(element["type"][0]["code"], "E")
    if definition["kind"] == "resource":
        return "R" if definition["baseDefinition"].endswith("/Resource") else "D"
    return "B" if definition.get("baseDefinition", "").endswith("/BackboneElement") else "E"


def element_line(element, name, has_children, sets):
    card = f"{element['min']}{element['max']}"
    if "contentReference" in element:
        types = "@" + element["contentReference"].split("#")[1]
    elif has_children:
        types = "@" + element["path"]
    else:
        types = ",".join(type_words(element["type"]))
    line = f" {name}\t{card}\t{types}"
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        key = sets.name(binding["valueSet"])
        if key:
            line += f"\t{key}"
    marks = "s" * element.get("isSummary", False) + "m" * element.get("isModifier", False)
    if marks and element["path"].count(".") == 1:
        line += "\t" * (4 - line.count("\t")) + marks
    return line


def type_words(types):
    for entry in types:
        code = entry["code"]
        if code.startswith("http://hl7.org/fhirpath/"):
            extension = entry.get("extension", [{}])[0]
            code = extension.get("valueUrl", "string")
        targets = [t.rsplit("/", 1)[1] for t in entry.get("targetProfile", [])]
        if code == "Reference" and targets and "Resource" not in targets:
            code += "(" + "/".join(targets) + ")"
        yield code


def rule_lines(element, name):
    for rule in element.get("constraint", []):
        key = rule["key"]
        text = MENDED.get(key, rule.get("expression", ""))
        calls = set(re.findall(r"([A-Za-z]\w*)\(", re.sub(r"'[^']*'", "''", text)))
        if key == "ext-1" and element["path"] != "Extension":
            continue
        if key in IN_CODE or not text or not calls <= FUNCTIONS or "%context" in text:
            continue
        if name:
            text = f"{name.removesuffix('[x]')}.all({text})"
        mark = "!" if rule["severity"] == "error" else "?"
        human = " ".join(rule["human"].split())
        yield f"{mark}{key}\t{' '.join(text.split())}\t{human}"


# ---- code lists ---------------------------------------------------------------------------------

class Sets:
    """Expands the value sets that required bindings name; keeps those that can be expanded whole."""

    def __init__(self, value_sets, code_systems):
        self.by_url = {v["url"]: v for v in value_sets}
        self.systems = {c["url"]: c for c in code_systems}
        self.kept = {}
        self.left_out = {}

    def name(self, url):
        url = url.split("|")[0]
        key = url.rsplit("/", 1)[1]
        if key not in self.kept and key not in self.left_out:
            try:
                self.kept[key] = self.expand(url)
            except LookupError as reason:
                self.left_out[key] = str(reason)
        return key if key in self.kept else None

    def expand(self, url):
        value_set = self.by_url.get(url.split("|")[0])
        if value_set is None or "compose" not in value_set:
            raise LookupError("no definition")
        out = {}
        for include in value_set["compose"].get("include", []):
            for system, codes in self.part(include).items():
                out.setdefault(system, {}).update(dict.fromkeys(codes))
        for exclude in value_set["compose"].get("exclude", []):
            for system, codes in self.part(exclude).items():
                for code in codes:
                    out.get(system, {}).pop(code, None)
        return {system: list(codes) for system, codes in out.items()}

    def part(self, include):
        out = None
        if "system" in include:
            out = {include["system"]: self.codes(include)}
        for url in include.get("valueSet", []):
            other = self.expand(url)
            out = other if out is None else {s: [c for c in out[s] if c in other.get(s, [])] for s in out}
        return out or {}

    def codes(self, include):
        if "concept" in include:
            return [c["code"] for c in include["concept"]]
        system = self.systems.get(include["system"])
        if system is None or system.get("content") != "complete":
            raise LookupError(f"{include['system']} is not in the package as a whole")
        tree = list(walk(system.get("concept", []), ()))
        for rule in include.get("filter", []):
            if rule["op"] not in ("is-a", "descendent-of") or rule["property"] != "concept":
                raise LookupError(f"filter {rule['op']} on {rule['property']}")
            above = parents_by_property(system)
            tree = [
                (code, up) for code, up in tree
                if (code == rule["value"] and rule["op"] == "is-a") or rule["value"] in up or rule["value"] in above(code)
            ]
        return [code for code, _ in tree]

    def lines(self):
        for key in sorted(self.kept):
            yield f"={key}"
            for system, codes in sorted(self.kept[key].items()):
                yield "\t".join([system, *codes])


def walk(concepts, up):
    for concept in concepts:
        yield concept["code"], up
        yield from walk(concept.get("concept", []), (*up, concept["code"]))


def parents_by_property(system):
    direct = {}
    for concept in system.get("concept", []):
        direct[concept["code"]] = {
            p["valueCode"] for p in concept.get("property", []) if p["code"] == "subsumedBy" and "valueCode" in p
        }

    def above(code, seen=frozenset()):
        found = set()
        for parent in direct.get(code, ()):
            if parent not in seen:
                found |= {parent} | above(parent, seen | {code})
        return found

    return above


# ---- search parameters and the patient compartment ----------------------------------------------

def search(parameters, kinds, compartment):
    per_kind = {}
    by_url = {p["url"]: p for p in parameters}
    for parameter in parameters:
        if parameter["id"].startswith("example") or "/SearchParameter/" not in parameter.get("url", ""):
            continue
        for base in parameter.get("base", []):
            row = parameter_row(parameter, base, by_url)
            if row:
                per_kind.setdefault(base, {})[parameter["code"]] = row
    # Into extensions the core resource does not look; IHE PDQm (ITI-78) asks for this one.
    mother = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
    per_kind["Patient"]["mothersMaidenName"] = ("string", f"extension.where(url='{mother}').value", "")
    in_compartment = {r["code"]: r.get("param", []) for r in compartment["resource"]}
    for kind in ["Resource", *kinds]:
        yield kind
        for code, (typ, expression, targets) in sorted(per_kind.get(kind, {}).items()):
            mark = "~" if code in in_compartment.get(kind, []) else ""
            yield f" {code}{mark}\t{typ}\t{expression}\t{targets}"


def parameter_row(parameter, base, by_url):
    expression = parameter.get("expression", "")
    typ = parameter["type"]
    if typ == "composite":
        return composite_row(parameter, base, by_url)
    if typ == "special" or (base == "Resource" and not expression):
        return ("special", "", "")
    if base == "Resource":
        return typ, expression.removeprefix("Resource."), ""
    parts = [p.strip() for p in split_union(expression)]
    mine = [p for p in parts if re.match(rf"\(*{base}\b", p)]
    # Extensions are not part of the core resource: such a parameter is unknown here, and said so.
    if not mine or "extension(" in expression.lower():
        return None
    text = " | ".join(re.sub(rf"\b{base}\.", "", p) for p in mine)
    targets = parameter.get("target", [])
    targets = "*" if len(targets) > 100 else "/".join(targets)
    narrowed = re.fullmatch(r".*resolve\(\) is (\w+)\)", text)
    return typ, text, narrowed.group(1) if narrowed else targets


# The definition as published names the two parts the wrong way round.
COMPOSITES = {"relationship": "relation token code $ relatesto reference target"}


def composite_row(parameter, base, by_url):
    around = [p.strip() for p in split_union(parameter["expression"]) if re.match(rf"\s*{base}\b", p)]
    around = " | ".join(re.sub(rf"^{base}\.?", "", p) or "$this" for p in around)
    parts = []
    for part in parameter["component"]:
        definition = by_url[part["definition"]]
        # The published expression names the type as no other does.
        expression = part["expression"].replace("as(DateTime)", "as(dateTime)")
        parts.append(f"{definition['code']} {definition['type']} {expression}")
    return "composite", around, COMPOSITES.get(parameter["code"], " $ ".join(parts))


def split_union(text):
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def write(name, meaning, lines):
    text = PROVENANCE + "".join(f"# {line}\n" for line in meaning) + "\n".join(lines) + "\n"
    (OUT / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(text.encode()):,} bytes")


def main():
    package = load(sys.argv[1])
    sets = Sets(package["ValueSet"], package["CodeSystem"])
    OUT.mkdir(parents=True, exist_ok=True)
    lines = structures(package["StructureDefinition"], sets)
    kinds = sorted(
        d["type"] for d in package["StructureDefinition"]
        if d["kind"] == "resource" and d.get("derivation") == "specialization" and not d.get("abstract")
        and d["url"].startswith("http://hl7.org/fhir/StructureDefinition/")
    )
    compartment = next(c for c in package["CompartmentDefinition"] if c["id"] == "patient")
    write("structures.txt", [
        "A structure: its path, TAB, what it extends (R Resource, D DomainResource, E Element, B BackboneElement).",
        "An element, after one space: name, min and max, types (@path: a structure here), code list when required,",
        "marks of those directly within a resource or datatype: s stands in a summary, m changes what is meant.",
        "A rule: ! refuses, ? warns; key, expression, words.",
    ], lines)
    write("codes.txt", [
        "A list after =, then one line a code system: its address and its codes, TAB between.",
    ], sets.lines())
    write("search.txt", [
        "A resource type, then after one space its parameters: name (~: in the patient compartment), type,",
        "expression within the type, and for references the types they may point to (*: any); for composites",
        "the parts, $ between: name, type, expression within what the expression yields.",
    ], search(package["SearchParameter"], kinds, compartment))
    for key, reason in sorted(sets.left_out.items()):
        print(f"no code list for {key}: {reason}")


if __name__ == "__main__":
    main()
