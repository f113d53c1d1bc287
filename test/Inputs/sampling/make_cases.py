"""Writes cases.json, draws.json and large.json: what samplers must leave of a distribution.

    pip install numpy==2.4.6 scipy==1.17.1 && python3 make_cases.py

The samplers are written here a second time, from their published descriptions
(docs/sampling.md lists them), in double precision, with full sorts, and without
regard to speed. A candidate is a pair of a logit and an id; a sampler maps a list
of candidates to another. cases.json holds chains of samplers with the distribution
from which the token is drawn at each step, and the token that the seed's random
number selects. draws.json holds chains whose distribution is mixed from several,
and the quantile of the chi-square distribution that a million draws stay below
with a probability of 1 - 1e-9. large.json holds large vocabularies, whose logits are
computed from a seed.
"""

import json
import math
import os

import numpy as np
from scipy import stats

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULTS = dict(
    temperature=0.8, dynatempRange=0.0, dynatempExponent=1.0, topK=40, topP=0.95,
    minP=0.05, typicalP=1.0, topNSigma=0.0, xtcProbability=0.0, xtcThreshold=0.1,
    repeatPenalty=1.0, repeatLastN=64, presencePenalty=0.0, frequencyPenalty=0.0,
    dryMultiplier=0.0, dryBase=1.75, dryAllowedLength=2, dryLastN=64,
    dryBreakers=["\n", ":", '"', "*"], mirostat=0, mirostatTau=5.0, mirostatEta=0.1,
    adaptiveTarget=-1.0, adaptiveDecay=0.9, logitBias=[], seed=0,
    samplers=("penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature"))
OFF = dict(temperature=1.0, topK=0, topP=1.0, minP=0.0, dryBreakers=[])
INF = math.inf


def f32(x):
    return float(np.float32(x))


