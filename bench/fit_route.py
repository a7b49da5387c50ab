#!/usr/bin/python3
"""Fits the weights of daemon/classify_signals.def by ridge logistic regression.

    route_eval --schemas S --questions Q --signals signals.jsonl
    bench/fit_route.py signals.jsonl [--ridge N] [--write DEF HEADER]

signals.jsonl has one text a line: {id, label: sql or chat, db, kind, source, signals: {name:
amount}}. `source` is where the text comes from, up to a colon. Rows that are SQL themselves
(kind sql_raw) are left out: they never reach the weights.

Each row weighs by the root of how many its source has, and both labels weigh the same in all, so
that the largest sources do not set the base. Accuracy is reported for folds by database, for
folds by source (train on the other sources), and for both at once (train on other sources and
other databases): that is what a text that nobody has seen meets. --write puts the weights of the
fit over all rows into the table.

Delexicalised n-grams (words of the schema replaced by their kind, one to three in a row) were
tried as further columns of this fit: with a weak ridge they lost a point on folds by database and
four on folds by source, with a strong one they still lost a little on both, so there are none.
"""
import argparse
import collections
import json
import math
import random
import re

# The data cannot say anything about these: the table's own numbers stay.
FIXED = {"schema_value", "schema_comment", "no_schema", "business", "history", "keyword", "pattern", "correction",
         "sql_text"}
# Where the data say little a signal stays near this, to its side: most of them are rare.
PRIOR = 0.5
# And where they turn it round, at this.
FLOOR = 0.15
# Log-odds are divided by this much more than calibrates the folds: texts of sources that are further
# off are not to be decided with too much confidence.
CAUTION = 1.3
# What a signal may say at most one way; a fit that turns it round has learnt the sources' style.
SIGNS = {"schema_table": 1, "schema_column": 1, "schema_kin": 1, "schema_share": 1, "schema_none": -1,
         "identifier": 1, "strangers": -1, "literal": 1, "number": 1, "name": 1, "counting": 1,
         "aggregate": 1, "superlative": 1, "comparison": 1, "grouping": 1, "ordering": 1,
         "listing": 1, "data_word": 1, "greeting": -1, "creative": -1, "code": -1,
         "knowledge": -1, "advice": -1, "assistant": -1, "sql_term": -1, "arithmetic": -1,
         "how_to": -1, "you": -1, "self": -1, "length": -1, "sentences": -1, "follow_up": 1}


def load(path):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    rows = [row for row in rows if row["kind"] != "sql_raw"]
    names = [name for name in SIGNS if name not in FIXED]
    data = []
    for row in rows:
        vector = [1.0] + [row["signals"].get(name, 0.0) for name in names]
        data.append((vector, 1.0 if row["label"] == "sql" else 0.0, row))
    return names, data


