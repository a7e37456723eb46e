"""Make backlit/data/digits.csv.gz from the copy of the digits that scikit-learn carries.

Run with an interpreter that has scikit-learn: python tests/data/make_digits.py
"""

import gzip
from pathlib import Path

FILE = Path(__file__).parents[2] / "backlit" / "data" / "digits.csv.gz"


def main() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    lines = [",".join([*names, "digit"])]
    for image, label in zip(images.astype(int), labels, strict=True):
        lines.append(",".join(map(str, [*image, label])))
    text = "\n".join(lines) + "\n"
    # No time stamp, so that the same digits give the same bytes.
    FILE.write_bytes(gzip.compress(text.encode("ascii"), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
