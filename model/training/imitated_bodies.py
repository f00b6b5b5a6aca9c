"""Imitate other parts of the body, as MRI and CT show them, to learn to tell them from a brain: there are none to train on.

What is known of anatomy is drawn coarsely: a trunk across with its organs and its spine, joints and limbs, a spine from the
side, and ovals with anything in them. Tones go with the kind of scan, textures are those of the slices that there are. What
has learned to tell such drawings from a brain finds real bodies, too (docs/experiments.md); see Hendrycks et al.,
arXiv:1812.04606. Lengths are halves of the picture's side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from model.preprocessing import preprocess
from model.training.imitated_ct import coarse

AIR = 5.0
DARK, LIGHT = 10.0, 240.0  # what borders on bone, in one kind of scan or another
TONE_SPREAD = 0.25  # of a tissue's tone from picture to picture: the deviation of its logarithm


class Tones(NamedTuple):
    """Of 255."""

    fat: float
    muscle: float
    organ: float
    fluid: float
    bone: float


SCANS = (
    Tones(fat=210, muscle=75, organ=110, fluid=35, bone=120),  # T1-weighted
    Tones(fat=170, muscle=45, organ=85, fluid=235, bone=110),  # T2-weighted
    Tones(fat=45, muscle=70, organ=120, fluid=220, bone=50),  # likewise, with fat suppressed
    Tones(fat=45, muscle=130, organ=150, fluid=105, bone=245),  # CT
)
SCAN_SHARES = (0.22, 0.22, 0.22, 0.34)  # CT is what there is most of


class Canvas:
    """A picture to draw on.

    Attributes:
        rng: draws shapes, places and tones.
        tones: of this picture's kind of scan.
        x, y: float (s, s), from -1 to 1.
        picture: float (s, s), tones of 255.
    """

    def __init__(self, images: np.ndarray, rng: np.random.Generator):
        self.images, self.rng, self.side = images, rng, images.shape[1]
        self.y, self.x = np.mgrid[-1 : 1 : self.side * 1j, -1 : 1 : self.side * 1j]
        self.picture = np.zeros((self.side, self.side), np.float32)
        spread = np.exp(TONE_SPREAD * rng.normal(size=len(Tones._fields)))
        self.tones = Tones(*np.clip(spread * SCANS[rng.choice(len(SCANS), p=SCAN_SHARES)], 3.0, 255.0))

    def waves(self, length: float) -> np.ndarray:
        """Random waves about so long: float (s, s) with a deviation of 1."""
        waves = ndimage.gaussian_filter(self.rng.normal(size=self.picture.shape), length / 2 * self.side, mode="wrap")
        return waves / waves.std()

    def oval(self, x, y, width, height, angle=0.0, power=2.0, ragged=0.0) -> np.ndarray:
        """Bool (s, s): what lies within so far from (x, y); the higher the power, the more like a rectangle."""
        across, down = self.x - x, self.y - y
        along, aside = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
        edge = 1.0 + (ragged * self.waves(0.14) if ragged else 0.0)
        return np.abs(along / width) ** power + np.abs(aside / height) ** power < edge

    def fill(self, region: np.ndarray, tone: float, texture: float = 0.5) -> None:
        """Give it a tone, and up to such a share of the texture of some slice."""
        side = int(self.side * self.rng.uniform(0.15, 0.5))
        top, left = self.rng.integers(self.side // 8, self.side - side - self.side // 8, size=2)
        part = self.images[self.rng.integers(len(self.images)), top : top + side, left : left + side]
        part = np.asarray(Image.fromarray(part).resize(self.picture.shape, Image.BILINEAR), np.float32)
        self.picture[region] = tone + self.rng.uniform(0.0, texture) * (part - part.mean())[region]

    def border(self, region: np.ndarray, tone: float, width: int = 1) -> None:
        self.picture[region & ~ndimage.binary_erosion(region, iterations=width)] = tone

    def finished(self, shown: np.ndarray) -> np.ndarray:
        """The part that is shown, as a scanner and `preprocess` would leave it, some of few pixels: uint8 (s, s)."""
        rng = self.rng
        picture = ndimage.gaussian_filter(self.picture * shown, rng.uniform(0.5, 1.4))
        picture *= np.exp(rng.uniform(0.0, 0.5) * self.waves(0.7))  # the coil's bias field
        noise = ndimage.gaussian_filter(rng.normal(size=picture.shape), rng.uniform(0.2, 0.9))
        picture += noise / noise.std() * rng.uniform(0.5, 7.0) * (shown if rng.random() < 0.5 else 1)
        picture = np.clip(picture, 0.0, None)
        brightest = max(1.0, np.percentile(picture, rng.uniform(98.5, 100.0)))
        pixels = np.clip(255 * picture / brightest, 0, 255).astype(np.uint8)
        return np.round(255 * preprocess(coarse(pixels, rng), self.side)[0]).astype(np.uint8)


def trunk(canvas: Canvas) -> np.ndarray:
    """Across the abdomen or the chest, as seen from the feet; some with ribs, arms beside it, or a table below."""
    rng, tones = canvas.rng, canvas.tones
    arms = rng.random() < 0.2
    width = rng.uniform(0.6, 0.75) if arms else 0.97
    height = width / rng.uniform(1.15, 1.75)
    body = canvas.oval(0, 0, width, height, 0.04 * rng.normal(), rng.uniform(2.0, 2.8), rng.uniform(0.0, 0.06))
    depth = ndimage.distance_transform_edt(body) * 2 / canvas.side / height
    skin = rng.uniform(0.03, 0.3) * (1.0 + 0.25 * canvas.waves(0.2))
    wall = rng.uniform(0.06, 0.16)
    inside = Cavity(canvas, width, height, depth > skin + wall)
    canvas.fill(body, tones.fat, 0.2)
    canvas.fill(depth > skin, tones.muscle)
    canvas.fill(inside.region, tones.fat if rng.random() < 0.6 else tones.muscle, 0.6)
    part = PARTS[rng.integers(len(PARTS))]
    part(inside, rng.choice((-1, 1)))
    if part is not _chest and rng.random() < 0.7:
        _kidneys(inside)
    _vertebra(canvas, rng.uniform(0.42, 0.62) * height, rng.uniform(0.13, 0.2) * width, depth > skin)
    if part is _chest or rng.random() < 0.5:
        _ribs(inside, float(skin.mean()) + wall / 2, depth > 0)
    shown = body
    if arms:
        shown = shown | _arms(canvas, width)
    if rng.random() < 0.25:
        shown = shown | _table(canvas, height)
    return canvas.finished(shown)


@dataclass(frozen=True)
class Cavity:
    """Of a trunk so wide and high: bool (s, s), where its organs lie."""

    canvas: Canvas
    width: float
    height: float
    region: np.ndarray

    def organ(self, x, y, wide, high, tone, angle=0.0, texture=0.5, ragged=0.2) -> np.ndarray:
        """Draw one; where it is and how large, as shares of the trunk's width and height."""
        rng, width, height = self.canvas.rng, self.width, self.height
        power, ragged = rng.uniform(1.8, 2.6), rng.uniform(0.0, ragged)
        shape = self.canvas.oval(x * width, y * height, wide * width, high * height, angle, power, ragged) & self.region
        self.canvas.fill(shape, tone, texture)
        return shape


