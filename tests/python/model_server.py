"""Stands in for the interfaces of language models, as their public documentation describes them:
Anthropic's Messages and Message Batches APIs and chat completions of the OpenAI kind.

    model_server.py FOLDER

It prints its port, appends each request to FOLDER/log.jsonl, and does what FOLDER/script.json says,
which is read for every request:

    key            the key that is accepted (default "sk-test")
    models         names that are known
    faults         for the first calls that want an answer, one each: {"status", "type", "message",
                   "retry_after"} or "hang" or null
    stop_reason    of every answer
    text           every answer, word for word, instead of documents
    missing        how many documents of the first answer are left out
    pictures       false: pictures are refused
    polls          how often a batch is looked at before it has ended (default 1)
    outcomes       of a batch's requests, one each, then "succeeded"
    create_delay   seconds between creating a batch and saying so
    cut_results    results whose connection breaks, one time
"""

import datetime
import json
import pathlib
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = pathlib.Path(sys.argv[1])
MODELS = ["claude-sonnet-4-5-20250929", "claude-3-5-sonnet-20241022", "gpt-4.1-mini", "local"]
LOCK = threading.Lock()
# Calls for an answer, and outcomes and breaks that have been used.
USED = {"calls": 0, "outcomes": 0, "answers": 0, "cuts": 0}
BATCHES = {}


def script(name, default=None):
    try:
        return json.loads((FOLDER / "script.json").read_text()).get(name, default)
    except FileNotFoundError:
        return default


def next_of(name):
    with LOCK:
        USED[name] += 1
        return USED[name] - 1


class Refused(Exception):
    def __init__(self, status, kind, message, retry_after=None):
        super().__init__(message)
        self.status, self.kind, self.message, self.retry_after = status, kind, message, retry_after


def wrong(message):
    return Refused(400, "invalid_request_error", message)


def documents(prompt):
    """The documents that a prompt asks for, each with its ground truth."""
    number = int(re.search(r"Write (\d+)", prompt).group(1))
    group = re.search(r"This is set (\d+)", prompt).group(1)
    if next_of("answers") == 0:
        number -= script("missing", 0)
    again = "b" if "An earlier answer" in prompt else ""
    pages = []
    for at in range(1, number + 1):
        name = f"S{group}-{at}{again}"
        truth = {
            "document_type": "receipt",
            "language": "en",
            "answers": {"What is the receipt number?": name, "What is the total?": f"{at}7.50 EUR"},
        }
        pages.append(
            f"""<!DOCTYPE html>
<html lang="en"><head><style>@page {{ size: A5; margin: 0 }} body {{ padding: 15mm; font-family: sans-serif }}</style></head>
<body><h1 data-region="title">Receipt</h1>
<p>Number <span data-field="receipt_number" data-entity="ID">{name}</span></p>
<p data-region="total">Total <b data-field="total">{at}7.50 EUR</b></p>
<script type="application/json" id="ground-truth">{json.dumps(truth)}</script>
</body></html>"""
        )
    return "\n\n".join(pages)


def message(params):
    """The answer to the body of a request for a message."""
    model = params.get("model")
    if not isinstance(model, str):
        raise wrong("model: Field required")
    if model not in script("models", MODELS):
        raise Refused(404, "not_found_error", f"model: {model}")
    limit = params.get("max_tokens")
    if not isinstance(limit, int) or limit < 1:
        raise wrong("max_tokens: Field required")
    most = 8192 if model.startswith("claude-3-5") else 64000
    if limit > most:
        raise wrong(f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens")
    messages = params.get("messages")
    if not messages or messages[0].get("role") != "user":
        raise wrong("messages: first message must use the \"user\" role")
    known = {"model", "max_tokens", "messages", "system", "temperature", "metadata", "stop_sequences", "stream"}
    for name in params.keys() - known:
        raise wrong(f"{name}: Extra inputs are not permitted")
    prompt = ""
    for block in messages[0]["content"]:
        if block["type"] == "text":
            prompt += block["text"]
        elif block["type"] == "image":
            source = block["source"]
            if source["type"] != "base64" or source["media_type"] not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
                raise wrong("messages.0.content.0.image.source: Input should be a valid image")
        else:
            raise wrong("messages.0.content: unknown block")
    stop = script("stop_reason", "end_turn")
    text = script("text") or documents(prompt)
    content = [] if stop == "refusal" else [{"type": "text", "text": text}]
    return {
        "id": f"msg_{time.time_ns()}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 1000,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3000,
            "service_tier": "standard",
        },
    }


