"""The component of a plugin that makes ground truth."""

import json

import plugin  # noqa: F401  (its classes are known once it is imported)
from wit_world.imports import documents, types

from ..documents import Document
from ..guest import Guest, answered, logged, offers_of, problems
from ..offers import GroundTruthFormat


class GroundTruth(Guest):
    """What the host calls."""

    offers = offers_of(GroundTruthFormat)

    def instructions(self, offer: str, params: str) -> str:
        return answered(lambda: self.find(offer).instructions(json.loads(params)))

    def draft_schema(self, offer: str, params: str) -> str:
        return answered(lambda: json.dumps(self.find(offer).draft_schema(json.loads(params))))

    def build(self, offer: str, params: str, draft: str, document: documents.Document) -> str:
        def build() -> str:
            with Document(document) as lent:
                truth = self.find(offer).build(json.loads(params), json.loads(draft), lent)
                return json.dumps(truth, ensure_ascii=False)

        return answered(build)

    def verify(
        self, offer: str, params: str, truth: str, document: documents.Document
    ) -> list[types.Problem]:
        def verify() -> list[types.Problem]:
            with Document(document) as lent:
                found = self.find(offer).verify(json.loads(params), json.loads(truth), lent)
                return problems(found)

        return logged(verify)