def _upper_abdomen(inside: Cavity, side: int) -> None:
    """Liver with its vessels, spleen, stomach."""
    canvas, rng, tones, organ = inside.canvas, inside.canvas.rng, inside.canvas.tones, inside.organ
    liver = organ(-0.38 * side, -0.15, rng.uniform(0.38, 0.56), rng.uniform(0.52, 0.75), tones.organ, 0, 0.35)
    for _ in range(rng.integers(2, 10)):
        x, y = -0.4 * side * inside.width + 0.2 * rng.normal(), -0.1 * inside.height + 0.2 * rng.normal()
        radius = rng.uniform(0.01, 0.035)
        vessel = canvas.oval(x, y, radius, radius * rng.uniform(0.6, 3.0), rng.uniform(0.0, 3.0))
        canvas.picture[vessel & liver] = tones.fluid if rng.random() < 0.7 else LIGHT
    organ(0.55 * side, 0.1, rng.uniform(0.15, 0.26), rng.uniform(0.22, 0.38), tones.organ * rng.uniform(0.6, 1.6))
    organ(0.3 * side, -0.4, rng.uniform(0.19, 0.3), rng.uniform(0.15, 0.3), rng.choice((AIR, tones.fluid, tones.organ)))


def _bowels(inside: Cavity, side: int) -> None:
    canvas, rng, tones = inside.canvas, inside.canvas.rng, inside.canvas.tones
    for _ in range(rng.integers(8, 22)):
        tone = rng.choice((AIR, tones.fluid, tones.organ, tones.muscle))
        x, y, *size = *rng.uniform((-0.7, -0.75), (0.7, 0.3)), *rng.uniform((0.05, 0.08), (0.16, 0.22))
        canvas.border(inside.organ(x, y, *size, tone, rng.uniform(0.0, 3.0), 0.3, 0.3), tones.muscle)


