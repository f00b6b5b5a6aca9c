"""List every image with class, split, source, size, SHA-256 and near-duplicate group; mark what leaks into Testing."""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.commands import check_files, positive, printable
from model.inputs import UsageError
from model.training.dataset import build_manifest, leak_figures, save_manifest, unused_folders


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the Kaggle folder, or one that holds it and more")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write (CSV)")
    parser.add_argument("--workers", type=positive, default=2)
    args = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="surrogateescape")  # a name that is not Unicode comes out as it is
    try:
        check_files(args.out)
        items = build_manifest(args.data, args.workers)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        save_manifest(items, args.out)
    except (UsageError, OSError) as error:
        parser.error(str(error))

    for (source, split, label), count in sorted(Counter((i.source, i.split, i.label or "-") for i in items).items()):
        print(f"{source:12} {split:9} {label:11} {count:5}")
    for folder in unused_folders(args.data):
        print(f"not used, its name is no class: {printable(folder)}")
    unreadable = [i for i in items if i.error]
    for item in unreadable:
        print(printable(f"unreadable: {item.path}: {item.error}"))
    f = leak_figures(items)
    print(f"unreadable files: {len(unreadable)}")
    print(f"Testing images with a twin in Training: {f['testing_linked_to_training']} of {f['testing']}")
    print(f"Training images with a twin in Testing, to purge: {f['training_purged']} of {f['training']}")
    print(f"these, and what is in a group with an image of Testing: {f['training_left_out']}")
    print(f"images of other sources with a twin in Testing, to purge: {f['extra_purged']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