class Random:
    """SplitMix64 by Steele, Lea and Flood."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def unit(self):
        return (self.next() >> 11) / 2.0**53


def softmax(candidates):
    logits = np.array([c[0] for c in candidates])
    e = np.exp(logits - logits.max())
    return e / e.sum()


def by_quality(candidates):
    return sorted(candidates, key=lambda c: (-c[0], c[1]))


def entropy(p):
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


class Chain:
    def __init__(self, options, vocabulary):
        self.o = {k: f32(v) if isinstance(v, float) else v
                  for k, v in options.items()}
        self.vocabulary = vocabulary
        self.history = []
        self.random = Random(options["seed"])
        self.xtc_random = Random(Random(options["seed"]).next())
        self.mu = 2 * self.o["mirostatTau"]
        decay = self.o["adaptiveDecay"]
        self.average = (self.o["adaptiveTarget"] / (1 - decay), 1 / (1 - decay))
        self.pending = None

    # Samplers. ---------------------------------------------------------------

    def penalties(self, cs):
        last = self.o["repeatLastN"]
        recent = self.history[-last:] if last else []
        out = []
        for logit, i in cs:
            n = recent.count(i)
            if n:
                r = self.o["repeatPenalty"]
                logit = logit / r if logit > 0 else logit * r
                logit -= n * self.o["frequencyPenalty"] + self.o["presencePenalty"]
            out.append((logit, i))
        return out

    def dry(self, cs):
        o = self.o
        last = o["dryLastN"]
        if o["dryMultiplier"] == 0 or last == 0:
            return cs
        text = self.history[-last:]
        limit = len(text)
        for breaker in o["dryBreakers"]:
            # Counts the whole tokens after the last occurrence of the breaker.
            whole = "".join(piece(t) for t in self.history)
            at = whole.rfind(breaker)
            if at >= 0:
                end, after = 0, 0
                for n, t in enumerate(self.history):
                    end += len(piece(t))
                    if end >= at + len(breaker):
                        after = len(self.history) - n - 1
                        break
                limit = min(limit, after)
        if len(text) <= o["dryAllowedLength"] or limit < o["dryAllowedLength"]:
            return cs
        longest = {}
        for end in range(1, len(text)):
            # n is the length of the longest common suffix of text[:end] and
            # text.
            n = 0
            while n < end and text[end - 1 - n] == text[len(text) - 1 - n]:
                n += 1
            n = min(n, limit)
            if n >= o["dryAllowedLength"]:
                longest[text[end]] = max(longest.get(text[end], 0), n)
        out = []
        for logit, i in cs:
            if i in longest and not any(b in piece(i) for b in o["dryBreakers"]):
                power = longest[i] - o["dryAllowedLength"]
                logit -= o["dryMultiplier"] * o["dryBase"] ** power
            out.append((logit, i))
        return out

    def top_n_sigma(self, cs):
        n = self.o["topNSigma"]
        finite = np.array([c[0] for c in cs if c[0] != -INF])
        if n <= 0 or len(finite) == 0:
            return cs
        least = finite.max() - n * finite.std()
        return [(l if l >= least else -INF, i) for l, i in cs]

    def top_k(self, cs):
        k = self.o["topK"]
        return by_quality(cs)[:k] if 0 < k < len(cs) else cs

    def typ_p(self, cs):
        p = self.o["typicalP"]
        if p >= 1:
            return cs
        prob = softmax(cs)
        h = entropy(prob)
        with np.errstate(divide="ignore"):
            deviation = np.abs(-np.log(prob) - h)
        # NumPy may round the deviations of equal logits differently.
        order = sorted(range(len(cs)),
                       key=lambda n: (deviation[n], -cs[n][0], cs[n][1]))
        total, out = 0.0, []
        for n in order:
            out.append(cs[n])
            total += prob[n]
            if total > p:
                break
        return out

    def top_p(self, cs):
        p = self.o["topP"]
        if p >= 1:
            return cs
        cs = by_quality(cs)
        prob = softmax(cs)
        total, out = 0.0, []
        for c, x in zip(cs, prob):
            out.append(c)
            total += x
            if total >= p:
                break
        return out

    def min_p(self, cs):
        p = self.o["minP"]
        if p <= 0:
            return cs
        best = max(c[0] for c in cs)
        return [c for c in cs if c[0] >= best + math.log(p)]

    def xtc(self, cs):
        o = self.o
        if o["xtcProbability"] <= 0 or o["xtcThreshold"] > 0.5:
            return cs
        if not self.xtc_random.unit() < o["xtcProbability"] or len(cs) < 2:
            return cs
        return self.exclude_top_choices(cs)

    def exclude_top_choices(self, cs):
        prob = softmax(cs)
        likely = [c for c, x in zip(cs, prob)
                  if x >= self.o["xtcThreshold"] and x > 0]
        spared = by_quality(likely)[-1:]
        return [c for c in cs if c not in likely or c in spared]

    def temperature(self, cs):
        t, delta = self.o["temperature"], self.o["dynatempRange"]
        if self.o["mirostat"] == 0 and delta > 0:
            if len(cs) <= 1:
                return cs
            lowest, highest = max(0, t - delta), t + delta
            share = entropy(softmax(cs)) / math.log(len(cs))
            t = lowest + (highest - lowest) * share ** self.o["dynatempExponent"]
        if t <= 1e-30:
            return by_quality(cs)[:1]
        return [(l / t, i) for l, i in cs]

    # Choices. ----------------------------------------------------------------

    def mirostat_1(self, cs):
        best = [c[0] for c in by_quality(cs) if c[0] != -INF][:100]
        k = 1.0
        if len(best) > 1:
            t = np.log(np.arange(2, len(best) + 1) / np.arange(1, len(best)))
            b = -np.diff(best)
            s = float((t * b).sum() / (t * t).sum())
            e = s - 1
            n = self.vocabulary
            ratio = e / (1 - n ** -e) if abs(e) > 1e-9 else 1 / math.log(n)
            power = ratio * 2**self.mu
            with np.errstate(over="ignore", divide="ignore"):
                k = float(np.float64(power) ** (np.float64(1) / s))
        keep = by_quality(cs)[:max(1, int(min(k, len(cs))))]
        return [c for c in cs if c in keep]

    def mirostat_2(self, cs):
        prob = softmax(cs)
        best = by_quality(cs)[0]
        return [c for c, x in zip(cs, prob)
                if c == best or (x > 0 and -math.log2(x) <= self.mu)]

    def adapted(self, cs, prob):
        total, weight = self.average
        aim = min(1.0, max(0.0, 2 * self.o["adaptiveTarget"] - total / weight))
        distance = np.abs(prob - aim) / 0.3
        e = np.exp(5 - 10 * distance**2 / (1 + distance))
        e[[c[0] == -INF for c in cs]] = 0
        return e / e.sum()

    # The chain. --------------------------------------------------------------

    def filtered(self, logits):
        """The candidates and probabilities from which a token is drawn."""
        cs = [(l, i) for i, l in enumerate(logits)]
        for i, bias in self.o["logitBias"]:
            cs[i] = (cs[i][0] + bias, i)
        if self.o["mirostat"]:
            cs = self.temperature(cs)
            cs = self.mirostat_1(cs) if self.o["mirostat"] == 1 else self.mirostat_2(cs)
            return cs, softmax(cs)
        names = self.o["samplers"].split(";")
        for name in names:
            if name != "adaptive_p":
                cs = getattr(self, name)(cs)
        prob = softmax(cs)
        if "adaptive_p" in names and self.o["adaptiveTarget"] >= 0:
            self.original = prob
            return cs, self.adapted(cs, prob)
        return cs, prob

    def sample(self, logits):
        cs, prob = self.filtered(logits)
        u, total, chosen = self.random.unit(), 0.0, None
        margin = 1.0
        for n, x in enumerate(prob):
            if x > 0:
                chosen = n
                total += x
                margin = min(margin, abs(total - u))
                if u < total:
                    break
        if len([x for x in prob if x > 0]) > 1:
            assert margin > 1e-7, "the draw is too near a boundary"
        self.pending = (chosen, prob)
        return cs, prob, cs[chosen][1]

    def accept(self, token):
        self.history.append(token)
        if self.pending:
            n, prob = self.pending
            if self.o["mirostat"]:
                surprise = -math.log2(prob[n])
                self.mu -= self.o["mirostatEta"] * (surprise - self.o["mirostatTau"])
            elif "adaptive_p" in self.o["samplers"] and self.o["adaptiveTarget"] >= 0:
                total, weight = self.average
                decay = self.o["adaptiveDecay"]
                self.average = (self.original[n] + decay * total, 1 + decay * weight)
            self.pending = None


def piece(token):
    """The text of a token in the byte-level vocabulary of the tests."""
    return chr(33 + token)


# Logits. ---------------------------------------------------------------------

rng = np.random.default_rng(20261128)


def random_logits(n, spread):
    return [f32(x) for x in rng.normal(0, spread, n)]


SHAPES = {
    "one": lambda: [f32(-3.25)],
    "two": lambda: [f32(1.5), f32(1.25)],
    "equal": lambda: [f32(2)] * 12,
    "ties": lambda: [f32(x) for x in rng.integers(0, 4, 24)],
    "masked": lambda: [f32(x) if n % 3 else -INF
                       for n, x in enumerate(rng.normal(0, 2, 21))],
    "one left": lambda: [-INF, -INF, f32(0.5), -INF],
    "far apart": lambda: [f32(x) for x in (1e4, -1e4, 9.9995e3, 0, 9.9999e3, -3e38)],
    "near": lambda: [f32(1 + n * 1e-6) for n in range(9)],
    "normal": lambda: random_logits(30, 2),
    "steep": lambda: random_logits(30, 8),
    "flat": lambda: random_logits(30, 0.1),
    "large": lambda: random_logits(150, 3),
}


def numbers(values):
    """The shortest decimals that become these numbers when rounded to float."""
    short = [None if x == -INF else float(str(np.float32(x))) for x in values]
    assert all(x is None or f32(x) == y for x, y in zip(short, values))
    return short


cases = []


def add(name, logits_of_steps, prompt=(), **changes):
    options = {**DEFAULTS, **OFF, **changes}
    chain = Chain(options, len(logits_of_steps[0]))
    for token in prompt:
        chain.accept(token)
    steps = []
    for logits in logits_of_steps:
        cs, prob, token = chain.sample(logits)
        kept = sorted((i, float(f"{x:.9g}")) for (_, i), x in zip(cs, prob) if x > 1e-300)
        step = dict(ids=[i for i, _ in kept], p=[x for _, x in kept], token=token)
        if not steps or logits is not logits_of_steps[0]:
            step["logits"] = numbers(logits)
        steps.append(step)
        chain.accept(token)
    given = {k: v for k, v in options.items() if v != DEFAULTS[k]}
    cases.append(dict(name=name, options=given, prompt=list(prompt), steps=steps))


FILTERS = {
    "topK": [1, 5, 1000],
    "topP": [0.0, 0.3, 0.9],
    "minP": [0.02, 0.4, 1.0],
    "typicalP": [0.0, 0.25, 0.8],
    "topNSigma": [0.5, 1.5],
    "temperature": [0.0, 0.4, 3.0],
}
for shape, make in SHAPES.items():
    for option, values in FILTERS.items():
        if shape == "large" and option in ("topK", "temperature"):
            continue
        value = values[len(cases) % len(values)]
        add(f"{option} {value}, {shape}", [make()], **{option: value})
    add(f"XTC, {shape}", [make()], xtcProbability=1.0,
        xtcThreshold=[0.05, 0.1, 0.3][len(cases) % 3])
    add(f"dynamic temperature, {shape}", [make()], temperature=1.0,
        dynatempRange=[0.5, 1.0][len(cases) % 2],
        dynatempExponent=[0.5, 1.0, 2.0][len(cases) % 3])
    logits = make()
    n = len(logits)
    add(f"penalties, {shape}", [logits], prompt=[0, n // 2, 0, n - 1],
        repeatPenalty=1.5, presencePenalty=0.25, frequencyPenalty=0.5)
    add(f"logit bias, {shape}", [make()], logitBias=[[0, 2.0], [n - 1, -1.5]])
    for version in (1, 2):
        logits = make()
        add(f"Mirostat {version}, {shape}", [logits] * 3, mirostat=version,
            temperature=0.9, mirostatTau=[1.5, 3.0][len(cases) % 2], seed=len(cases))
    logits = make()
    add(f"adaptive-p, {shape}", [logits] * 3, adaptiveTarget=0.3, seed=len(cases),
        samplers="min_p;temperature;adaptive_p", minP=0.01)

flat = [f32(0)] * 8
for name, prompt, changes in [
        ("nothing repeats", [0, 1, 2, 3], {}),
        ("a repetition", [0, 1, 2, 5, 0, 1], {}),
        ("the longest counts", [1, 2, 7, 0, 1, 2, 6, 4, 0, 1, 2], {}),
        ("several continuations", [1, 2, 3, 1, 2, 4, 1, 2], {}),
        ("one letter", [3] * 12, {}),
        ("a period", [0, 1, 2] * 5, {}),
        ("the window ends inside", [0, 1, 2, 3, 4, 5, 0, 1, 2, 3], dict(dryLastN=8)),
        ("allowed length 0", [0, 1, 2], dict(dryAllowedLength=0)),
        ("allowed length 4", [0, 1, 2, 3, 4, 0, 1, 2, 3], dict(dryAllowedLength=4)),
        ("a base of 1", [0, 1, 2, 5, 0, 1, 2], dict(dryBase=1.0)),
        ("a large base", [0, 1, 2, 5, 0, 1, 2], dict(dryBase=3.0)),
        ("a breaker in the way", [0, 1, 5, 6, 0, 1], dict(dryBreakers=["!"])),
        ("a breaker behind", [6, 0, 1, 5, 7, 0, 1], dict(dryBreakers=["'"])),
        ("a breaker between", [5, 0, 1, 3, 2, 5, 0, 1], dict(dryBreakers=["&"])),
        ("a breaker is continued", [0, 1, 5, 6, 0, 1], dict(dryBreakers=["&"])),
        ("a breaker of two tokens", [4, 0, 1, 2, 3, 4, 0, 1, 2], dict(dryBreakers=['!"'])),
        ("a breaker that is not there", [0, 1, 2, 5, 0, 1], dict(dryBreakers=["zz"])),
]:
    add(f"DRY: {name}", [flat], prompt=prompt,
        **{**dict(dryMultiplier=1.0, dryBase=1.75), **changes})

for seed in range(12):
    n = [40, 90][seed % 2]
    steps = [random_logits(n, 3) for _ in range(3)]
    text = [int(t) for t in rng.integers(0, 12, 30)]
    add(f"default chain {seed}", steps, prompt=text + text[-9:-4], seed=seed,
        temperature=0.8, topK=20, topP=0.95, minP=0.05, repeatPenalty=1.1)
    add(f"everything {seed}", steps, prompt=text + text[-9:-4], seed=seed,
        temperature=1.2, dynatempRange=0.4, topK=25, topP=0.9, minP=0.01,
        typicalP=0.95, topNSigma=2.0, xtcProbability=0.5, xtcThreshold=0.2,
        repeatPenalty=1.2, presencePenalty=0.3, frequencyPenalty=0.2,
        dryMultiplier=0.8, dryBreakers=["#"], logitBias=[[3, 1.0], [7, -INF]])

# Random texts of two or three letters repeat themselves in every possible way.
for n in range(24):
    text = [int(t) for t in rng.integers(0, 2 + n % 2, 40)]
    add(f"DRY: random text {n}", [flat], prompt=text, dryMultiplier=0.1, dryBase=1.2,
        dryAllowedLength=1 + n % 3)

ORDERS = ["temperature;top_p;min_p", "min_p;top_k;penalties;temperature",
          "temperature;typ_p;xtc;top_k", "top_p;dry;penalties;top_n_sigma",
          "temperature;penalties;top_p", "temperature;dry;temperature;min_p",
          "xtc;typ_p;temperature;top_n_sigma;min_p", "top_k;adaptive_p;temperature"]
for order in ORDERS:
    text = [0, 1, 2, 3, 0, 1, 2]
    add(f"order {order}", [random_logits(16, 2), random_logits(16, 2)], prompt=text,
        samplers=order, temperature=1.7, topP=0.8, minP=0.1, topK=9, typicalP=0.9,
        topNSigma=1.5, xtcProbability=1.0, repeatPenalty=1.3, dryMultiplier=1.0,
        adaptiveTarget=0.4)


# Vocabularies so large that their logits and probabilities are not written down.


def cube(x):
    return x * x * x


def logits_from(seed, count):
    """Logits from -16 to 16, of which most are far below the largest."""
    random = Random(seed)
    return [f32(32 * cube(random.unit()) - 16) for _ in range(count)]


large = []


def add_large(name, count, **changes):
    seed = 1000 + len(large)
    logits = logits_from(seed, count)
    options = {**DEFAULTS, **OFF, "seed": seed, **changes}
    cs, prob, token = Chain(options, count).sample(logits)
    large.append(dict(
        name=name, options={k: v for k, v in options.items() if v != DEFAULTS[k]},
        logitSeed=seed, count=count, kept=sum(1 for x in prob if x > 1e-300),
        squares=float((np.array(prob) ** 2).sum()), token=token))


for name, changes in [
        ("softmax", {}), ("a low temperature", dict(temperature=0.05)),
        ("top-p", dict(topP=0.9)), ("a small top-p", dict(topP=0.01)),
        ("min-p", dict(minP=0.1)), ("typical", dict(typicalP=0.5)),
        ("top-n-sigma", dict(topNSigma=2.0)), ("greedy", dict(temperature=0.0)),
        ("XTC", dict(xtcProbability=1.0, xtcThreshold=0.001)),
        ("dynamic temperature", dict(dynatempRange=0.7)),
        ("Mirostat 1", dict(mirostat=1, mirostatTau=4.0)),
        ("Mirostat 2", dict(mirostat=2, mirostatTau=4.0)),
        ("adaptive-p", dict(samplers="adaptive_p", adaptiveTarget=0.01)),
        ("the default chain", dict(temperature=0.8, topK=40, topP=0.95, minP=0.05))]:
    add_large(name, 4000, **changes)


def finite(value):
    """JSON has no infinity, so null stands for -infinity."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if value == -INF else value