def _chest(inside: Cavity, side: int) -> None:
    """Lungs with their vessels, heart."""
    canvas, rng, tones, organ = inside.canvas, inside.canvas.rng, inside.canvas.tones, inside.organ
    for x in (-0.5, 0.5):
        organ(x, -0.05, rng.uniform(0.29, 0.39), rng.uniform(0.56, 0.75), AIR + rng.uniform(0.0, 15.0), 0, 0.1)
    for _ in range(rng.integers(0, 25)):
        x, y = rng.choice((-0.5, 0.5)) * inside.width + 0.15 * rng.normal(), 0.25 * inside.height * rng.normal()
        canvas.picture[canvas.oval(x, y, 0.014, 0.014) & inside.region] = tones.organ
    organ(0.12 * side, -0.2, rng.uniform(0.15, 0.3), rng.uniform(0.22, 0.38), tones.organ, rng.uniform(-0.6, 0.6))
    organ(0.15 * side, -0.2, 0.11, 0.15, rng.uniform(0.0, 255.0))


def _kidneys(inside: Cavity) -> None:
    rng, tones, organ = inside.canvas.rng, inside.canvas.tones, inside.organ
    for x in (-0.44, 0.44):
        tone = tones.organ * rng.uniform(0.7, 1.7)
        y = rng.uniform(0.25, 0.45)
        organ(x, y, 0.13 * rng.uniform(0.8, 1.3), 0.25 * rng.uniform(0.8, 1.3), min(tone, 255.0), x)
        organ(x, y, 0.05, 0.09, tones.fat if rng.random() < 0.6 else tones.fluid)


PARTS = (_upper_abdomen, _bowels, _chest)


def _vertebra(canvas: Canvas, y: float, radius: float, within: np.ndarray) -> None:
    """From above, with the muscles of the back, the canal, and two vessels before it."""
    rng, tones, oval, fill = canvas.rng, canvas.tones, canvas.oval, canvas.fill
    for side in (-1, 1):
        fill(oval(side * 1.6 * radius, y + 1.5 * radius, 1.3 * radius, radius) & within, tones.muscle)
    body = oval(0, y, 1.15 * radius, 0.95 * radius, 0, 2.3)
    fill(body, tones.bone, 0.4)
    canvas.border(body, rng.choice((DARK, LIGHT)))
    canvas.picture[oval(0, y + 1.35 * radius, 0.45 * radius, 0.4 * radius)] = tones.fluid
    canvas.picture[oval(0, y + 1.35 * radius, 0.2 * radius, 0.2 * radius)] = tones.organ
    for x in (-0.75, 0.9):
        vessel = oval(x * radius, y - 1.5 * radius, 0.35 * radius, 0.35 * radius)
        canvas.picture[vessel] = rng.choice((DARK, tones.organ, LIGHT))


def _ribs(inside: Cavity, depth: float, within: np.ndarray) -> None:
    """Cut across, so deep below the skin, as a share of the trunk's height: all around, but for the belly."""
    canvas, rng = inside.canvas, inside.canvas.rng
    wide, high = inside.width - depth * inside.height, (1.0 - depth) * inside.height
    length, thickness = rng.uniform(0.04, 0.1) * inside.width, rng.uniform(0.012, 0.03) * inside.width
    tone, border = rng.choice((canvas.tones.bone, DARK)), rng.random() < 0.4
    for angle in np.linspace(-0.25, 1.25, rng.integers(8, 22)) * np.pi + 0.1 * rng.normal():
        x, y = wide * np.cos(angle), high * np.sin(angle)
        along = np.arctan2(high * np.cos(angle), -wide * np.sin(angle)) + 0.2 * rng.normal()
        rib = canvas.oval(x, y, length * rng.uniform(0.6, 1.4), thickness, along) & within
        canvas.picture[rib] = tone
        if border:
            canvas.border(rib, canvas.tones.bone)


