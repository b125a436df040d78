"""Opens exports with the libraries that they are written for, and compares what these find with what
the exporters say they wrote.

    python tests/python/read_exports.py EXPORTS

For each `EXPORTS/NAME.json`, the report of an export, the files of that export are in `EXPORTS/NAME`.
"""

import contextlib
import glob
import importlib.metadata
import io
import json
import os
import pathlib
import sys
import tempfile

# Nothing is fetched, and nothing is left behind.
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": tempfile.mkdtemp(prefix="read-exports-")}

import datasets
import webdataset
from hocr.parse import hocr_page_iterator, hocr_page_to_word_data
from label_studio_sdk.label_interface import LabelInterface
from lxml import etree
from PIL import Image
from pycocotools.coco import COCO

datasets.disable_progress_bars()


class Counts:
    """What a reader has found, and what was wrong with it."""

    def __init__(self):
        self.images = self.boxes = self.labels = 0
        self.faults = []

    def expect(self, condition, message):
        if not condition:
            self.faults.append(message)

    def image(self, image, size=None):
        """An image, opened or by its path, and the size that it should have."""
        with contextlib.nullcontext(image) if isinstance(image, Image.Image) else Image.open(image) as it:
            it.load()
            self.expect(size is None or it.size == tuple(size), f"{image}: {it.size} is not {size}")
            self.images += 1
            return it.size

    def inside(self, edges, size, where):
        """Left, top, right, bottom in an image."""
        left, top, right, bottom = edges
        self.boxes += 1
        ordered = 0 <= left <= right <= size[0] + 0.01 and 0 <= top <= bottom <= size[1] + 0.01
        self.expect(ordered, f"{where}: the box {edges} is not inside {size}")


def corner_and_size(box):
    x, y, width, height = box
    return x, y, x + width, y + height


def coco(folder, counts):
    for path in sorted(folder.glob("annotations/instances_*.json")):
        part = path.stem.removeprefix("instances_")
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(path)
        for image in coco.imgs.values():
            counts.image(folder / part / image["file_name"], (image["width"], image["height"]))
        for annotation in coco.anns.values():
            image = coco.imgs[annotation["image_id"]]
            size = image["width"], image["height"]
            counts.inside(corner_and_size(annotation["bbox"]), size, image["file_name"])
            counts.labels += len(coco.loadCats(annotation["category_id"]))
            # A mask is made of whole pixels, a shape is not: they differ along its edge.
            _, _, width, height = annotation["bbox"]
            covered = int(coco.annToMask(annotation).sum())
            near = abs(covered - annotation["area"]) <= 2 * (width + height) + 4
            counts.expect(near, f"annotation {annotation['id']}: {covered} pixels, {annotation['area']}")


def yolo(folder, counts):
    data = (folder / "data.yaml").read_text()
    names = [line for line in data.splitlines() if line.startswith("  ")]
    for path in sorted(folder.glob("labels/*/*.txt")):
        (image,) = folder.glob(f"images/{path.parent.name}/{path.stem}.*")
        counts.image(image)
        for line in path.read_text().splitlines():
            number, x, y, width, height = map(float, line.split())
            edges = x - width / 2, y - height / 2, x + width / 2, y + height / 2
            counts.inside([max(edge, 0) for edge in edges], (1, 1), path.name)
            counts.expect(number < len(names), f"{path.name}: no class {number}")
            counts.labels += 1


def huggingface(folder, counts):
    if not any(folder.iterdir()) or not list(folder.glob("*/*")):
        return
    for part in datasets.load_dataset(str(folder)).values():
        for row in part:
            size = counts.image(row["image"], (row["width"], row["height"]))
            counts.expect(len(row["words"]) == len(row["word_boxes"]), f"{row['id']}: words and boxes")
            for box in row["word_boxes"]:
                counts.inside(box, size, row["id"])
            for box in row["objects"]["bbox"]:
                counts.inside(corner_and_size(box), size, row["id"])
            counts.labels += len(row["objects"]["category"])


def webdataset_(folder, counts):
    for shard in sorted(glob.glob(f"{folder}/*.tar")):
        samples = webdataset.WebDataset(shard, shardshuffle=False).decode("pil")
        for image, page in samples.to_tuple("png;jpg", "json"):
            size = counts.image(image, (page["width"], page["height"]))
            for item in page["words"] + page["regions"]:
                counts.inside(item["bbox"], size, page["document"])
            counts.labels += len(page["regions"])


def layoutlm(folder, counts):
    labels = (folder / "labels.txt").read_text().splitlines()
    counts.expect(labels[0] == "O", "the first label is not `O`")
    files = {path.stem: str(path) for path in folder.glob("*.jsonl")}
    for part in datasets.load_dataset("json", data_files=files).values() if files else []:
        for row in part:
            counts.image(folder / row["image"])
            lengths = {len(row["words"]), len(row["bboxes"]), len(row["ner_tags"])}
            counts.expect(len(lengths) == 1, f"{row['id']}: {lengths}")
            for box in row["bboxes"]:
                counts.inside(box, (1000, 1000), row["id"])
            counts.labels += sum(labels[tag] != "O" for tag in row["ner_tags"])


def funsd(folder, counts):
    for path in sorted(folder.glob("*/annotations/*.json")):
        (image,) = path.parent.parent.glob(f"images/{path.stem}.*")
        size = counts.image(image)
        form = json.loads(path.read_text())["form"]
        ids = {entity["id"]: entity for entity in form}
        for entity in form:
            counts.labels += 1
            for word in entity["words"]:
                counts.inside(word["box"], size, path.name)
            for question, answer in entity["linking"]:
                kinds = ids[question]["label"], ids[answer]["label"]
                counts.expect(kinds == ("question", "answer"), f"{path.name}: a link of {kinds}")