def solve(matrix, right):
    size = len(right)
    rows = [matrix[i][:] + [right[i]] for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            if factor:
                for j in range(i, size + 1):
                    rows[k][j] -= factor * rows[i][j]
    result = [0.0] * size
    for i in reversed(range(size)):
        rest = sum(rows[i][j] * result[j] for j in range(i + 1, size))
        result[i] = (rows[i][size] - rest) / rows[i][i]
    return result


def source_of(row):
    return row["source"].split(":")[0]


def importances(data):
    """One for each row; those of each label add up to half the rows."""
    sizes = collections.Counter(source_of(row) for _, _, row in data)
    roots = [sizes[source_of(row)] ** -0.5 for _, _, row in data]
    sums = {0.0: 0.0, 1.0: 0.0}
    for root, (_, label, _) in zip(roots, data):
        sums[label] += root
    return [root * len(data) / 2 / sums[label] for root, (_, label, _) in zip(roots, data)]


def odds(weights, vector):
    return sum(w * x for w, x in zip(weights, vector) if x)


def newton(data, active, ridge, priors, rounds=7):
    """Weights of the active columns; the others are at the floor, towards their prior."""
    fixed = [math.copysign(FLOOR, prior) if prior else 0.0 for prior in priors]
    for i in active:
        fixed[i] = 0.0
    count = len(active)
    weights = [0.0] * count
    sparse = [([(k, vector[i]) for k, i in enumerate(active) if vector[i]], label,
               odds(fixed, vector), importance)
              for (vector, label, _), importance in zip(data, importances(data))]
    for _ in range(rounds):
        gradient = [-ridge * (w - priors[active[k]]) if active[k] else 0.0
                    for k, w in enumerate(weights)]
        hessian = [[0.0] * count for _ in range(count)]
        for k in range(count):
            hessian[k][k] = ridge if active[k] else 1e-9
        for items, label, start, importance in sparse:
            z = start + sum(weights[k] * x for k, x in items)
            p = 1 / (1 + math.exp(-max(-30, min(30, z))))
            curve = importance * p * (1 - p)
            for k, x in items:
                gradient[k] += importance * (label - p) * x
                line = hessian[k]
                for j, y in items:
                    line[j] += curve * x * y
        step = solve(hessian, gradient)
        weights = [w + s for w, s in zip(weights, step)]
    return weights


def fit(names, data, ridge):
    active = list(range(len(names) + 1))
    priors = [0.0] + [PRIOR * SIGNS[name] for name in names]
    while True:
        found = newton(data, active, ridge, priors)
        turned = [i for i, w in zip(active, found) if i and w * SIGNS[names[i - 1]] < 0]
        if not turned:
            weights = [math.copysign(FLOOR, prior) if prior else 0.0 for prior in priors]
            for i, w in zip(active, found):
                weights[i] = w
            return weights
        active = [i for i in active if i not in turned]


def score(pairs, threshold=0.75):
    """Forced accuracy, accuracy and coverage at the threshold, surest nine tenths."""
    judged = sorted(((abs(z), (z > 0) == (label > 0.5)) for z, label in pairs), reverse=True)
    edge = math.log(threshold / (1 - threshold))
    sure = [right for z, right in judged if z >= edge]
    most = judged[:len(judged) * 9 // 10]
    return (sum(r for _, r in judged) / len(judged), sum(sure) / max(1, len(sure)),
            len(sure) / len(judged), sum(r for _, r in most) / len(most))


def folds_of(data, key, folds):
    """The fold of each row; all rows of one key are in the same."""
    groups = sorted({key(row) for _, _, row in data})
    random.Random(1).shuffle(groups)
    numbers = {group: i % folds for i, group in enumerate(groups)}
    return [numbers[key(row)] for _, _, row in data]


def cross(names, data, by_database, by_source, ridge):
    """Log-odds of each row from a fit that has seen neither its database's fold nor its source's."""
    databases = folds_of(data, lambda row: row["db"], by_database)
    sources = folds_of(data, source_of, by_source)
    pairs = []
    for database in range(by_database):
        for source in range(by_source):
            train = [item for item, d, s in zip(data, databases, sources)
                     if (by_database == 1 or d != database) and (by_source == 1 or s != source)]
            held = [item for item, d, s in zip(data, databases, sources)
                    if d == database and s == source]
            if held:
                weights = fit(names, train, ridge)
                pairs += [(odds(weights, v), y) for v, y, _ in held]
    return pairs


def find_temperature(pairs):
    """By what log-odds of unseen groups are to be divided to be what they say."""
    def loss(temperature):
        return sum(math.log1p(math.exp(-max(-60, min(60, (z if y > 0.5 else -z) / temperature))))
                   for z, y in pairs)
    return min((t / 20 for t in range(16, 61)), key=loss)


def write(def_path, header_path, names, weights):
    numbers = dict(zip(names, weights[1:]))
    text = open(def_path, encoding="utf-8").read()

    def replace(match):
        name = match.group(2)
        return match.group(1) + (f"{numbers[name]:.2f}" if name in numbers else match.group(3))
    text = re.sub(r"(SIGNAL\(\w+, (\w+), )(-?[\d.]+)", replace, text)
    open(def_path, "w", encoding="utf-8").write(text)
    text = open(header_path, encoding="utf-8").read()
    text = re.sub(r"(#define CLASSIFY_BASE )\S+", rf"\g<1>({weights[0]:.2f})", text)
    open(header_path, "w", encoding="utf-8").write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("signals")
    parser.add_argument("--ridge", type=float, default=5.0)
    parser.add_argument("--write", nargs=2, metavar=("DEF", "HEADER"))
    arguments = parser.parse_args()
    names, data = load(arguments.signals)
    for title, by_database, by_source in (("database", 5, 1), ("database and source", 2, 20),
                                          ("source", 1, 20)):
        pairs = cross(names, data, by_database, by_source, arguments.ridge)
        temperature = find_temperature(pairs)
        forced, sure, coverage, most = score([(z / temperature, y) for z, y in pairs])
        print(f"folds by {title}: forced {forced:.4f}, at 0.75 {sure:.4f} of {coverage:.3f}, "
              f"surest 90 % {most:.4f}; temperature {temperature:.2f}")
    # That of the folds by source, which come last: texts of others are what the daemon meets.
    weights = [w / temperature / CAUTION for w in fit(names, data, arguments.ridge)]
    for name, weight in zip(["base"] + names, weights):
        print(f"{weight:7.2f}  {name}")
    if arguments.write:
        write(*arguments.write, names, weights)


if __name__ == "__main__":
    main()
