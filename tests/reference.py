"""Slow twins of facelib's vectorised functions: plain loops in float64, written from the definitions."""

import itertools
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


def all_pairs_circle_loss(labels, embeddings, m, gamma, sources=None, memory=None, weights_from=None):
    """Mean over the anchors with a positive and a negative; alpha from `weights_from` (n, d), where it is constant.

    memory: labels, embeddings and sources of images that are partners of the anchors, and no anchors themselves; those
    with a label below 0 are not there.
    """
    others, remembered, files = memory or ([], [], [])
    labels_of, files_of = [*labels, *others], None if sources is None else [*sources, *files]
    given, weights = [*embeddings, *remembered], [*(embeddings if weights_from is None else weights_from), *remembered]
    there = [b for b in range(len(given)) if labels_of[b] >= 0]
    losses = []
    for a in range(len(labels)):
        positives = [b for b in there if is_positive(labels_of, files_of, a, b)]
        negatives = [b for b in there if is_negative(labels_of, a, b)]
        if positives and negatives:
            cosines = [[2 * similarity(x[a], x[b]) - 1 for b in places] for x in (given, weights)
                       for places in (positives, negatives)]  # fmt: skip
            losses.append(multi_circle_loss(cosines[0], cosines[1], m, gamma, cosines[2], cosines[3]))
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


def embedding_deviation(embeddings):
    """Standard deviation of each coordinate about its mean, mean over the coordinates, times the root of d."""
    n, d = len(embeddings), len(embeddings[0])
    deviations = []
    for i in range(d):
        mean = sum(float(x[i]) for x in embeddings) / n
        deviations.append(math.sqrt(sum((float(x[i]) - mean) ** 2 for x in embeddings) / n))
    return sum(deviations) / d * math.sqrt(d)


def reduced(image, size):
    """A square image (n, n), each pixel the mean of those within a triangle as wide as the reduction."""
    n = len(image)
    scale = n / size
    if size == n:
        return np.asarray(image, np.float64)
    weights = np.zeros((size, n))
    for i in range(size):
        for j in range(n):
            weights[i, j] = max(0.0, 1 - abs((j + 0.5) - (i + 0.5) * scale) / scale)
        weights[i] /= sum(weights[i])
    return weights @ np.asarray(image, np.float64) @ weights.T


def uniform_bins():
    """The bin of each 8-bit pattern: its rank among those with at most two changes around the circle, or 58."""
    bins, rank = [], 0
    for pattern in range(256):
        bits = [pattern >> place & 1 for place in range(8)]
        if sum(bits[place] != bits[(place + 1) % 8] for place in range(8)) <= 2:
            bins.append(rank)
            rank += 1
        else:
            bins.append(58)
    return bins


def pattern_features(image, radius, offset, cell=10):
    """Roots of the shares of the 59 patterns in each cell, rows of cells from the top left, `offset` pixels in.

    Bit by bit, clockwise from the upper left: is the pixel `radius` rows and columns away at least as bright?
    """
    n, bins, features = len(image), uniform_bins(), []
    compass = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    cells = (n - offset - 2 * radius) // cell
    for cell_row in range(cells):
        for cell_column in range(cells):
            counts = [0] * 59
            for y in range(cell):
                for x in range(cell):
                    row, column = (offset + radius + cell * c + z for c, z in ((cell_row, y), (cell_column, x)))
                    centre, pattern = image[row][column], 0
                    for place, (down, across) in enumerate(compass):
                        pattern |= (image[row + radius * down][column + radius * across] >= centre - 1e-3) << place
                    counts[bins[pattern]] += 1
            features += [math.sqrt(count / cell**2) for count in counts]
    return features