def docvqa(folder, counts):
    for path in sorted(folder.glob("*/*_v1.0.json")):
        for question in json.loads(path.read_text())["data"]:
            counts.expect((path.parent / question["image"]).exists(), f"no {question['image']}")
            counts.expect(all(question["answers"]), f"{question['question']}: no answer")
            counts.labels += 1
    for path in sorted(folder.glob("*/ocr_results/*.json")):
        (image,) = path.parent.parent.glob(f"documents/{path.stem}.*")
        for page in json.loads(path.read_text())["recognitionResults"]:
            size = counts.image(image, (page["width"], page["height"]))
            for line in page["lines"]:
                for word in line["words"]:
                    left, top, _, _, right, bottom, _, _ = word["boundingBox"]
                    counts.inside((left, top, right, bottom), size, path.name)


def donut(folder, counts):
    def leaves(value):
        if isinstance(value, dict):
            return sum(map(leaves, value.values()))
        return sum(map(leaves, value)) if isinstance(value, list) else 1

    if not list(folder.glob("*/metadata.jsonl")):
        return
    for part in datasets.load_dataset("imagefolder", data_dir=str(folder)).values():
        for row in part:
            counts.image(row["image"])
            truth = json.loads(row["ground_truth"])
            parses = truth.get("gt_parses")
            counts.labels += leaves(truth["gt_parse"]) if parses is None else len(parses)


def hocr(folder, counts):
    for path in sorted(folder.glob("*.hocr")):
        for page in hocr_page_iterator(str(path)):
            properties = page.attrib["title"].split(";")
            image = properties[0].split('"')[1]
            size = counts.image(folder / image, map(int, properties[1].split()[3:]))
            for paragraph in hocr_page_to_word_data(page):
                for line in paragraph["lines"]:
                    for word in line["words"]:
                        counts.inside(word["bbox"], size, path.name)


def alto(folder, counts):
    """No package of the registry carries the schema, so that the structure is checked here."""
    for path in sorted(folder.glob("alto/*.xml")):
        tree = etree.parse(path)
        of = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
        image = tree.findtext(".//a:fileName", namespaces=of)
        page = tree.find(".//a:Page", of)
        size = counts.image(path.parent / image, (int(page.get("WIDTH")), int(page.get("HEIGHT"))))
        ids = [element.get("ID") for element in tree.iter("{*}*") if element.get("ID")]
        counts.expect(len(ids) == len(set(ids)), f"{path.name}: an ID stands twice")
        for element in tree.iter("{*}String", "{*}Illustration"):
            box = [float(element.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
            counts.inside(corner_and_size(box), size, path.name)
        for element in tree.xpath("//*[@TAGREFS]"):
            counts.expect(set(element.get("TAGREFS").split()) <= set(ids), f"{path.name}: no such tag")
        for block in tree.iter("{*}TextBlock", "{*}TextLine"):
            counts.expect(len(block), f"{path.name}: {block.get('ID')} is empty")


def page_xml(folder, counts):
    package = importlib.metadata.distribution("ocrd")
    schema = etree.XMLSchema(etree.parse(package.locate_file("ocrd_validators/page.xsd")))
    for path in sorted(folder.glob("page/*.xml")):
        tree = etree.parse(path)
        counts.expect(schema.validate(tree), f"{path.name}: {schema.error_log}")
        page = tree.find(".//{*}Page")
        size = int(page.get("imageWidth")), int(page.get("imageHeight"))
        counts.image(path.parent / page.get("imageFilename"), size)
        for word in tree.iter("{*}Word"):
            points = [point.split(",") for point in word.find("{*}Coords").get("points").split()]
            xs, ys = ([int(point[axis]) for point in points] for axis in (0, 1))
            counts.inside((min(xs), min(ys), max(xs), max(ys)), size, path.name)
        regions = [it for it in page.iter("{*}*") if etree.QName(it).localname.endswith("Region")]
        counts.labels += len(regions)


def label_studio(folder, counts):
    interface = LabelInterface((folder / "label-config.xml").read_text())
    interface.validate()
    for task in json.loads((folder / "tasks.json").read_text()):
        image = task["data"]["image"].rsplit("/")[-1].split("=")[-1]
        size = counts.image(folder / "images" / image)
        for prediction in task["predictions"]:
            for fault in interface.validate_prediction(prediction, return_errors=True):
                counts.faults.append(f"{image}: {fault}")
            for result in prediction["result"]:
                counts.expect((result["original_width"], result["original_height"]) == size, image)
                if result["type"] == "rectanglelabels":
                    box = [result["value"][key] for key in ("x", "y", "width", "height")]
                    counts.inside(corner_and_size(box), (100, 100), image)
                    counts.labels += 1


READERS = {
    "alto": alto,
    "coco": coco,
    "docvqa": docvqa,
    "donut": donut,
    "funsd": funsd,
    "hocr": hocr,
    "huggingface": huggingface,
    "label-studio": label_studio,
    "layoutlm": layoutlm,
    "page-xml": page_xml,
    "webdataset": webdataset_,
    "yolo": yolo,
}


def main(exports):
    faults = []
    reports = sorted(exports.glob("*.json"))
    for report in reports:
        said = json.loads(report.read_text())
        counts = Counts()
        READERS[said["plugin"]](report.with_suffix(""), counts)
        for what in ("images", "boxes", "labels"):
            written, found = said["counts"][what], getattr(counts, what)
            counts.expect(written == found, f"{written} {what} were written, {found} are found")
        print(f"{report.stem}: {counts.images} images, {counts.boxes} boxes, {counts.labels} labels")
        faults += [f"{report.stem}: {fault}" for fault in counts.faults]
    sys.exit("\n".join(faults) or (0 if reports else f"no exports in {exports}"))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
