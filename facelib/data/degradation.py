"""The same faces in worse photographs: what a threshold that was chosen on good ones meets in use."""

import cv2
import numpy as np

from facelib.data.images import SIZE


def _blur(image):
    return cv2.GaussianBlur(image, (0, 0), 2.0)  # standard deviation in pixels


def _darken(image):
    return cv2.convertScaleAbs(image, alpha=0.35)  # whole levels: what was dark is lost


def _shrink(image):
    small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


def _compress(image):
    content = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])[1]  # OpenCV has blue first
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[:, :, ::-1]


CHANGES = {"blurred": _blur, "darker": _darken, "smaller": _shrink, "compressed": _compress}


def degrade(pixels: np.ndarray, change: str) -> np.ndarray:
    """Images changed in one of the ways of CHANGES; `pixels` and the result are (n, 112, 112, 3) uint8.

    ``blurred``: by a Gaussian of 2 pixels. ``darker``: 35 % of the light. ``smaller``: as if the face had 24 pixels a
    side. ``compressed``: saved as a JPEG file of quality 10.
    """
    return np.stack([CHANGES[change](image) for image in pixels])
