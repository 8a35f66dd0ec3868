"""Paint one drawn face: parameters of the person and of the image in, pixels out.

Lengths are pixels of a 250x250 frame. Outlines are complex arrays, x + iy with y down and 0 at the middle of the head.
What the parameters are, and between which ends they vary, is in `drawn.py`.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FRAME = 250
MIDDLE = complex(125, 128)  # of a head that is not shifted, in the frame
OVERSAMPLING = 2
WHITE, GREY, DARK, ROSE = (244, 242, 238), (140, 140, 140), (30, 22, 24), (190, 70, 80)
SKINS = (246, 214, 190), (226, 178, 140), (190, 134, 92), (134, 88, 58), (88, 58, 42)
HAIRS = (26, 22, 24), (48, 34, 28), (84, 54, 36), (120, 74, 42), (162, 80, 40), (216, 176, 106), (160, 156, 154), WHITE
IRISES = (52, 34, 24), (104, 70, 38), (92, 116, 66), (70, 112, 150), (120, 138, 150)


def paint_face(face, photo, size: int = FRAME, square: tuple = (0, 0, FRAME)) -> np.ndarray:
    """The person `face` (what stays) in one `photo` (what changes).

    Args:
        face, photo: a float attribute for each name in `drawn.IDENTITY` and in `drawn.NUISANCES`.
        size: pixels, height and width of the image.
        square: left, top and side of the part of the frame that it shows.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    scene = np.random.default_rng(int(photo.scene_seed))  # backdrop, clothes, glasses, grain
    left, top, side = square
    picture = Image.new("RGB", (OVERSAMPLING * size, OVERSAMPLING * size), _colour(scene))
    pen, pixels = ImageDraw.Draw(picture, "RGBA"), OVERSAMPLING * size / side
    origin = MIDDLE + complex(photo.shift_x - left, photo.shift_y - top)
    turn = complex(photo.yaw * face.head_width, photo.pitch * face.head_height)

    def paint(outline, colour, alpha=255, depth=0.0, line=0.0, mirror=False):
        """Fill `outline`, or draw it `line` wide; depth 0 stays when the head turns, 1 is its skin, more stands out."""
        if mirror:
            paint(-outline.conj(), colour, alpha, depth, line)
        inside = 1 - (outline.real / face.head_width) ** 2 - (outline.imag / face.head_height) ** 2
        points = (outline + depth * turn * np.maximum(inside, 0)) * photo.zoom * np.exp(1j * photo.roll)
        points, fill = ((points + origin) * pixels).view(float).tolist(), (*colour, int(alpha))
        if line:
            pen.line(points, fill, max(1, round(line * pixels)))
        else:
            pen.polygon(points, fill)

    skin, hair = _between(SKINS, face.skin + photo.tan), _between(HAIRS, face.hair + photo.bleach)
    _paint_behind(paint, face, photo, skin, hair, scene)
    _paint_head(paint, face, photo, skin, hair)
    _paint_nose_and_mouth(paint, face, photo, skin, hair)
    _paint_eyes(paint, face, photo, hair)
    _paint_above(paint, face, photo, hair, scene)
    return _photograph(picture.reduce(OVERSAMPLING), photo, size / side, scene)


def _paint_behind(paint, face, photo, skin, hair, scene):
    for _ in range(scene.integers(2, 7)):
        centre, size = complex(*scene.uniform(-130, 130, 2)), scene.uniform(10, 90, 2)
        paint(centre + _oval(*size), _colour(scene), scene.uniform(60, 255))
    x, width, height = np.linspace(-1, 1, 15), face.head_width, face.head_height
    if face.hair_presence > 0.07:
        angle, fall = np.linspace(np.pi, 2 * np.pi, 61), max(face.hair_length * photo.growth, 0) * (photo.tied < 0.7)
        dome = (width + face.hair_side) * np.cos(angle) + 1j * (height + face.hair_top) * np.sin(angle)
        dome *= 1 + max(face.curls, 0) * np.abs(np.sin(7.5 * angle))
        end = complex(width + face.hair_side * (1 + fall / 150), fall)
        paint(np.concatenate([dome, [end, -end.conjugate()]]), hair)
        if face.bun_presence > 0.88:
            paint(-1j * (height + face.hair_top + 4) + _oval(15, 13), hair)
    paint(_band(0.55 * width * x, 0 * x, 0 * x + height + 20), _mix(skin, DARK, 0.2))
    paint(_band(95 * x, height + 14 + 24 * np.abs(x) ** 3, 0 * x + 180), _colour(scene))
    paint(1j * (height + 8) + _oval(0.6 * width, 12), _mix(skin, DARK, 0.1))
    ear = complex(width + 1, face.eye_level + 9)
    paint(ear + _oval(0.6 * face.ear_size, face.ear_size), _mix(skin, DARK, 0.08), mirror=True)
    paint(ear + _oval(0.3 * face.ear_size, 0.6 * face.ear_size), _mix(skin, ROSE, 0.3), mirror=True)


