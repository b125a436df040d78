"""Does the service do what its OpenAPI document says? `fuzz.py ENGINE [OPTIONS OF ST]`.

Schemathesis makes requests of the document, good and bad, and holds answers against it. This file is
also the module of its hooks.
"""

import os
import subprocess
import sys
import tempfile

import schemathesis

from service import Service

HERE = os.path.dirname(os.path.abspath(__file__))
# What a schema cannot say: whether an address leads to a picture, a text is a pipeline, a pipeline
# has such parameters. Everything else that fits its schema must be taken.
CONFIG = """
[[operations]]
include-path-regex = "^/generate"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409, 422]

[[operations]]
include-path-regex = "^/pipelines/"
checks.positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
"""
# Nobody listens here, so that nothing is fetched from anywhere.
NOWHERE = "http://127.0.0.1:9/seed.png"
# The characters of an address at most.
LONGEST = 2048
# What is asked for without parameters would take long.
SMALL = {"count": 1, "ocr": False}


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("seed_images"), list):
        # One that is too long is sent as it is: it must be refused, and is fetched from nowhere.
        fetched = lambda it: isinstance(it, str) and it.lower().startswith("http") and len(it) <= LONGEST
        body["seed_images"] = [NOWHERE if fetched(it) else it for it in body["seed_images"]]
    if case.operation.path.endswith("/runs") and isinstance(body, dict) and not body.get("params"):
        body["params"] = SMALL


def main(engine, *options):
    with tempfile.TemporaryDirectory() as home:
        models = {"ANTHROPIC_BASE_URL": NOWHERE, "OPENAI_BASE_URL": NOWHERE}
        service = Service(engine, home, "--runs", "4", "--jobs", "1", env=models)
        config = os.path.join(home, "schemathesis.toml")
        with open(config, "w") as file:
            file.write(CONFIG)
        ended = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run",
             f"http://{service.address}/openapi.json", "--checks", "all", "--seed", "1", "--no-color",
             "--generation-database", "none", "--continue-on-failure", "--request-timeout", "60", "--max-response-time", "60",
             "--warnings", "off", *(options or ["--max-examples", "10", "--max-time", "60"])],
            stdout=sys.stderr,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "fuzz", "PYTHONPATH": HERE}, cwd=home)
        assert ended.returncode == 0, "the service does not do what it says"
        assert service.get("/readyz")["status"] == "ready"
        service.kill()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), *sys.argv[2:])
