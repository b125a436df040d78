"""Storages to deliver to: stand-ins for the APIs of Google Drive and Dropbox, which hold what is sent to
them against their documentation, and a real S3 server."""

import contextlib
import http.server
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

FOLDER = "application/vnd.google-apps.folder"


class Storages:
    """Google Drive and Dropbox at one address."""

    def __init__(self):
        self.tokens, self.refresh_tokens, self.clients = set(), set(), {}
        self.files, self.sessions, self.shared = {}, {}, set()
        self.dropbox, self.dropbox_sessions = {}, {}
        self.calls, self.faults = [], []
        self.quota_is_exceeded = False
        # Cleared, bytes are taken only once it is set again.
        self.gate = threading.Event()
        self.gate.set()
        storages = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, value=None, headers=()):
                body = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                for name, text in headers:
                    self.send_header(name, text)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_all(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                storages.calls.append((self.command, url.path, query))
                try:
                    self.answer(*storages.route(self, url.path, query, body))
                except AssertionError as error:
                    storages.faults.append(f"{self.command} {self.path}: {error!r}")
                    self.answer(400, {"error": {"message": repr(error)}})

            do_GET = do_POST = do_PUT = do_PATCH = handle_all

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def route(self, request, path, query, body):
        if path in ["/token", "/oauth2/token"]:
            return self.renew(request, body)
        scheme, _, token = (request.headers["Authorization"] or "").partition(" ")
        assert scheme == "Bearer", scheme
        if token not in self.tokens:
            return 401, {"error": {"code": 401, "message": "Invalid Credentials"}}
        if path.startswith("/2/"):
            return self.of_dropbox(request, path, body)
        if path.startswith("/upload/drive/v3/files"):
            return self.upload(request, path, query, body)
        return self.of_drive(request, path, query, body)

    def renew(self, request, body):
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        form = dict(urllib.parse.parse_qsl(body.decode()))
        assert form["grant_type"] == "refresh_token", form
        known = self.clients.get(form["client_id"]) == form["client_secret"]
        if not known or form["refresh_token"] not in self.refresh_tokens:
            return 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}
        token = f"renewed-canary-{len(self.tokens)}"
        self.tokens.add(token)
        return 200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def of_drive(self, request, path, query, body):
        if (request.command, path) == ("GET", "/drive/v3/files"):
            return 200, {"files": [{"id": it} for it in self.found(query["q"])][:int(query["pageSize"])]}
        assert request.command == "POST", request.command
        given = json.loads(body)
        if path == "/drive/v3/files":
            assert given["mimeType"] == FOLDER, given
            return 200, {"id": self.keep({**given, "parents": ["root"]})}
        id = re.fullmatch("/drive/v3/files/([^/]+)/permissions", path)[1]
        assert id in self.files and given == {"role": "reader", "type": "anyone"}, given
        self.shared.add(id)
        return 200, {"id": "anyoneWithLink"}

    def found(self, q):
        clauses = q.split(" and ")
        assert "trashed = false" in clauses, q
        name = re.fullmatch(r"name = '(.*)'", clauses[0])[1].replace("\\'", "'")
        kind = re.search(r"mimeType = '([^']*)'", q)
        parent = re.search(r"'([^']*)' in parents", q)
        for id, file in self.files.items():
            if (file["name"] == name and (not kind or file.get("mimeType") == kind[1])
                    and (not parent or parent[1] in file["parents"])):
                yield id

    def keep(self, file):
        id = f"id{len(self.files)}"
        self.files[id] = file
        return id

    def upload(self, request, path, query, body):
        if request.command in ["POST", "PATCH"]:
            assert query["uploadType"] == "resumable", query
            assert request.headers["X-Upload-Content-Type"] == "application/zip"
            if self.quota_is_exceeded:
                reason = [{"reason": "storageQuotaExceeded"}]
                message = "The user's Drive storage quota has been exceeded."
                return 403, {"error": {"code": 403, "message": message, "errors": reason}}
            given = json.loads(body)
            if request.command == "POST":
                assert self.files[given["parents"][0]]["mimeType"] == FOLDER, given
            else:
                given = self.files[path.rsplit("/", 1)[1]]
            session = f"session{len(self.sessions)}"
            size = int(request.headers["X-Upload-Content-Length"])
            id = path.rsplit("/", 1)[1] if request.command == "PATCH" else None
            self.sessions[session] = {"id": id, "file": given, "size": size, "bytes": b"", "stumbles": True}
            return 200, None, [("Location", f"{self.address}/upload/drive/v3/files?upload_id={session}")]
        self.gate.wait(60)
        session = self.sessions[query["upload_id"]]
        first, last, size = re.fullmatch(
            r"bytes (?:\*|(\d+)-(\d+))/(\d+)", request.headers["Content-Range"]).groups()
        assert int(size) == session["size"], size
        if first is not None:
            assert len(body) == int(last) + 1 - int(first), (first, last, len(body))
            assert int(first) == len(session["bytes"]), (first, len(session["bytes"]))
            assert int(last) + 1 == int(size) or len(body) % (256 << 10) == 0, len(body)
            # Half of the first chunk arrives.
            if session["stumbles"]:
                session["stumbles"] = False
                session["bytes"] += body[:len(body) // 2]
                return 503, {"error": {"message": "Backend Error"}}
            session["bytes"] += body
        if len(session["bytes"]) < session["size"]:
            arrived = len(session["bytes"])
            return 308, None, [("Range", f"bytes=0-{arrived - 1}")] if arrived else []
        id = session["id"] or self.keep(session["file"])
        self.files[id]["bytes"] = session["bytes"]
        return 200, {"id": id, "webViewLink": f"https://drive.google.com/file/d/{id}/view?usp=drivesdk"}

    def of_dropbox(self, request, path, body):
        assert request.command == "POST", request.command
        if path.startswith("/2/files/upload_session/"):
            assert request.headers["Content-Type"] == "application/octet-stream"
            said = json.loads(request.headers["Dropbox-API-Arg"])
            if path.endswith("/start"):
                session = f"session{len(self.dropbox_sessions)}"
                self.dropbox_sessions[session] = body
                return 200, {"session_id": session}
            session, offset = said["cursor"]["session_id"], said["cursor"]["offset"]
            assert offset == len(self.dropbox_sessions[session]), said
            self.dropbox_sessions[session] += body
            if path.endswith("/append_v2"):
                return 200, None
            assert path.endswith("/finish") and said["commit"]["mode"] == "overwrite", said
            self.dropbox[said["commit"]["path"]] = self.dropbox_sessions[session]
            return 200, {"path_display": said["commit"]["path"], "size": len(self.dropbox_sessions[session])}
        given = json.loads(body)
        assert given["path"] in self.dropbox, given
        link = {"url": f"https://www.dropbox.com/s/x{urllib.parse.quote(given['path'])}?dl=0"}
        if path == "/2/sharing/list_shared_links":
            return 200, {"links": [link]}
        assert path == "/2/sharing/create_shared_link_with_settings", path
        if given["path"] in self.shared:
            return 409, {"error_summary": "shared_link_already_exists/", "error": {".tag": "shared_link_already_exists"}}
        self.shared.add(given["path"])
        return 200, link

    def named(self, name):
        return next(file for file in self.files.values() if file["name"] == name)


@contextlib.contextmanager
def s3(bucket, key="AKIACANARY", secret="s3-secret-canary"):
    """A SeaweedFS of its own; gives the variables for its clients and a reader of what lies there."""
    weed = os.path.join(os.path.dirname(sys.executable), "weed")
    weed = weed if os.path.exists(weed) else shutil.which("weed")
    assert weed, "SeaweedFS is missing: see tests/python/requirements.txt"
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "s3.json")
        rights = {"name": "test", "credentials": [{"accessKey": key, "secretKey": secret}],
                  "actions": ["Admin", "Read", "Write", "List"]}
        with open(config, "w") as file:
            json.dump({"identities": [rights]}, file)
        names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
                 "filer.port.grpc", "s3.port", "s3.port.grpc"]
        ports = dict(zip(names, free_ports(len(names))))
        options = [f"-{name}={port}" for name, port in ports.items()]
        server = subprocess.Popen(
            [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20",
             "-master.volumeSizeLimitMB=64", "-filer", "-s3", "-s3.iam=false", "-s3.autoCreateBucket=false", f"-s3.config={config}", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        filer = f"http://127.0.0.1:{ports['filer.port']}"
        try:
            until(lambda: urllib.request.urlopen(f"{filer}/", timeout=5))
            made = urllib.request.Request(f"{filer}/buckets/{bucket}/", headers={"Content-Length": "0"}, method="POST")
            until(lambda: urllib.request.urlopen(made, timeout=5))
            address = f"http://127.0.0.1:{ports['s3.port']}"
            until(lambda: answers(address))
            env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": address,
                   "AWS_REGION": "us-east-1", "DOCGENIE_S3_BUCKET": bucket}
            yield env, lambda path: urllib.request.urlopen(f"{filer}/buckets/{bucket}/{path}", timeout=30).read()
        finally:
            server.kill()
            server.wait()


def answers(address):
    """Anything but silence: without a key the server refuses."""
    try:
        urllib.request.urlopen(address, timeout=5)
    except urllib.error.HTTPError:
        pass


def until(attempt, patience=60):
    end = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def free_ports(count):
    """Below those that connections are made from, which the server's own would take."""
    ports = []
    for port in random.sample(range(15_000, 32_000), 200):
        with socket.socket() as it, contextlib.suppress(OSError):
            it.bind(("127.0.0.1", port))
            ports.append(port)
    return ports[:count]