def cosine_features(image, width, cell=7):
    """Roots of the shares of the 256 codes in each cell, rows of cells from the top left.

    Bit by bit: is the sum of a patch around the pixel, weighed by a wave with so many halves down and across, above 0?
    The patch is taken in quarters of a level, the wave in eighths, its middle such that a flat patch gives 0.
    """
    n = len(image)
    halves = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))
    waves = [
        [round(8 * math.cos(math.pi * half * (place + 0.5) / width)) for place in range(width)] for half in range(3)
    ]
    for wave in waves[1:]:
        wave[width // 2] -= sum(wave)
    quarters, features = np.floor(np.asarray(image, np.float64) * 4 + 0.6), []
    cells = (n - width + 1) // cell
    for top in range(0, cells * cell, cell):
        for left in range(0, cells * cell, cell):
            counts = [0] * 256
            for row in range(top, top + cell):
                for column in range(left, left + cell):
                    patch = quarters[row : row + width, column : column + width]
                    sums = [np.array(waves[down]) @ patch @ np.array(waves[across]) for down, across in halves]
                    counts[sum((total > 0) << bit for bit, total in enumerate(sums))] += 1
            features += [math.sqrt(count / cell**2) for count in counts]
    return features


def gradient_features(image, cell, orientations=18):
    """Roots of the gradients' sizes by direction in 2x2 cells, each four divided by their norm (plus cell^2 / 1000)."""
    n = len(image)
    cells = n // cell
    sums = np.zeros((cells, cells, orientations))
    for row in range(cells * cell):
        for column in range(cells * cell):
            down = image[min(row + 1, n - 1)][column] - image[max(row - 1, 0)][column]
            across = image[row][min(column + 1, n - 1)] - image[row][max(column - 1, 0)]
            turn = math.atan2(down, across) / (2 * math.pi)
            direction = math.floor(turn * orientations + 0.125) % orientations
            size = math.hypot(down, across)
            sums[row // cell, column // cell, direction] += size if size >= 1e-3 else 0
    features = []
    for row in range(cells - 1):
        for column in range(cells - 1):
            block = [x for c in (0, 1) for r in (0, 1) for x in sums[row + r, column + c]]
            norm = math.sqrt(sum(x * x for x in block)) + cell**2 / 1000
            features += [math.sqrt(x / norm) for x in block]
    return features


def texture_features(image, patterns, cosines, gradients, colours):
    """All blocks of an image (n, n, 3); the other arguments are the settings of each block."""
    red, green, blue = np.moveaxis(np.asarray(image, np.float64), 2, 0)
    channels = ((red + green + blue) / 3, red - green, (red + green) / 2 - blue)
    blocks = [pattern_features(reduced(channels[c], size), radius, offset) for c, size, radius, offset in patterns]
    blocks += [cosine_features(reduced(channels[0], size), width) for size, width in cosines]
    blocks += [gradient_features(reduced(channels[0], size), cell) for size, cell in gradients]
    blocks += [reduced(channels[c], size).ravel() for c, size in colours]
    return blocks


def look_up(image, x, y):
    """What a square image shows at (x, y), -1 and 1 at its edges: bilinear, beyond an edge as on the edge."""
    n = len(image)
    column, row = (min(max((place + 1) * n / 2 - 0.5, 0.0), n - 1.0) for place in (x, y))
    left, top = min(int(column), n - 2), min(int(row), n - 2)
    right, below = column - left, row - top
    upper = (1 - right) * image[top, left] + right * image[top, left + 1]
    lower = (1 - right) * image[top + 1, left] + right * image[top + 1, left + 1]
    return (1 - below) * upper + below * lower


def motion(parameters):
    """The similarity transform (a, b, u, v) as a matrix on (x, y, 1)."""
    a, b, u, v = parameters
    return np.array([[1 + a, -b, u], [b, 1 + a, v], [0, 0, 1]])


def moved(image, parameters):
    """A square image, each pixel taken from where `motion` says."""
    n = len(image)
    centres = [(2 * i + 1) / n - 1 for i in range(n)]
    return np.array([[look_up(image, *(motion(parameters) @ (x, y, 1))[:2]) for x in centres] for y in centres])


def find_face(image, face, inside, steps, prior, likeness, most):
    """Parameters with which the pixels `inside` of a square image look like those of `face`, one step after another.

    A step minimises |gain * seen - expected - J d|^2 plus the prior, J being what the expected face changes by, and
    the gain that with which what is seen differs at right angles to the face, where their correlation is not low; the
    face is moved by the step, so that the image is moved by its inverse (Baker & Matthews 2004, sec. 3.2).
    """
    n = len(face)
    points = [((2 * i + 1) / n - 1, (2 * j + 1) / n - 1) for j in range(n) for i in range(n)]
    points = [points[place] for place in inside]
    expected = face.ravel()[inside] - face.ravel()[inside].mean()
    down, across = (slope.ravel()[inside] * n / 2 for slope in np.gradient(face))
    jacobian = np.array(
        [(g * x + h * y, h * x - g * y, g, h) for (x, y), g, h in zip(points, across, down, strict=True)]
    )
    jacobian -= jacobian.mean(axis=0)
    hessian = jacobian.T @ jacobian
    pull = prior * np.trace(hessian) / 4 * np.eye(4)
    parameters = np.zeros(4)
    for _ in range(steps):
        seen = np.array([look_up(image, *(motion(parameters) @ (x, y, 1))[:2]) for x, y in points])
        seen -= seen.mean()
        lengths = math.sqrt(seen @ seen + 1), math.sqrt(expected @ expected)
        correlation = seen @ expected / (lengths[0] * lengths[1])
        gain = lengths[1] / lengths[0] / max(correlation, likeness)
        differs = gain * seen - expected if correlation > 0.01 else 0 * seen
        step = np.linalg.solve(hessian + pull, jacobian.T @ differs + pull @ parameters)
        matrix = motion(parameters) @ np.linalg.inv(motion(step))
        parameters = np.clip([matrix[0, 0] - 1, matrix[1, 0], matrix[0, 2], matrix[1, 2]], -most, most)
    return parameters


def scatter_within(points, labels):
    """Covariance of the points about the mean of their label, by a loop over the points."""
    scatter, labels = np.zeros((len(points[0]), len(points[0]))), list(labels)
    for point, label in zip(points, labels, strict=True):
        mean = np.mean([other for other, its in zip(points, labels, strict=True) if its == label], axis=0)
        scatter += np.outer(point - mean, point - mean)
    return scatter / (len(labels) - len(set(labels)))


def discriminant(features, labels, block_sizes, dimensions, components, shrinkage, copies=()):
    """Fisher's linear discriminant after principal components, each step as it is defined.

    Returns the mean, the scales of the features, the principal components (F, dimensions), the regularised scatter
    within identities in their space, and the directions (dimensions, components) there: S_t w = value S_w w.
    """
    x = np.asarray(features, np.float64)
    mean, scales = x.mean(axis=0), []
    for size in block_sizes:
        block = x[:, len(scales) : len(scales) + size]
        scales += [1 / math.sqrt(sum(block.var(axis=0)))] * size
    basis = np.linalg.svd((x - mean) * scales, full_matrices=False)[2][:dimensions].T
    points = np.concatenate([((np.asarray(y, np.float64) - mean) * scales) @ basis for y in (x, *copies)])
    within = scatter_within(points, list(labels) * (1 + len(copies)))
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eig(np.linalg.solve(within, scatter_within(points, [0] * len(points))))
    directions = vectors.real[:, np.argsort(-values.real)[:components]]
    directions /= np.sqrt(np.diag(directions.T @ within @ directions))  # unit variance within identities
    return mean, np.array(scales), basis, within, directions


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


def rareness(embeddings, strangers, neighbours):
    """1 minus the mean scaled similarity to the nearest strangers, one face at a time."""
    result = []
    for x in np.asarray(embeddings, np.float64):
        similarities = sorted(((x @ y + 1) / 2 for y in np.asarray(strangers, np.float64)), reverse=True)
        result.append(1 - sum(similarities[:neighbours]) / len(similarities[:neighbours]))
    return np.array(result)


def tar_at_far(scores, matched, far):
    """(TAR, FAR) of the highest TAR with FAR <= far, by trying all thresholds; None with fewer than 1 / far pairs."""
    mismatched = int((~matched).sum())
    if 1 / mismatched > far:
        return None
    points = []
    for threshold in [*scores, np.inf]:
        accepted = [s >= threshold for s in scores]
        found = sum(a and not m for a, m in zip(accepted, matched, strict=True)) / mismatched
        tar = sum(a and m for a, m in zip(accepted, matched, strict=True)) / sum(matched)
        if found <= far:
            points.append((tar, -found))
    tar, found = max(points)
    return tar, -found


def dyadic_sum(influences, people):
    """Sum of u_k u_l over all pairs k, l that have a person in common; at least the sum of u_k^2."""
    sets = [set(pair) for pair in people]
    n = len(sets)
    total = sum(influences[k] * influences[j] for k in range(n) for j in range(n) if sets[k] & sets[j])
    return max(total, sum(u * u for u in influences))


def share_influences(chosen, kind):
    """(c - share) / n for the n pairs of the kind, 0 for others, where share is their mean of c."""
    n = sum(kind)
    share = sum(c for c, k in zip(chosen, kind, strict=True) if k) / n
    return [(c - share) / n if k else 0.0 for c, k in zip(chosen, kind, strict=True)]


def independent_difference(first, second):
    """Newcombe's method 10 for two (value, standard error, lower, upper): value, standard error, lower, upper."""
    (p, error, low, high), (q, its_error, its_low, its_high) = first, second
    lower = (p - q) - math.sqrt((p - low) ** 2 + (its_high - q) ** 2)
    upper = (p - q) + math.sqrt((high - p) ** 2 + (q - its_low) ** 2)
    return p - q, math.sqrt(error**2 + its_error**2), lower, upper


def placement_influences(scores, matched):
    """(placement - area) / n of its kind: the share of the other kind's pairs in the right order with it, ties half."""
    result = []
    for score, same in zip(scores, matched, strict=True):
        others = [s if same else -s for s, m in zip(scores, matched, strict=True) if m != same]
        own = score if same else -score
        result.append(sum((own > s) + 0.5 * (own == s) for s in others) / len(others))
    area = sum(v for v, m in zip(result, matched, strict=True) if m) / sum(matched)
    counts = [sum(m == same for m in matched) for same in matched]
    return [(v - area) / n for v, n in zip(result, counts, strict=True)]


def cross_validated(scores, matched, folds):
    """Accuracy of each fold at the lowest of the best thresholds of the others, mean, and sigma / sqrt(folds)."""
    accuracies = []
    for number in sorted(set(folds)):
        others, own = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        values = sorted(set(scores[others]))
        edges = [(a + b) / 2 for a, b in zip(values, values[1:], strict=False)]
        edges = [np.nextafter(values[0], -np.inf), *edges, np.nextafter(values[-1], np.inf)]
        right = [sum((scores[k] >= t) == matched[k] for k in others) for t in edges]
        threshold = edges[right.index(max(right))]
        accuracies.append(sum((scores[k] >= threshold) == matched[k] for k in own) / len(own))
    mean = sum(accuracies) / len(accuracies)
    squares = sum((a - mean) ** 2 for a in accuracies)
    k = len(accuracies)
    return accuracies, mean, math.sqrt(squares / (k - 1) / k), math.sqrt(squares / k)


def folds_in_order(pairs, folds):
    """Which pairs are in each of `folds` runs of neighbours; the first pairs % folds runs have one more."""
    start = 0
    for fold in range(folds):
        end = start + pairs // folds + (fold < pairs % folds)
        yield np.array([start <= k < end for k in range(pairs)])
        start = end


def peers_accuracies(distances, matched, folds=10):
    """Accuracy of each fold by the rule of facenet and insightface (`calculate_roc`).

    Where it differs from `lfw_protocol.cross_validate`: folds are runs of neighbours in the list, whatever its header
    says; thresholds are 0, 0.01, ..., 3.99 of the squared distance 2 - 2 cos = 4 (1 - s), not between the scores; a
    pair is accepted where its distance is *below* the threshold; among equals it is the lowest distance, the highest
    score. They print the mean and the standard deviation of the folds: for ten, 3 times the standard error.
    """
    grid, accuracies = np.arange(0, 4, 0.01), []
    for own in folds_in_order(len(matched), folds):
        right = [np.mean((distances[~own] < t) == matched[~own]) for t in grid]
        accuracies.append(np.mean((distances[own] < grid[right.index(max(right))]) == matched[own]))
    return np.array(accuracies)


def peers_tar_at_far(distances, matched, far, folds=10):
    """Mean TAR and FAR over the folds by the rule of facenet and insightface (`calculate_val`).

    Where it differs from `metrics.operating_point`: the threshold is interpolated between points of a grid of 0.001, on
    the other folds, so that the FAR is not kept to; it names a figure for a rate below one pair. The FAR is 0 all
    along the start of the grid; SciPy 1.17 refuses their interpolation over such points ("Expect x to not have
    duplicates"), so here it goes from the last point below the rate to the first that reaches it.
    """
    grid, points = np.arange(0, 4, 0.001), []
    for own in folds_in_order(len(matched), folds):
        others = np.sort(distances[~own & ~matched])
        fars = np.searchsorted(others, grid, "left") / len(others)
        threshold = 0.0
        if fars.max() >= far:
            k = int(np.argmax(fars >= far))
            threshold = grid[k - 1] + (far - fars[k - 1]) / (fars[k] - fars[k - 1]) * (grid[k] - grid[k - 1])
        points.append([np.mean(distances[own & kind] < threshold) for kind in (matched, ~matched)])
    return tuple(np.mean(points, axis=0))


def scale_square(image, left, top, side, size):
    """Pixel by pixel: the mean of a triangle of weights around each new pixel's middle, as wide as two new pixels.

    What lies outside of the square, but inside of the image, counts as well.
    """
    image = np.asarray(image, np.float64)
    step = side / size
    width = max(step, 1.0)

    def weights(first, place, length):
        middle = first + (place + 0.5) * step
        inside = range(max(0, math.floor(middle - width)), min(length, math.ceil(middle + width)))
        found = {old: max(0.0, 1 - abs(old + 0.5 - middle) / width) for old in inside}
        total = sum(found.values())
        return {old: weight / total for old, weight in found.items()}

    across = [weights(left, place, image.shape[1]) for place in range(size)]
    down = [weights(top, place, image.shape[0]) for place in range(size)]
    return np.array(
        [[sum(v * w * image[y, x] for y, v in ys.items() for x, w in xs.items()) for xs in across] for ys in down]
    )


def pearson(first, second):
    """Covariance over the product of the standard deviations, in float64."""
    pairs = [(float(a), float(b)) for a, b in zip(np.ravel(first), np.ravel(second), strict=True)]
    means = [sum(values) / len(pairs) for values in zip(*pairs, strict=True)]
    products = [((a - means[0]) * (b - means[1]), (a - means[0]) ** 2, (b - means[1]) ** 2) for a, b in pairs]
    covariance, *squares = (sum(column) for column in zip(*products, strict=True))
    return covariance / math.sqrt(squares[0] * squares[1])


def differences(image, gap):
    """How much lighter each pixel is than that `gap` above it, then than that `gap` to its left; rows of a list."""
    height, width = np.shape(image)
    above = [image[y][x] - image[y - gap][x] for y in range(gap, height) for x in range(gap, width)]
    left = [image[y][x] - image[y][x - gap] for y in range(gap, height) for x in range(gap, width)]
    return above + left


def resolve(labels, contents):
    """See `duplicates.resolve`: which rows stay, repeats, merged identities, contradictions, all as lists."""
    n = len(labels)
    sets = {label: {contents[i] for i in range(n) if labels[i] == label} for label in labels}
    repeated = []
    for i in range(n):
        first = min(j for j in range(n) if (labels[j], contents[j]) == (labels[i], contents[i]))
        if first != i:
            repeated.append([i, first])
    merged = []
    for label in sorted(sets):
        larger = [b for b in sets if sets[b] > sets[label] or (sets[b] == sets[label] and b < label)]
        if larger:
            merged.append([label, min(larger, key=lambda b: (-len(sets[b]), b))])
    gone = {label for label, _ in merged}
    holders = {c: [label for label in sets if label not in gone and c in sets[label]] for c in contents}
    contradicted = {c for c in holders if len(holders[c]) > 1}
    contradictions = sorted([i for i in range(n) if contents[i] == c] for c in contradicted)
    repeats = {i for i, _ in repeated}
    kept = [i not in repeats and labels[i] not in gone and contents[i] not in contradicted for i in range(n)]
    return kept, repeated, merged, contradictions


def permuted(n, keys):
    """All of a keyed permutation of [0, n): a Feistel network with the SplitMix64 hash, in whole Python numbers."""

    def mixed(z):
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    side = next(side for side in itertools.count(2, 2) if side**2 >= n)
    order = []
    for value in range(n):
        while True:
            left, right = divmod(value, side)
            for key in keys:
                left, right = right, (left + (mixed((right + int(key)) % 2**64) >> 1)) % side
            value = left * side + right
            if value < n:
                break
        order.append(value)
    return order


def identities_in_passes(permutation, n, size, passes):
    """Numbers (passes * n,) below n, one whole pass after the other; `sampler.permute` gives the raw order of a pass.

    Batches take `size` <= n / 2 at a time. Where a pass begins inside a batch, those of its first `size` numbers which
    this batch holds already, from the end of the pass before, are put behind the others of the first `size`.
    """
    drawn = []
    for number in range(passes):
        order = list(permutation(number))
        begun = drawn[len(drawn) // size * size :]
        first = order[:size]
        drawn += [x for x in first if x not in begun] + [x for x in first if x in begun] + order[size:]
    return drawn


def validation_pairs(labels, images_limit, seed):
    """Pairs (matched, mismatched) as lists, drawn one by one."""
    generator = np.random.default_rng((seed, 5))
    groups = [np.flatnonzero(labels == label) for label in range(max(labels, default=-1) + 1)]
    groups = [sorted(generator.permutation(group)[:images_limit].tolist()) for group in groups]
    matched = [pair for group in groups for pair in itertools.combinations(group, 2)]
    images = [image for group in groups for image in group]
    possible = math.comb(len(images), 2) - len(matched)
    mismatched = []
    while len(mismatched) < min(len(matched), possible):
        a, b = sorted(generator.choice(images, 2, replace=False).tolist())
        if labels[a] != labels[b] and (a, b) not in mismatched:
            mismatched.append((a, b))
    return matched, mismatched


def matched_quantile(rate, scores, least):
    """The lowest threshold, among the scores and above all of them, that accepts at most the share `rate`."""
    for threshold in [*sorted(float(score) for score in scores), math.inf]:
        accepted = sum(score >= threshold for score in scores)
        if accepted <= rate * len(scores) + 1e-6:
            return threshold if math.floor(rate * len(scores) + 1e-6) >= least else None


def s_norm(score, of_first, of_second):
    """The score in deviations from the mean of what either face scores with the cohort, the mean of both."""
    total = 0.0
    for others in (of_first, of_second):
        others = [float(other) for other in others]
        mean = sum(others) / len(others)
        deviation = math.sqrt(sum((other - mean) ** 2 for other in others) / len(others))
        total += (float(score) - mean) / deviation
    return total / 2
