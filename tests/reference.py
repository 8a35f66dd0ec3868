"""Slow twins of facelib's vectorised functions: plain loops in float64, written from the definitions."""

import math

import numpy as np


def similarity(x1, x2):
    """s = (<x1, x2> + 1) / 2."""
    return (sum(float(u) * float(v) for u, v in zip(x1, x2, strict=True)) + 1) / 2


def similarity_matrix(embeddings):
    return np.array([[similarity(x1, x2) for x2 in embeddings] for x1 in embeddings])


def squared_distance(x1, x2):
    return sum((float(u) - float(v)) ** 2 for u, v in zip(x1, x2, strict=True))


def is_positive(labels, sources, a, p):
    """An image is no positive of itself, nor of another draw of the same file."""
    return a != p and labels[a] == labels[p] and (sources is None or sources[a] != sources[p])


def is_negative(labels, a, n):
    return labels[a] != labels[n]


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def circle_terms(s_p, s_n, m):
    """alpha_p, alpha_n and both products of weight and distance to the optimum (Sun et al. 2020, eq. 4 to 8)."""
    alpha_p, alpha_n = max(0.0, 1 + m - s_p), max(0.0, s_n + m)
    delta_p, delta_n = 1 - m, m
    return alpha_p, alpha_n, alpha_p * (s_p - delta_p), alpha_n * (s_n - delta_n)


def circle_loss(anchors, positives, negatives, m, gamma):
    """Mean of (1/gamma) log(1 + exp(gamma (alpha_n (s_n - Delta_n) - alpha_p (s_p - Delta_p))))."""
    losses = []
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        _, _, term_p, term_n = circle_terms(similarity(a, p), similarity(a, n), m)
        losses.append(softplus(gamma * (term_n - term_p)) / gamma)
    return sum(losses) / len(losses)


def circle_loss_gradients(anchors, positives, negatives, m, gamma):
    """Gradients of `circle_loss` with alpha held constant (Sun et al. 2020, eq. 9 and 10).

    With z = gamma (alpha_n (s_n - Delta_n) - alpha_p (s_p - Delta_p)) and w = 1 / (1 + exp(-z)):
    dL/ds_n = w alpha_n, dL/ds_p = -w alpha_p, ds_p/da = p / 2, ds_p/dp = a / 2, and so for n.
    """
    anchors, positives, negatives = (np.asarray(x, np.float64) for x in (anchors, positives, negatives))
    gradients = [np.zeros_like(anchors) for _ in range(3)]
    for i, (a, p, n) in enumerate(zip(anchors, positives, negatives, strict=True)):
        alpha_p, alpha_n, term_p, term_n = circle_terms(similarity(a, p), similarity(a, n), m)
        z = gamma * (term_n - term_p)
        w = 1 / (1 + math.exp(-z)) if z > -700 else 0.0
        by_s_p, by_s_n = -w * alpha_p / len(anchors), w * alpha_n / len(anchors)
        gradients[0][i] = (by_s_p * p + by_s_n * n) / 2
        gradients[1][i] = by_s_p * a / 2
        gradients[2][i] = by_s_n * a / 2
    return gradients


def triplet_loss(anchors, positives, negatives, m):
    """Mean of max(0, d2(a, p) - d2(a, n) + m)."""
    losses = [
        max(0.0, squared_distance(a, p) - squared_distance(a, n) + m)
        for a, p, n in zip(anchors, positives, negatives, strict=True)
    ]
    return sum(losses) / len(losses)


