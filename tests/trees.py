"""Training data on the disk, small and made here: every source, twins, a chain of them, what cannot be read."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from model.training.dataset import Item
from synthetic import smooth_head

SIDE = 80
BRAIN = (8, 4, 72, 76)


def slice_of(seed, side=SIDE, box=BRAIN):
    return smooth_head(seed, side, box)


def encoded(pixels, format="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format)
    return buffer.getvalue()


def put(root, path, content):
    """Write bytes, or pixels in the format of the name."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes):
        content = encoded(content, {".jpg": "JPEG", ".png": "PNG"}[file.suffix])
    file.write_bytes(content)
    return content


def tumor(x0=30, y0=30, x1=50, y1=45, side=SIDE):
    mask = np.zeros((side, side), bool)
    mask[y0:y1, x0:x1] = True
    return mask


TRAINING, TESTING = "brain_tumor_mri/Training", "brain_tumor_mri/Testing"
LGG_A, LGG_B = "TCGA_CS_4941", "TCGA_DU_5851"


def write_tree(root):
    """Every source in small: 18 images, one of them unreadable, three twins of Testing images outside it."""
    put(root, f"{TRAINING}/glioma/Tr-gl_0.jpg", slice_of(0))
    put(root, f"{TRAINING}/glioma/Tr-gl_1.png", slice_of(1))
    put(root, f"{TRAINING}/meningioma/Tr-me_0.jpg", encoded(slice_of(2), "PNG"))  # a PNG, whatever its name
    put(root, f"{TRAINING}/notumor/Tr-no_0.jpg", b"not an image at all")
    put(root, f"{TRAINING}/notumor/Tr-no_1.jpg", slice_of(3))
    put(root, f"{TRAINING}/notumor/notes.txt", b"not listed")
    put(root, f"{TRAINING}/pituitary/Tr-pi_0.jpg", slice_of(4))
    put(root, f"{TESTING}/glioma/Te-gl_0.jpg", slice_of(1)[:, ::-1])  # of Tr-gl_1
    put(root, f"{TESTING}/glioma/Te-gl_1.jpg", slice_of(5))
    put(root, f"{TESTING}/notumor/Te-no_0.jpg", np.pad((slice_of(3) * 0.8).astype(np.uint8), 10))  # of Tr-no_1
    put(root, f"{TESTING}/notumor/Te-no_1.jpg", slice_of(6))
    put(root, "tumor_masks/Training/glioma/Tr-gl_0.png", tumor())
    put(root, "br35h_tumor/y0.jpg", slice_of(7))
    put(root, "br35h_tumor/y1.jpg", slice_of(6))  # of Te-no_1
    put(root, "healthy_t1/h0.jpg", slice_of(8))
    put(root, "healthy_t1/h1.jpg", slice_of(8)[:, ::-1])
    put(root, f"tcga_lgg/images/{LGG_A}_19960909_11_flair.jpg", slice_of(9))
    put(root, f"tcga_lgg/images/{LGG_A}_19960909_11_t1post.jpg", slice_of(10))
    put(root, f"tcga_lgg/images/{LGG_B}_19950428_1_flair.jpg", slice_of(11))
    put(root, f"tcga_lgg/images/{LGG_B}_19950428_2_flair.jpg", slice_of(12, box=(30, 30, 50, 50)))
    put(root, f"tcga_lgg/masks/{LGG_A}_19960909_11.png", tumor())
    put(root, f"tcga_lgg/masks/{LGG_B}_19950428_1.png", tumor(0, 0, 0, 0))
    put(root, f"tcga_lgg/masks/{LGG_B}_19950428_2.png", tumor(0, 0, 0, 0))
    return root


def by_name(items):
    return {Path(item.path).name: item for item in items}


def item(number, *, split="Training", label="glioma", source="kaggle", group=None, **changes):
    """An item of a manifest that need not exist."""
    name = f"{source}/{split}/{number}.png"
    group = number if group is None else group
    return Item(name, source, split, label, 64, 64, hashlib.sha256(name.encode()).hexdigest(), group, **changes)


def paths(items):
    return {i.path for i in items}
