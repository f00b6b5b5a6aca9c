"""List every image with class, split, source, size, SHA-256 and near-duplicate group; mark what leaks into Testing."""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.training.dataset import build_manifest, leak_figures, save_manifest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the Kaggle folder, or one that holds it and more")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write (CSV)")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    try:
        items = build_manifest(args.data, args.workers)
    except FileNotFoundError as error:
        parser.error(str(error))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_manifest(items, args.out)

    for (source, split, label), count in sorted(Counter((i.source, i.split, i.label or "-") for i in items).items()):
        print(f"{source:12} {split:9} {label:11} {count:5}")
    unreadable = [i for i in items if i.error]
    for item in unreadable:
        print(f"unreadable: {item.path}: {item.error}")
    f = leak_figures(items)
    print(f"unreadable files: {len(unreadable)}")
    print(f"Testing images with a twin in Training: {f['testing_linked_to_training']} of {f['testing']}")
    print(f"Training images with a twin in Testing, to purge: {f['training_purged']} of {f['training']}")
    print(f"these, and what is in a group with an image of Testing: {f['training_left_out']}")
    print(f"images of other sources with a twin in Testing, to purge: {f['extra_purged']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
