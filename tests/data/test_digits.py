"""The digits that ship with the package."""

from importlib import resources

import numpy as np

from backlit.data import digits_table, load_digits, read_table

# Published with the collection (optdigits.names): images per digit in the test set.
PER_DIGIT = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_images_and_labels():
    images, labels = load_digits()
    assert images.shape == (1797, 64)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 1
    assert np.bincount(labels).tolist() == PER_DIGIT
    counts = images * 16
    assert (counts == np.round(counts)).all()


def test_the_first_image_is_a_zero():
    """The first line of optdigits.tes, a ring."""
    first = (load_digits()[0][0] * 16).astype(int).reshape(8, 8)
    assert first[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert first[3:5, 3:5].sum() == 0
    assert first[3, 1:3].sum() > 8


def test_the_table_is_what_reading_the_file_gives():
    table = digits_table()
    with resources.as_file(resources.files("backlit.data") / "digits.csv.gz") as path:
        read = read_table(path)
    assert read.names == table.names
    assert read.kinds == table.kinds
    assert all((a == b).all() for a, b in zip(read.columns, table.columns, strict=True))
    assert (np.stack(table.columns[:-1], axis=1) / 16 == load_digits()[0]).all()


def test_the_attribution_ships_with_the_digits():
    text = (resources.files("backlit.data") / "digits.txt").read_text(encoding="utf-8")
    for part in ["Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "1,797", "Changes"]:
        assert part in text
