"""Reads a dataset with readers that are not ours and says what they see differently.

    python tests/python/check_dataset.py DATASET

- datadings reads `dataset.msgpack`: one sample a page, boxes for all words, images that exist.
- `pdftotext -bbox` reads the PDFs: it must find our words where we say they are.
"""

import collections
import json
import pathlib
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree

from datadings.reader import MsgpackReader

MIN_RECALL = 0.995
MIN_OVERLAP = 0.85


def main(dataset: pathlib.Path) -> None:
    metadata = json.loads((dataset / "metadata.json").read_text())
    names = [document["document_id"] for document in metadata["documents"]]
    faults = [*samples(dataset, names), *words(dataset, names)]
    sys.exit("\n".join(faults) or 0)


def samples(dataset: pathlib.Path, names: list[str]):
    with MsgpackReader(dataset / "dataset.msgpack") as reader:
        seen = list(reader)
    documents = {sample["document_id"] for sample in seen}
    if documents != set(names):
        yield f"dataset.msgpack: has {sorted(documents)}, metadata.json {sorted(names)}"
    for sample in seen:
        key = sample["key"]
        if not sample["words"] or len(sample["words"]) != len(sample["word_bboxes"]):
            yield f"{key}: {len(sample['words'])} words, {len(sample['word_bboxes'])} boxes"
        if not all(0 <= edge <= 1 for box in sample["word_bboxes"] for edge in box):
            yield f"{key}: a box lies outside of its page"
        if not (dataset / sample["image_file_path"]).is_file():
            yield f"{key}: there is no {sample['image_file_path']}"


def words(dataset: pathlib.Path, names: list[str]):
    for name in names:
        theirs = poppler_words(dataset / f"pdf/pdf_final/{name}.pdf")
        ours = collections.defaultdict(list)
        for word in json.loads((dataset / f"bbox/bbox_pdf/word/{name}.json").read_text()):
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
