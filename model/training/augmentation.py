"""What may differ between two scans of the same thing: pose, framing, window, field, noise, sharpness.

All of it in float32 whatever the training precision is, in one graph, a batch at a time.
"""

import tensorflow as tf

RIGHT_ANGLE = 0.20  # share of slices turned by 90, 180 or 270 degrees
INTENSITY = 0.9  # share of slices with their tones changed; the rest keep those that serving sees


@tf.function
def augment(images: tf.Tensor, masks: tf.Tensor, turned: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment a batch; the same seed gives the same result.

    Args:
        images, masks: uint8 (n, s, s), 0..255.
        turned: bool (n,): slices to turn by any right angle, for sources whose orientation would be a label.
        seed: int32 (2,).

    Returns:
        images float32 (n, s, s, 1) in [0, 1]; masks float32 (n, s, s, 1) in [0, 1], moved with the image.
    """
    seeds = tf.random.split(seed, 3)
    both = tf.cast(tf.stack([images, masks], axis=-1), tf.float32) / 255.0
    both = move(both, turned, seeds[0])
    image, mask = both[..., :1], both[..., 1:]
    toned = tone(image, seeds[1])
    use = uniform(tf.shape(image)[0], 0.0, 1.0, seeds[2], 0) < INTENSITY
    return tf.where(use, toned, image), mask


def move(both: tf.Tensor, turned: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotation, right angles, mirror, zoom, aspect, shear and shift as one projective transform (one interpolation).

    float32 (n, s, s, c), all channels alike; what comes from beyond the border is 0. `turned` and `seed`: see `augment`.
    """
    n, side = tf.shape(both)[0], tf.cast(tf.shape(both)[1], tf.float32)
    u = lambda low, high, k: tf.reshape(uniform(n, low, high, seed, k), [n])  # noqa: E731
    angle = u(-15.0, 15.0, 0) * 3.14159265 / 180.0
    right = tf.where(tf.logical_or(turned, u(0.0, 1.0, 1) < RIGHT_ANGLE), tf.floor(u(0.0, 4.0, 2)), 0.0)
    angle += right * 3.14159265 / 2.0
    flip = tf.where(u(0.0, 1.0, 3) < 0.5, -1.0, 1.0)
    zoom = tf.exp(u(-0.22, 0.30, 4))  # above 1 shows more than the head: a crop that left margins
    aspect = tf.exp(u(-0.10, 0.10, 5))
    shear = u(-0.08, 0.08, 6)
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b = zoom * aspect * cos * flip, zoom * (shear * cos - sin)
    c, d = zoom * aspect * sin * flip, zoom / aspect * (cos + shear * sin)
    center = (side - 1.0) / 2.0
    x = center * (1.0 - a - b) + u(-0.06, 0.06, 7) * side
    y = center * (1.0 - c - d) + u(-0.06, 0.06, 8) * side
    zero = tf.zeros_like(a)
    transforms = tf.stack([a, b, x, c, d, y, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=both,
        transforms=transforms,
        output_shape=tf.shape(both)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def tone(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Blur or low resolution, bias field, tone curve, contrast, brightness, noise: float32 (n, s, s, 1) in [0, 1]."""
    n, side = tf.shape(image)[0], tf.shape(image)[1]
    u = lambda low, high, k: uniform(n, low, high, seed, k)  # noqa: E731

    factor = tf.random.stateless_uniform([], seed + 101, 0.35, 1.0)
    small = tf.cast(tf.cast(side, tf.float32) * factor, tf.int32)
    blurred = tf.image.resize(tf.image.resize(image, [small, small], antialias=True), [side, side])
    image = tf.where(u(0.0, 1.0, 0) < 0.25, blurred, image)

    field = tf.image.resize(tf.random.stateless_normal([n, 3, 3, 1], seed + 102, stddev=0.18), [side, side], "bicubic")
    image = tf.where(u(0.0, 1.0, 1) < 0.4, image * tf.exp(field), image)

    image = tf.clip_by_value(image, 1e-4, 1.0) ** tf.exp(u(-0.5, 0.5, 2))
    dark = 1.0 - tf.clip_by_value(1.0 - image, 1e-4, 1.0) ** tf.exp(u(-0.35, 0.35, 3))
    image = tf.where(u(0.0, 1.0, 4) < 0.5, dark, image)
    image = image * u(0.7, 1.3, 5) + tf.where(u(0.0, 1.0, 6) < 0.3, u(-0.08, 0.12, 7), tf.zeros([n, 1, 1, 1]))
    noise = tf.random.stateless_normal(tf.shape(image), seed + 103)
    image += tf.where(u(0.0, 1.0, 8) < 0.4, u(0.0, 0.06, 9), tf.zeros([n, 1, 1, 1])) * noise
    return tf.clip_by_value(image, 0.0, 1.0)


def uniform(n: tf.Tensor, low: float, high: float, seed: tf.Tensor, k: int) -> tf.Tensor:
    """n draws, shaped to broadcast over (n, h, w, c); k tells the draws of one seed apart."""
    return tf.random.stateless_uniform([n, 1, 1, 1], seed + tf.constant([k, 7 * k + 1]), low, high)