def _arms(canvas: Canvas, width: float) -> np.ndarray:
    """On either side of a trunk so wide, each with one bone or two: bool (s, s), where they are."""
    rng, tones, shown = canvas.rng, canvas.tones, np.zeros(canvas.picture.shape, bool)
    radius, y = (0.98 - width) / 2, rng.uniform(-0.1, 0.3)
    for side in (-1, 1):
        x = side * (width + radius)
        arm = canvas.oval(x, y, radius, radius * rng.uniform(0.9, 1.5))
        canvas.fill(arm, tones.fat, 0.2)
        canvas.fill(canvas.oval(x, y, 0.8 * radius, 0.8 * radius), tones.muscle)
        for _ in range(rng.integers(1, 3)):
            bone = canvas.oval(x + 0.3 * radius * rng.normal(), y + 0.3 * radius * rng.normal(), 0.3 * radius, 0.25 * radius)
            canvas.fill(bone & arm, tones.bone, 0.2)
            canvas.border(bone & arm, rng.choice((DARK, LIGHT)))
        shown |= arm
    return shown


def _table(canvas: Canvas, height: float) -> np.ndarray:
    """What lies below a trunk so high, in CT: lines, straight or hollow; bool (s, s), where they are."""
    rng, shown = canvas.rng, np.zeros(canvas.picture.shape, bool)
    hollow, y, wide = rng.uniform(0.0, 0.25), height + rng.uniform(0.02, 0.1), rng.uniform(0.5, 0.95)
    for _ in range(rng.integers(1, 4)):
        line = np.abs(canvas.y - y + hollow * canvas.x**2) < rng.uniform(0.008, 0.02)
        line &= np.abs(canvas.x) < wide
        canvas.picture[line] = rng.uniform(60.0, 255.0)
        shown |= line
        y += rng.uniform(0.06, 0.2)
    return shown


def joint(canvas: Canvas) -> np.ndarray:
    """A limb, across or along, most of them larger than the picture: bones, muscles with fat between them."""
    rng, tones, oval, fill = canvas.rng, canvas.tones, canvas.oval, canvas.fill
    size, (x, y) = rng.uniform(0.9, 1.8), rng.uniform(-0.4, 0.4, size=2)
    limb = oval(
        x * size, y * size, size, size * rng.uniform(0.6, 1.1), rng.uniform(0, 3), rng.uniform(1.9, 2.6), rng.uniform(0, 0.15)
    )
    depth = ndimage.distance_transform_edt(np.pad(limb, 2, mode="edge"))[2:-2, 2:-2] * 2 / canvas.side
    inside = depth > rng.uniform(0.02, 0.24)
    fill(limb, tones.fat, 0.2)
    fill(inside, tones.muscle)
    direction = rng.uniform(0.0, np.pi)
    for _ in range(rng.integers(2, 8)):
        place, length, angle = rng.uniform(-0.8, 0.8, size=2), rng.uniform(0.3, 0.9), direction + 0.4 * rng.normal()
        muscle = oval(*place, length, rng.uniform(0.08, 0.25), angle, 2.2, 0.15) & inside
        fill(muscle, min(255.0, tones.muscle * rng.uniform(0.7, 1.4)))
        canvas.border(muscle, tones.fat * rng.uniform(0.5, 1.0))
    for _ in range(rng.integers(1, 4)):
        place, radius, angle = rng.uniform(-0.5, 0.5, size=2), rng.uniform(0.15, 0.5), rng.uniform(0.0, 3.0)
        bone = oval(*place, radius, radius * rng.uniform(0.6, 1.8), angle, rng.uniform(2.0, 3.0), 0.15) & limb
        fill(bone, rng.choice((tones.bone, tones.fat)), 0.3)  # or marrow
        canvas.border(bone, rng.choice((DARK, tones.muscle, tones.fluid, LIGHT)), int(rng.integers(1, 4)))
    return canvas.finished(limb)


