"""Both images of a verdict: the photographs with the faces in them, and the faces as the network sees them."""

import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from facelib.data.images import decode_whole
from facelib.show.lettering import figure_text
from facelib.show.plots import COLOURS, STYLE

LONGEST = 900  # pixels, the longer side of a photograph that is drawn


def draw_verdict(images, seen, verdict) -> bytes:
    """A PNG of two images and the answer for them, the same bytes on every run.

    Args:
        images: two paths, or pixels (112, 112, 3) uint8. seen: what the network sees of each, see `look.Seen`.
        verdict: see `verify.Verdict`.

    Raises:
        UnreadableImageError: an image cannot be read.
    """
    content = io.BytesIO()
    with plt.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(2, 2, figsize=(8, 8), width_ratios=(2, 1))
        try:
            for image, one, (photograph, face) in zip(images, seen, axes, strict=True):
                _draw_photograph(photograph, image, one)
                face.imshow(one.pixels)
                face.set_title("as the network sees it")
                face.set_axis_off()
            figure.suptitle(describe_verdict(verdict), color=COLOURS["matched" if verdict.same else "validation"])
            figure.savefig(content, format="png", metadata={"Software": None, "Description": describe_verdict(verdict)})
        finally:
            plt.close(figure)
    return content.getvalue()


def describe_verdict(verdict) -> str:
    """The answer of a `verify.Verdict` with score, threshold and false accept rate, in two lines."""
    what = "the same person" if verdict.same else "different people"
    aim = f"a false accept rate of {verdict.far}" if verdict.far else "the best accuracy"
    return (
        f"{what}: score {verdict.score:.4f}, threshold {verdict.threshold:.4f}\n"
        f"chosen for {aim}; it accepts {verdict.validation_far:.2%} of pairs of two people held out"
    )


def _draw_photograph(axes, image, seen):
    pixels = image if isinstance(image, np.ndarray) else decode_whole(image)
    height, width = pixels.shape[:2]
    shown = Image.fromarray(pixels)
    shown.thumbnail((LONGEST, LONGEST))
    axes.imshow(shown, extent=(-0.5, width - 0.5, height - 0.5, -0.5))  # places stay those of the photograph
    if seen.crop:
        left, top, side = seen.crop
        _draw_box(axes, (left - 0.5, top - 0.5, side, side), "validation", 2)
    for number, face in enumerate(seen.faces, 1):
        taken = number == seen.number
        colour = "validation" if taken else "neutral"
        _draw_box(axes, face.box, colour, 2 if taken else 1)
        axes.scatter(*face.landmarks.T, s=10, color=COLOURS["circle"] if taken else COLOURS[colour])
        if len(seen.faces) > 1:
            axes.annotate(str(number), face.box[:2], color="white", backgroundcolor=COLOURS[colour], fontsize=8)
    name = "pixels" if isinstance(image, np.ndarray) else figure_text(image.name)
    axes.set_title(f"{name} ({width}x{height})", fontsize=9)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=(), yticks=())


def _draw_box(axes, box, colour, width):
    left, top, *size = box
    axes.add_patch(plt.Rectangle((left, top), *size, fill=False, color=COLOURS[colour], lw=width))
