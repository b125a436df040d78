"""{{ title }}: one sentence about the document."""

from docgenie_plugin import Document, GroundTruthFormat, Problem, Unsuitable


class Summary(GroundTruthFormat):
    """One sentence about the document."""

    id = "{{ id }}"
    title = "{{ title }}"
    summary = "One sentence about the document."

    # What a pipeline can set: a JSON Schema. Descriptions are what its users read.
    params = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "max_words": {
                "description": "The most words that the sentence may have.",
                "type": "integer",
                "minimum": 1,
                "maximum": 100,
                "default": 30,
            },
        },
    }

    def instructions(self, params: dict) -> str:
        """Part of the prompt of whoever writes the document."""
        most = params["max_words"]
        return f"Sum the document up in one sentence of at most {most} words, as `summary`."

    def draft_schema(self, params: dict) -> dict:
        """What the writer hands in. Descriptions are part of what it is asked for."""
        return {
            "type": "object",
            "properties": {
                "summary": {
                    "description": "One sentence that says what the document is about.",
                    "type": "string",
                },
            },
            "required": ["summary"],
        }

    def build(self, params: dict, draft: dict, document: Document) -> dict:
        """What the dataset holds of the finished document."""
        if not document.pages:
            raise Unsuitable("it has no pages")
        return {"summary": draft["summary"].strip(), "pages": len(document.pages)}

    def verify(self, params: dict, truth: dict, document: Document) -> list[Problem]:
        """What is not true of the document."""
        most = params["max_words"]
        if len(truth["summary"].split()) <= most:
            return []
        return [Problem(f"it has more than {most} words", "/summary")]