def spine(canvas: Canvas) -> np.ndarray:
    """From the side: vertebrae and disks, the canal with its cord, processes, the fat of the back, and organs before it."""
    rng, tones, fill = canvas.rng, canvas.tones, canvas.fill
    width = rng.uniform(0.3, 1.0)  # of what is shown
    shown = np.abs(canvas.x + 0.03 * canvas.waves(0.4)) < width if rng.random() < 0.5 else np.ones_like(canvas.x, bool)
    fill(shown, tones.muscle, 0.6)
    curve = np.sin(rng.uniform(0.0, 6.0) + canvas.y * rng.uniform(0.8, 2.0))
    middle = rng.uniform(0.0, 0.15) * curve + width * rng.uniform(-0.3, 0.3)
    radius = rng.uniform(0.12, 0.25) * min(1.0, 1.5 * width)
    side = rng.choice((-1, 1))
    back = side * (canvas.x - middle) / radius  # how far behind the spine's middle, in vertebrae
    count = rng.uniform(3.0, 9.0)
    disk = ((canvas.y + 1) / 2 * count) % 1 < rng.uniform(0.12, 0.3)
    fill((np.abs(back) < 1) & ~disk, rng.choice((tones.bone, tones.organ)), 0.3)
    fill((np.abs(back) < 1) & disk, rng.choice((tones.fluid, tones.muscle, DARK)), 0.2)
    canvas.picture[np.abs(back - 1.35) < 0.32] = tones.fluid
    canvas.picture[np.abs(back - 1.35) < 0.15] = tones.organ
    processes = np.sin(canvas.y * count * np.pi + 3 * canvas.x) > 0.2
    fill(processes & (back > 1.9) & (back < rng.uniform(2.5, 4.0)), tones.bone, 0.2)
    fill(shown & (back > rng.uniform(3.5, 6.0)), tones.fat, 0.2)
    for _ in range(rng.integers(0, 6)):
        x, y, *size = middle.mean() - side * rng.uniform(0.3, 0.8), rng.uniform(-0.9, 0.9), *rng.uniform(0.08, 0.4, size=2)
        before = canvas.oval(x, y, *size, 0, 2.2, 0.2) & shown & (back < -1)
        fill(before, rng.choice((tones.organ, tones.fluid, tones.fat, AIR)))
    picture = canvas.finished(shown)
    return np.rot90(picture).copy() if rng.random() < 0.3 else picture


def shapeless(canvas: Canvas) -> np.ndarray:
    """An oval, whole or cut by the picture's edge, with fat below its skin and ovals of any tone in it."""
    rng, oval, fill = canvas.rng, canvas.oval, canvas.fill
    aspect = rng.uniform(0.6, 1.8)
    width, height = 0.98 * min(1.0, aspect), 0.98 / max(1.0, aspect)
    x = y = 0.0
    if rng.random() < 0.35:
        larger = rng.uniform(1.1, 2.0)
        width, height = width * larger, height * larger
        x, y = 0.7 * (larger - 0.6) * rng.uniform(-1.0, 1.0, size=2)
    outline = oval(x, y, width, height, 0.06 * rng.normal(), rng.uniform(1.9, 3.2), rng.uniform(0.0, 0.1))
    depth = ndimage.distance_transform_edt(np.pad(outline, 1, mode="edge"))[1:-1, 1:-1] * 2 / canvas.side
    inside = depth > rng.uniform(0.02, 0.3) * min(width, height) * (1.0 + 0.3 * canvas.waves(0.2))
    fill(outline, rng.choice((rng.uniform(150.0, 255.0), rng.uniform(5.0, 90.0))), 0.3)
    fill(inside, rng.uniform(30.0, 170.0), 0.6)
    for radius in rng.choice((0.3, 0.05), size=rng.integers(5, 24), p=(0.7, 0.3)):  # organs, vessels
        place = rng.uniform(-0.8, 0.8, size=2) * (width, height) + (x, y)
        size = rng.uniform(0.2, 1.8, size=2) * radius * (width, height)
        part = oval(*place, *size, rng.uniform(0.0, np.pi), rng.uniform(1.6, 3.0), rng.uniform(0.0, 0.35)) & inside
        fill(part, rng.uniform(5.0, 250.0), 0.7)
    return canvas.finished(outline)


KINDS: dict[Callable[[Canvas], np.ndarray], float] = {trunk: 0.4, joint: 0.25, spine: 0.2, shapeless: 0.15}  # and their shares


def imitations(images: np.ndarray, count: int) -> np.ndarray:
    """So many, with textures of preprocessed slices, uint8 (n, s, s): uint8 (count, s, s), the same for the same slices."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(len(KINDS), size=count, p=list(KINDS.values()))
    return np.stack([list(KINDS)[kind](Canvas(images, rng)) for kind in kinds])
