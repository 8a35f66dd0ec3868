"""Properties of images that decide how well faces are recognised: how colourful, sharp and bright they are."""

import cv2
import numpy as np


def measure_images(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Properties of images (n, height, width, 3) uint8, each (n,) float64, in levels of 255.

    ``colour``: mean over the pixels of the largest minus the smallest channel, 0 for a grey image. ``sharpness``:
    standard deviation of the Laplacian (the four neighbours minus four times the pixel) of the mean of the channels,
    low for a blurred image. ``brightness``: mean level.
    """
    rows = np.array([_measure(image) for image in pixels], np.float64).reshape(-1, 3)
    return dict(zip(("colour", "sharpness", "brightness"), rows.T, strict=True))


def _measure(image):
    grey = image.mean(axis=2, dtype=np.float32)
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)[1:-1, 1:-1]  # without the edge, where neighbours are missing
    return np.ptp(image, axis=2).mean(), laplacian.std(dtype=np.float64), grey.mean(dtype=np.float64)
