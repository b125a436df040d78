"""Reads a dataset with readers that are not ours, and checks that its parts agree.

    python tests/python/check_dataset.py DATASET

- datadings reads `dataset.msgpack`: its checksums and index hold, it has one sample a page, and
  sizes, words, boxes and labels are those of the files.
- Every key of the ground truth stands verbatim where it says.
- `pdftotext -bbox` reads the PDFs: it must find our words where we say they are.
"""

import collections
import json
import pathlib
import struct
import subprocess
import sys
import unicodedata
import warnings
import xml.etree.ElementTree

from datadings.reader import MsgpackReader
from datadings.tools import hash_md5hex, load_md5file

MIN_RECALL = 0.995
MIN_OVERLAP = 0.85
# poppler splits or reverses words of the first two and guesses the height of glyphs of the others.
NOT_FOR_POPPLER = {"hi", "ar", "zh", "ja"}


def main(dataset: pathlib.Path) -> None:
    # A missing side file is only a warning to the reader.
    warnings.simplefilter("error")
    metadata = json.loads((dataset / "metadata.json").read_text("utf-8"))
    documents = metadata["documents"]
    faults = [*samples(dataset, metadata), *keys(dataset, documents), *words(dataset, documents)]
    print(f"{dataset}: {len(documents)} documents, {metadata['num_pages']} samples")
    sys.exit("\n".join(faults) or 0)


def samples(dataset: pathlib.Path, metadata: dict):
    path = dataset / "dataset.msgpack"
    for name, md5 in load_md5file(f"{path}.md5").items():
        if hash_md5hex(dataset / name) != md5:
            yield f"{name}: does not have its checksum"
    names = {document["document_id"] for document in metadata["documents"]}
    with MsgpackReader(path) as reader:
        if not len(reader) == metadata["num_pages"] > 0 or "nobody" in reader:
            yield f"{path.name}: has {len(reader)} samples of {metadata['num_pages']} pages"
        documents = set()
        for index in range(len(reader)):
            sample = reader[index]
            key = sample["key"]
            documents.add(sample["document_id"])
            if not reader.find_key(index) == key or not reader.find_index(key) == index:
                yield f"{key}: is not found by its key"
            yield from (f"{key}: {fault}" for fault in sample_faults(dataset, sample))
    if documents != names:
        yield f"{path.name}: has {sorted(documents)}, metadata.json {sorted(names)}"


def sample_faults(dataset: pathlib.Path, sample: dict):
    size = sample["image_width"], sample["image_height"]
    image = dataset / sample["image_file_path"]
    if pathlib.Path(sample["image_file_path"]).is_absolute() or png_size(image) != size:
        yield f"{image} is not an image of {size} pixels"

    count = len(sample["words"])
    lists = [sample["word_bboxes"], sample["segment_level_bboxes"], sample.get("labels", sample["words"])]
    if count == 0 or any(len(it) != count for it in lists):
        yield f"{count} words, {[len(it) for it in lists]} boxes, lines and labels"
    for x0, y0, x1, y1 in sample["word_bboxes"] + sample["segment_level_bboxes"]:
        if not (0 <= x0 <= x1 <= 1 and 0 <= y0 <= y1 <= 1):
            yield "a box leaves the page"

    ours = read(dataset / f"bbox/bbox_final/word/{sample['document_id']}.json")
    ours = [word for word in ours if word["page"] == sample["page"]]
    if [word["text"] for word in ours] != sample["words"]:
        yield "its words are not those of the file"
    for word, fractions in zip(ours, sample["word_bboxes"]):
        pixels = [fraction * size[side % 2] for side, fraction in enumerate(fractions)]
        if any(abs(a - b) >= 0.01 for a, b in zip(pixels, word["bbox"])):
            yield f"pixels and fractions of `{word['text']}` differ"

    truth = sample.get("ground_truth", {})
    items = [*truth.get("fields", []), *truth.get("entities", []), *sample.get("layout", [])]
    if any(word >= count for item in items for word in item["words"]):
        yield "an item has a word that is not there"


def keys(dataset: pathlib.Path, documents: list[dict]):
    for document in documents:
        name = document["document_id"]
        for key in read(dataset / f"annotations/gt_verification/{name}.json")["keys"]:
            if not key["exact"]:
                yield f"{name}: {key['key']} is not {key['value']}"


def words(dataset: pathlib.Path, documents: list[dict]):
    for document in documents:
        if document["language"] in NOT_FOR_POPPLER:
            continue
        name = document["document_id"]
        theirs = poppler_words(dataset / f"pdf/pdf_final/{name}.pdf")
        ours = collections.defaultdict(list)
        for word in read(dataset / f"bbox/bbox_pdf/word/{name}.json"):
            ours[word["page"], normal(word["text"])].append(word["bbox"])
        overlaps = []
        for place, box in theirs:
            best = max(ours[place], key=lambda other: overlap(box, other), default=None)
            if best is not None and overlap(box, best) > 0:
                ours[place].remove(best)
                overlaps.append(overlap(box, best))
        recall = len(overlaps) / len(theirs)
        mean = sum(overlaps) / max(len(overlaps), 1)
        if recall < MIN_RECALL or mean < MIN_OVERLAP:
            yield f"{name}: pdftotext finds {recall:.3f} of its words in ours, overlap {mean:.3f}"


def poppler_words(pdf: pathlib.Path):
    """((page, text), box) of each word, in points from the top left."""
    html = subprocess.run(["pdftotext", "-bbox", pdf, "-"], check=True, capture_output=True).stdout
    pages = xml.etree.ElementTree.fromstring(html).iterfind(".//{*}page")
    return [
        ((number, normal(word.text)), [float(word.get(edge)) for edge in ("xMin", "yMin", "xMax", "yMax")])
        for number, page in enumerate(pages)
        for word in page.iterfind("{*}word")
    ]


def read(path: pathlib.Path):
    return json.loads(path.read_text("utf-8"))


def png_size(path: pathlib.Path) -> tuple[int, int]:
    with path.open("rb") as file:
        return struct.unpack(">16x2I", file.read(24))


def normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return shared / max(area(a) + area(b) - shared, 1e-9)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
