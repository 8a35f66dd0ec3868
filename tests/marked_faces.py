"""Photographs whose faces are five coloured discs, and a detector that finds them: no picture of a real person."""

import cv2
import numpy as np

PLACES = np.array([[-35, -40], [35, -40], [0, 0], [-30, 40], [30, 40]])  # of the landmarks, from the nose, at size 1
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255]])
RADIUS = 8


def draw_photograph(width, height, *faces, turn=0.0):
    """Pixels (height, width, 3) uint8 with a face for each (x, y, size) of `faces`, turned by an angle in radians."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([90 + columns % 40, 120 + rows % 30, np.full_like(rows, 110)], axis=2).astype(np.uint8)
    for x, y, size in faces:
        for place, colour in zip(mark(x, y, size, turn), COLOURS, strict=True):
            cv2.circle(pixels, np.rint(place * 16).astype(int).tolist(), round(RADIUS * size * 16),
                       colour.tolist(), -1, shift=4)  # fmt: skip
    return pixels


def mark(x, y, size, turn=0.0):
    """The landmarks (5, 2) of a face of `draw_photograph`."""
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.array([x, y]) + size * PLACES @ np.array([[cosine, sine], [-sine, cosine]])


class MarkedFaces:
    """In the place of what `detector.load_detector` gives; the sizes of the images it was shown are in `searched`."""

    def __init__(self):
        self.searched = []

    def detect_faces(self, pixels, **options):
        """Rows as mtcnn gives them, of faces that stand beside each other: number, box, confidence, all x, all y."""
        self.searched.append(pixels.shape[1::-1])
        marks = []
        for colour in COLOURS:
            mask = (np.abs(pixels.astype(int) - colour).max(axis=2) < 90).astype(np.uint8)
            _, _, stats, centres = cv2.connectedComponentsWithStats(mask)
            centres = centres[1:][stats[1:, cv2.CC_STAT_AREA] >= 3]
            marks.append(centres[np.argsort(centres[:, 0])])
        count = min(map(len, marks))
        landmarks = np.stack([mark[:count] for mark in marks], axis=1)  # (faces, 5, 2)
        rows = [[0, *(face.min(axis=0) - 5), *(face.max(axis=0) + 5), 0.99, *face.T.ravel()] for face in landmarks]
        return np.array(rows).reshape(-1, 16)
