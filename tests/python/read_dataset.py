"""Reads a dataset as its users do, and checks that its parts agree.

usage: read_dataset.py DIR
"""

import json
import struct
import sys
import warnings
from pathlib import Path

from datadings.reader import MsgpackReader
from datadings.tools import hash_md5hex, load_md5file


def main(root: Path) -> None:
    # A missing side file is only a warning to the reader.
    warnings.simplefilter("error")
    path = root / "dataset.msgpack"
    for name, md5 in load_md5file(f"{path}.md5").items():
        assert hash_md5hex(root / name) == md5, f"{name} does not have its checksum"

    metadata = json.loads((root / "metadata.json").read_text("utf-8"))
    with MsgpackReader(path) as reader:
        assert len(reader) == metadata["num_pages"] > 0, "samples and pages differ in number"
        assert "nobody" not in reader
        for index in range(len(reader)):
            check_sample(root, reader, index)
        documents = {reader[index]["document_id"] for index in range(len(reader))}
    assert documents == {entry["document_id"] for entry in metadata["documents"]}
    print(f"{root}: {len(documents)} documents, {metadata['num_pages']} samples")


def check_sample(root: Path, reader: MsgpackReader, index: int) -> None:
    sample = reader[index]
    key = sample["key"]
    assert reader.find_key(index) == key and reader.find_index(key) == index and key in reader

    size = sample["image_width"], sample["image_height"]
    assert not Path(sample["image_file_path"]).is_absolute(), key
    assert png_size(root / sample["image_file_path"]) == size, f"{key}: the image has another size"

    count = len(sample["words"])
    assert count == len(sample["word_bboxes"]) == len(sample["segment_level_bboxes"]), key
    assert count == len(sample.get("labels", sample["words"])), key
    for x0, y0, x1, y1 in sample["word_bboxes"] + sample["segment_level_bboxes"]:
        assert 0 <= x0 <= x1 <= 1 and 0 <= y0 <= y1 <= 1, f"{key}: a box leaves the page"

    path = root / "bbox" / "bbox_final" / "word" / f"{sample['document_id']}.json"
    words = [word for word in read_list(path) if word["page"] == sample["page"]]
    assert [word["text"] for word in words] == sample["words"], key
    for word, fractions in zip(words, sample["word_bboxes"]):
        pixels = [fraction * size[side % 2] for side, fraction in enumerate(fractions)]
        near = all(abs(a - b) < 0.01 for a, b in zip(pixels, word["bbox"]))
        assert near, f"{key}: pixels and fractions of `{word['text']}` differ"

    for field in sample.get("ground_truth", {}).get("fields", []):
        assert all(word < count for word in field["words"]), f"{key}: {field['name']}"


def read_list(path: Path) -> list:
    """A page without words has no file of words."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def png_size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        return struct.unpack(">16x2I", file.read(24))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