def multi_circle_loss(s_p, s_n, m, gamma, weights_s_p=None, weights_s_n=None):
    """(1/gamma) log(1 + sum over p and n of exp(gamma (alpha_n (s_n - Delta_n) - alpha_p (s_p - Delta_p)))).

    `weights_s_p` and `weights_s_n` are the similarities that alpha is taken from, where it is held constant.
    """
    terms = [0.0]
    for similarity_p, weight_p in zip(s_p, s_p if weights_s_p is None else weights_s_p, strict=True):
        for similarity_n, weight_n in zip(s_n, s_n if weights_s_n is None else weights_s_n, strict=True):
            alpha_p, alpha_n, _, _ = circle_terms(weight_p, weight_n, m)
            terms.append(gamma * (alpha_n * (similarity_n - m) - alpha_p * (similarity_p - (1 - m))))
    return float(np.logaddexp.reduce(terms)) / gamma


def all_pairs_circle_loss(labels, embeddings, m, gamma, sources=None, weights_from=None):
    """Mean over the anchors with a positive and a negative; alpha from `weights_from` (n, d), where it is constant."""
    losses = []
    cosines = 2 * similarity_matrix(embeddings) - 1
    weights = cosines if weights_from is None else 2 * similarity_matrix(weights_from) - 1
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if is_positive(labels, sources, a, p)]
        negatives = [n for n in range(len(labels)) if is_negative(labels, a, n)]
        if positives and negatives:
            s_p, s_n = cosines[a, positives], cosines[a, negatives]
            losses.append(multi_circle_loss(s_p, s_n, m, gamma, weights[a, positives], weights[a, negatives]))
    return sum(losses) / max(len(losses), 1)


def class_circle_loss(labels, embeddings, proxies, m, gamma, weights_from=None):
    """Mean over the batch, the own proxy positive and all others negative; `weights_from` is (embeddings, proxies)."""

    def cosines(embeddings, proxies):
        proxies = [np.asarray(w, np.float64) / np.linalg.norm(np.asarray(w, np.float64)) for w in proxies]
        return np.array([[2 * similarity(x, w) - 1 for w in proxies] for x in embeddings])

    s = cosines(embeddings, proxies)
    weights = s if weights_from is None else cosines(*weights_from)
    losses = []
    for i, label in enumerate(labels):
        others = [c for c in range(len(proxies)) if c != label]
        losses.append(multi_circle_loss(s[i, [label]], s[i, others], m, gamma, weights[i, [label]], weights[i, others]))
    return sum(losses) / len(losses)


def triplets(labels, similarities, method, margin, sources=None):
    """The set of (a, p, n) that a method chooses, by a triple loop over float32 similarities, ties to the lowest n.

    "mistaken" is what the reference system did: the most similar negative above the positive, else index 0.
    """
    chosen = set()
    for a in range(len(labels)):
        for p in range(len(labels)):
            if not is_positive(labels, sources, a, p):
                continue
            best = None
            for n in range(len(labels)):
                if not is_negative(labels, a, n):
                    continue
                s_p, s_n = float(similarities[a, p]), float(similarities[a, n])
                if method == "all":
                    chosen.add((a, p, n))
                elif method == "hard" or (s_n > s_p if method == "mistaken" else s_p - margin < s_n < s_p):
                    best = n if best is None or s_n > float(similarities[a, best]) else best
            if method == "mistaken" and best is None:
                best = 0
            if best is not None:
                chosen.add((a, p, best))
    return chosen


def spread(embeddings):
    """Standard deviation of each coordinate about its mean, mean over the coordinates, times the root of d."""
    n, d = len(embeddings), len(embeddings[0])
    deviations = []
    for i in range(d):
        mean = sum(float(x[i]) for x in embeddings) / n
        deviations.append(math.sqrt(sum((float(x[i]) - mean) ** 2 for x in embeddings) / n))
    return sum(deviations) / d * math.sqrt(d)


def slope(function, point, step=1e-6):
    """Gradient of a scalar function of an array, by central differences."""
    point = np.asarray(point, np.float64)
    gradient = np.zeros_like(point)
    for place in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient


def warm_cosine(step, steps, warmup, peak):
    """A rate that rises in a line from peak / 100 to peak, then falls along half a cosine to peak / 100."""
    if step < warmup:
        return peak / 100 + (peak - peak / 100) * step / warmup
    share = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