def _paint_head(paint, face, photo, skin, hair):
    x = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 31))
    chin = face.head_height * (1 - np.abs(x) ** face.jaw) ** 0.62
    head = _band(face.head_width * x, -face.head_height * np.sqrt(1 - x**2), chin)
    paint(head, skin)
    shaded = np.where(head.real * photo.shadow < 0, -0.3 * head.real, head.real) + 1j * head.imag  # a crescent
    paint(shaded, DARK, abs(photo.shadow))
    paint(complex(0.55 * face.head_width, 14) + _oval(9, 7), ROSE, face.cheeks, 1, mirror=True)
    freckles = np.random.default_rng(int(face.freckles_seed)).uniform((-28, 2), (28, 18), (25, 2))
    for place in freckles[: max(int(face.freckles), 0)]:
        paint(complex(*place) + _oval(0.9, 0.9, 7), _mix(skin, (140, 70, 30), 0.6), depth=1)
    if face.mole_presence > 0.6:
        paint(complex(face.mole_x, face.mole_y) + _oval(face.mole_size, face.mole_size, 9), (70, 40, 34), depth=1)
    if face.beard_presence > 0.7:
        x = face.beard_width * np.linspace(-1, 1, 21)
        chin = face.head_height * (1 - np.abs(x) ** face.jaw) ** 0.62
        edge = face.mouth_level - 4 + (face.eye_level + 20 - face.mouth_level) * x**4
        edge = np.minimum(edge + (1 - face.beard_width) * 14 * (x / face.beard_width) ** 4, chin)
        chin = chin + face.beard_length * (1 - (x / face.beard_width) ** 2)
        paint(_band(face.head_width * x, edge, chin), _mix(hair, DARK, 0.25), face.beard_opacity, 0.7)


def _paint_nose_and_mouth(paint, face, photo, skin, hair):
    tip, shade = face.nose_length, _mix(skin, DARK, 0.35)
    side = np.array([complex(0, face.eye_level), complex(2, face.eye_level), complex(face.nose_width, tip), 1j * tip])
    paint(side, shade, 60, 1.3, mirror=True)
    paint(1j * tip + _oval(face.nose_width, face.nose_tip), _mix(skin, ROSE, 0.15), depth=1.4)
    nostril = complex(0.5 * face.nose_width, tip + 0.6 * face.nose_tip) + _oval(1.8, 1.2, 9)
    paint(nostril, shade, depth=1.3, mirror=True)
    x = np.linspace(-1, 1, 21)
    wide, arch = face.mouth_width * (1 + 0.15 * photo.smile) * x, 1 - x**2
    rest, gap = face.mouth_level + 5 * photo.smile * (arch - 0.5), 11 * photo.mouth_open**3 * arch
    bow = face.upper_lip * arch * (1 - 0.35 * np.exp(-((x / 0.2) ** 2)))
    lips = _mix(skin, ROSE, face.lip_red)
    paint(_band(wide, rest - bow, rest + gap + face.lower_lip * arch), lips, depth=1)
    paint(_band(wide, rest - 0.4, rest + gap + 0.4), _mix(lips, DARK, 0.75), depth=1)
    paint(_band(0.8 * wide, rest, rest + np.minimum(gap, 3.5)), WHITE, depth=1)
    if face.beard_presence > 0.55 and face.moustache > 0:
        level = face.mouth_level - face.upper_lip - 1 + 3 * x**2
        paint(_band(0.95 * face.mouth_width * x, level - face.moustache * (1.1 - x**2), level), hair, 230, 1)