def write(name, rows):
    with open(os.path.join(HERE, name), "w") as out:
        lines = [json.dumps(finite(row), separators=(",", ":")) for row in rows]
        out.write("[\n" + ",\n".join(lines) + "\n]\n")


# A million draws. ------------------------------------------------------------

DRAWS = 1000000
draws = []


def add_draws(name, logits, mixture, allowed=None, **changes):
    """`mixture` is a list of (share, {id: probability})."""
    expected = {}
    for share, distribution in mixture:
        for i, x in distribution.items():
            expected[i] = expected.get(i, 0) + share * x
    expected = {i: x for i, x in sorted(expected.items()) if x > 0}
    assert min(expected.values()) * DRAWS >= 5, "the test needs 5 draws of each"
    options = {**DEFAULTS, **OFF, **changes}
    given = {k: v for k, v in options.items() if v != DEFAULTS[k]}
    limit = stats.chi2.isf(1e-9, len(expected) - 1)
    row = dict(name=name, options=given, logits=numbers(logits), draws=DRAWS,
               ids=list(expected), p=list(expected.values()), limit=float(limit))
    if allowed is not None:
        row["allowed"] = allowed
    draws.append(row)


def distribution_of(logits, **changes):
    cs, prob = Chain({**DEFAULTS, **OFF, **changes}, len(logits)).filtered(logits)
    return {i: float(x) for (_, i), x in zip(cs, prob)}


