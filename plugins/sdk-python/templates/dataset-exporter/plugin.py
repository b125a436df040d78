"""{{ title }}: a file with one line of JSON a page."""

import json
from dataclasses import asdict

from docgenie_plugin import DatasetExporter, Document, Job, Reconciliation, create


class Lines(DatasetExporter):
    """One export. It writes as it goes and holds no documents."""

    id = "{{ id }}"
    title = "{{ title }}"
    summary = "One line of JSON a page."

    # What a pipeline can set under `with`: a JSON Schema. Descriptions are what its users read.
    params = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "file": {
                "description": "The file's name.",
                "type": "string",
                "default": "pages.jsonl",
            },
        },
    }

    def begin(self, job: Job) -> None:
        self.file = create(job.params["file"])
        self.count = Reconciliation()

    # What is taken and what is written are counted apart: the host fails an export that lost
    # something in between.
    def add(self, document: Document) -> None:
        self.count.taken.documents += 1
        for number, page in enumerate(document.pages, start=1):
            words = [{"text": word.text, "bounds": asdict(word.bounds)} for word in page.words]
            line = {"document": document.id, "page": number, "text": page.text, "words": words}
            self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.count.written.documents += 1

    def finish(self) -> Reconciliation:
        self.file.close()
        return self.count