def _paint_eyes(paint, face, photo, hair):
    x = np.linspace(-1, 1, 15)
    eye, tilt = complex(face.eye_spacing, face.eye_level), np.exp(1j * face.eye_tilt)
    wide, opening = face.eye_width * x, face.eye_height * (1 - photo.blink**8) * (1 - x**2)
    paint(eye + tilt * _band(wide, -opening, 0.6 * opening), WHITE, depth=1, mirror=True)
    for radius, colour in ((face.iris_size, _between(IRISES, face.iris)), (0.45 * face.iris_size, DARK)):
        for side in (-1, 1):  # both eyes look the same way
            disc = photo.gaze * side + _oval(radius, radius)
            lid = np.interp(disc.real, wide, opening)
            seen = eye + tilt * (disc.real + 1j * np.clip(disc.imag, -lid, 0.6 * lid))
            paint(seen if side > 0 else -seen.conj(), colour, depth=1)
    paint(eye + tilt * _band(1.08 * wide, -opening - face.lashes, 0.4 - opening), DARK, depth=1, mirror=True)
    arch = -face.brow_arch * (1 - x**2)
    brow = _band(face.brow_width * x, arch - face.brow_thickness * (0.75 - 0.25 * x), arch)
    brow = eye - 1j * (face.brow_gap + photo.brow_raise) + brow * np.exp(1j * face.brow_tilt)
    paint(brow, _mix(hair, DARK, 0.5), depth=1, mirror=True)


def _paint_above(paint, face, photo, hair, scene):
    x, width, height = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 41)), face.head_width, face.head_height
    top = -(height + 1) * np.sqrt(1 - x**2)
    if face.hair_presence > 0.07:
        fall = face.fringe * photo.growth * np.abs(x - face.parting - photo.comb) ** 1.5
        edge = face.hairline + fall + face.waves * np.sin(9 * x + face.parting)
        paint(_band(width * x, top, np.maximum(edge, top)), hair, depth=1)
    if photo.glasses < face.glasses_habit:
        frame, thickness = _mix(_colour(scene), DARK, 0.6), scene.uniform(1, 3)
        eye = complex(face.eye_spacing, face.eye_level)
        lens = eye + 1j + _oval(13, scene.uniform(10, 14))
        paint(lens, WHITE, 40, 1, mirror=True)
        paint(lens, frame, 255, 1, thickness, mirror=True)
        paint(np.array([eye + 13, complex(width, face.eye_level)]), frame, 255, 1, 2, mirror=True)
        paint(np.array([13 - eye.conjugate(), eye - 13]), frame, 255, 1, 2)
    if photo.hat > 0.93:
        cloth = _colour(scene)
        paint(_band(1.12 * width * x, 1.35 * top, 0 * x - 0.55 * height), cloth)
        paint(_band(1.15 * width * x, 0 * x - 0.72 * height, 0 * x - 0.52 * height), _mix(cloth, DARK, 0.3))


def _photograph(picture, photo, pixels, scene):
    if photo.blur * pixels > 0.35:
        picture = picture.filter(ImageFilter.GaussianBlur(photo.blur * pixels))
    image, ramp = np.asarray(picture, np.float32), np.linspace(-1, 1, picture.width, dtype=np.float32)
    slope = np.cos(photo.slope_angle) * ramp + np.sin(photo.slope_angle) * ramp[:, None]
    light = (photo.gain * (1 + photo.slope * slope))[:, :, None]
    image = image * light * np.array([photo.red, 1, photo.blue], np.float32)
    if photo.grey > 0.92:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    image += photo.noise * scene.standard_normal((*image.shape[:2], 1), np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _oval(width, height, points=21):
    angle = np.linspace(0, 2 * np.pi, points)
    return width * np.cos(angle) + 1j * height * np.sin(angle)


def _band(x, top, bottom):
    return np.concatenate([x + 1j * top, (x + 1j * bottom)[::-1]])


def _mix(colour, other, share):
    return tuple(round(a + share * (b - a)) for a, b in zip(colour, other, strict=True))


def _between(colours, position):
    lower, share = divmod(min(max(position, 0), 0.9999) * (len(colours) - 1), 1)
    return _mix(colours[int(lower)], colours[int(lower) + 1], share)


def _colour(scene):
    return _mix(scene.integers(10, 246, 3).tolist(), GREY, 0.25)