logits = random_logits(20, 1.5)
add_draws("softmax", logits, [(1, distribution_of(logits))], seed=1)
chain = dict(temperature=0.8, topK=12, topP=0.95, minP=0.05)
add_draws("default chain", logits, [(1, distribution_of(logits, **chain))], seed=2, **chain)
xtc = dict(xtcThreshold=0.1, xtcProbability=0.3)
without = distribution_of(logits)
with_xtc = distribution_of(logits, xtcThreshold=0.1, xtcProbability=1.0)
share = f32(0.3)
add_draws("XTC with a probability of 0.3", logits,
          [(1 - share, without), (share, with_xtc)], seed=3, **xtc)
# If the filter refuses a token, the chain chooses again from masked logits. It
# then keeps the best 8 of the tokens that the filter allows.
allowed = list(range(0, 20, 2))
top_k = dict(topK=8)
free = distribution_of(logits, **top_k)
kept = {i: x for i, x in free.items() if i in allowed}
masked = [l if i in allowed else -INF for i, l in enumerate(logits)]
add_draws("a filter with top-k", logits,
          [(1, kept), (1 - sum(kept.values()), distribution_of(masked, **top_k))],
          allowed=allowed, seed=4, **top_k)
mirostat = dict(mirostat=2, mirostatTau=2.0, mirostatEta=0.0)
add_draws("Mirostat 2 that does not learn", logits,
          [(1, distribution_of(logits, **mirostat))], seed=5, **mirostat)

write("cases.json", cases)
write("draws.json", draws)
write("large.json", large)
print(len(cases), "cases")
