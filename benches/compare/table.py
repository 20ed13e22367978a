"""Prints the medians of several runs, and how many times the other's rate Salus has.

Standard input: one line a figure: name, what, per second, p50 ms, p99 ms, errors, and where it was measured the server's
processor time in ms for each."""

import statistics
import sys

runs = {}
for line in sys.stdin:
    name, what, *figures = line.split()
    runs.setdefault((name, what), []).append([float(figure) for figure in figures])

medians = {}
for key, figures in runs.items():
    rate, p50, p99, errors, *spent = zip(*figures)
    spent = statistics.median(spent[0]) if spent else None
    medians[key] = (*(statistics.median(one) for one in (rate, p50, p99)), sum(errors), spent)

print(f"\nmedians of {max(map(len, runs.values()))} runs, errors of all of them")
print(f"{'server':<14}{'what':<20}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'errors':>8}{'Salus is':>11}{'cpu ms':>9}")
for (name, what), (rate, p50, p99, errors, spent) in medians.items():
    ours = medians.get(("salus", what))
    ratio = "" if name == "salus" or ours is None or rate == 0 else f"{ours[0] / rate:.2f} x"
    print(f"{name:<14}{what:<20}{rate:>12.0f}{p50:>10.2f}{p99:>10.2f}{errors:>8.0f}{ratio:>11}{'' if spent is None else f'{spent:.3f}':>9}")
