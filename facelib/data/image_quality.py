"""Properties of images that decide how well faces are recognised: how colourful, sharp and bright they are."""

import numpy as np

BLOCK = 256  # images that are float32 in memory at once


def measure_images(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Properties of images (n, height, width, 3) uint8, each (n,) float64, in levels of 255.

    ``colour``: mean over the pixels of the largest minus the smallest channel, 0 for a grey image. ``sharpness``:
    standard deviation of the Laplacian (the four neighbours minus four times the pixel) of the mean of the channels,
    low for a blurred image. ``brightness``: mean level.
    """
    found = [np.zeros((3, 0))]
    for start in range(0, len(pixels), BLOCK):
        images = pixels[start : start + BLOCK].astype(np.float32)
        grey = images.mean(axis=3)
        laplacian = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        laplacian -= 4 * grey[:, 1:-1, 1:-1]
        colour = (images.max(axis=3) - images.min(axis=3)).mean(axis=(1, 2), dtype=np.float64)
        sharpness = laplacian.std(axis=(1, 2), dtype=np.float64)
        found.append(np.stack([colour, sharpness, grey.mean(axis=(1, 2), dtype=np.float64)]))
    return dict(zip(("colour", "sharpness", "brightness"), np.concatenate(found, axis=1), strict=True))
