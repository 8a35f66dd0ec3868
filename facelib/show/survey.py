"""What a whole set of images looks like: colour, brightness and mean, in one pass that fits into memory."""

from typing import NamedTuple

import numpy as np

CHUNK = 4096  # images that are read at once


class Survey(NamedTuple):
    """Colour and brightness of images, and their mean, in levels of 255."""

    colour: np.ndarray  # (n,) float64, largest minus smallest channel, mean over every fourth row and column
    brightness: np.ndarray  # (n,) float64, mean over pixels and channels
    mean: np.ndarray  # (height, width, 3) float64, the mean image


def survey(pixels) -> Survey:
    """Look at images (n, height, width, 3) uint8, n at least 1; may be memory-mapped."""
    colour, brightness, total = [], [], 0
    for start in range(0, len(pixels), CHUNK):
        chunk = pixels[start : start + CHUNK]
        red, green, blue = np.moveaxis(chunk[:, ::4, ::4], 3, 0)
        largest, smallest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        colour.append((largest - smallest).mean(axis=(1, 2)))
        brightness.append(chunk.mean(axis=(1, 2, 3)))
        total = total + chunk.sum(axis=0, dtype=np.int64)
    return Survey(np.concatenate(colour), np.concatenate(brightness), total / len(pixels))