class Batch:
    def __init__(self, requests):
        if not isinstance(requests, list) or not requests:
            raise wrong("requests: Field required")
        names = [request["custom_id"] for request in requests]
        if len(set(names)) < len(names):
            raise wrong("requests: custom_id must be unique")
        for name in names:
            if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
                raise wrong("requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
        self.requests = requests
        self.created = self.now()
        self.polls = script("polls", 1)
        self.cancelled = None
        self.results = None
        with LOCK:
            self.id = f"msgbatch_{len(BATCHES) + 1:024}"
            BATCHES[self.id] = self

    @staticmethod
    def now():
        return datetime.datetime.now(datetime.timezone.utc).isoformat()

    def look(self):
        with LOCK:
            self.polls -= 1
            due = self.polls < 0 or self.cancelled
        if due and self.results is None:
            results = [self.result(request) for request in self.requests]
            # They need not come in the order of the requests.
            self.results = results[::-1]

    def result(self, request):
        outcomes = script("outcomes", [])
        at = next_of("outcomes")
        outcome = outcomes[at] if at < len(outcomes) else "succeeded"
        if self.cancelled and outcome == "succeeded":
            outcome = "canceled"
        result = {"type": outcome}
        if outcome == "succeeded":
            try:
                result["message"] = message(request["params"])
            except Refused as refused:
                error = {"type": refused.kind, "message": refused.message}
                result = {"type": "errored", "error": {"type": "error", "error": error}}
        elif outcome == "errored":
            error = {"type": "invalid_request_error", "message": "messages: at least one is required"}
            result["error"] = {"type": "error", "error": error}
        elif outcome == "overloaded":
            error = {"type": "overloaded_error", "message": "Overloaded"}
            result = {"type": "errored", "error": {"type": "error", "error": error}}
        return {"custom_id": request["custom_id"], "result": result}

    def shown(self, address):
        counts = dict.fromkeys(["processing", "succeeded", "errored", "canceled", "expired"], 0)
        for result in self.results or []:
            counts[result["result"]["type"]] += 1
        if self.results is None:
            counts["processing"] = len(self.requests)
        ended = self.results is not None
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if self.cancelled else "in_progress",
            "request_counts": counts,
            "created_at": self.created,
            "expires_at": self.created,
            "ended_at": self.now() if ended else None,
            "cancel_initiated_at": self.cancelled,
            "archived_at": None,
            "results_url": f"{address}/v1/messages/batches/{self.id}/results" if ended else None,
        }


def completion(params):
    if params.get("model") not in script("models", MODELS):
        name = params.get("model")
        raise Refused(404, "invalid_request_error", f"The model `{name}` does not exist")
    content = params["messages"][-1]["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    if any(part["type"] == "image_url" for part in parts) and not script("pictures", True):
        raise wrong("this model does not support image input")
    prompt = "".join(part.get("text", "") for part in parts)
    stop = script("stop_reason", "stop")
    text = script("text") or documents(prompt)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": params["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": stop,
            }
        ],
        "usage": {"prompt_tokens": 800, "completion_tokens": 2000, "total_tokens": 2800},
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy")
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def answer(self, method):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        path, _, query = self.path.partition("?")
        with LOCK, open(FOLDER / "log.jsonl", "a") as log:
            kept = {name.lower(): text for name, text in self.headers.items()}
            log.write(json.dumps({"method": method, "path": path, "headers": kept, "body": body}) + "\n")
        try:
            self.route(method, path, dict(re.findall(r"(\w+)=([^&]*)", query)), body)
        except Refused as refused:
            error = {"type": refused.kind, "message": refused.message}
            value = {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}
            after = refused.retry_after
            self.reply(refused.status, value, [] if after is None else [("retry-after", str(after))])

    def route(self, method, path, query, body):
        key = script("key", "sk-test")
        if path.endswith("/chat/completions"):
            if key and self.headers.get("authorization") != f"Bearer {key}":
                raise Refused(401, "invalid_request_error", "Incorrect API key provided")
            self.disturb()
            return self.reply(200, completion(body))
        if self.headers.get("x-api-key") != key:
            raise Refused(401, "authentication_error", "invalid x-api-key")
        if self.headers.get("anthropic-version") != "2023-06-01":
            raise wrong("anthropic-version: header is required")
        if (method, path) == ("POST", "/v1/messages"):
            self.disturb()
            return self.reply(200, message(body))
        parts = path.strip("/").split("/")
        if parts[:3] != ["v1", "messages", "batches"] or len(parts) > 5:
            raise Refused(404, "not_found_error", "Not Found")
        return self.batches(method, parts[3:], query, body)

    def batches(self, method, parts, query, body):
        address = f"http://{self.headers['host']}"
        if not parts and method == "POST":
            self.disturb()
            batch = Batch(body.get("requests"))
            time.sleep(script("create_delay", 0))
            return self.reply(200, batch.shown(address))
        if not parts:
            newest = list(BATCHES.values())[::-1]
            if "after_id" in query:
                newest = newest[[batch.id for batch in newest].index(query["after_id"]) + 1 :]
            limit = int(query.get("limit", 20))
            data = [batch.shown(address) for batch in newest[:limit]]
            ids = [batch["id"] for batch in data]
            return self.reply(
                200,
                {
                    "data": data,
                    "has_more": len(newest) > limit,
                    "first_id": ids[0] if ids else None,
                    "last_id": ids[-1] if ids else None,
                },
            )
        if parts[0] not in BATCHES:
            raise Refused(404, "not_found_error", f"Message Batch {parts[0]} not found")
        batch = BATCHES[parts[0]]
        if parts[1:] == ["cancel"] and method == "POST":
            batch.cancelled = batch.cancelled or batch.now()
            return self.reply(200, batch.shown(address))
        if parts[1:] == ["results"]:
            if batch.results is None:
                raise wrong("the batch has not ended")
            return self.results(batch)
        batch.look()
        return self.reply(200, batch.shown(address))

    def results(self, batch):
        lines = "".join(json.dumps(result) + "\n" for result in batch.results).encode()
        cut = next_of("cuts") < script("cut_results", 0)
        self.send_response(200)
        self.send_header("content-type", "application/x-jsonl")
        self.send_header("content-length", str(len(lines)))
        self.end_headers()
        self.wfile.write(lines[: len(lines) // 2] if cut else lines)
        self.close_connection = True

    def disturb(self):
        faults = script("faults", [])
        at = next_of("calls")
        fault = faults[at] if at < len(faults) else None
        if fault == "hang":
            time.sleep(3600)
        if fault:
            raise Refused(fault["status"], fault["type"], fault.get("message", "no"), fault.get("retry_after"))

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # Those who are killed hang up.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
