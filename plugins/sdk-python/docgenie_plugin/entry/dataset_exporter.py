"""The component of a plugin that exports."""

import json
from types import SimpleNamespace
from typing import Any

import plugin  # noqa: F401  (its classes are known once it is imported)
from wit_world.exports import exporter
from wit_world.imports import assets, documents, sink

from .. import files
from ..documents import Document
from ..guest import Guest, answered, offers_of
from ..offers import DatasetExporter, Job, Tally

files.host = SimpleNamespace(
    read=assets.read, create=sink.create, put=sink.put, put_image=sink.put_image
)


class Exporter(Guest):
    """What the host calls. One instance serves one export."""

    running: Any = None

    offers = offers_of(DatasetExporter)

    def begin(self, job: exporter.Job) -> None:
        def begin() -> None:
            Exporter.running = self.find(job.offer)
            asked = Job(json.loads(job.params), json.loads(job.dataset), job.expected)
            Exporter.running.begin(asked)

        answered(begin)

    def add(self, document: documents.Document) -> None:
        def add() -> None:
            with Document(document) as lent:
                Exporter.running.add(lent)

        answered(add)

    def finish(self) -> exporter.Summary:
        def finish() -> exporter.Summary:
            count = Exporter.running.finish()
            return exporter.Summary(_tally(count.taken), _tally(count.written), json.dumps(count.report))

        return answered(finish)


def _tally(tally: Tally) -> exporter.Tally:
    return exporter.Tally(tally.documents, tally.images, tally.boxes, tally.labels)
