"""Uses the HTTP service as its clients do: `service.py ENGINE SCENARIO`.

Nothing beyond the standard library, so that the requests are those that anybody could send.
"""

import atexit
import base64
import contextlib
import glob
import http.client
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib

from storages import Storages, s3

PATIENCE = 120
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def png(width=240, height=320, colour=(180, 40, 40)):
    """A picture of one colour."""
    row = b"\0" + bytes(colour) * width
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))


@contextlib.contextmanager
def seeds():
    """A server of seed images; gives the address of one."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = png()
            self.send_response(200 if self.path.endswith(".png") else 404)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/seed.png"
    finally:
        server.shutdown()


class Service:
    """A service over a home; can be killed and started again."""

    def __init__(self, engine, home, *options, env=None):
        self.engine, self.home, self.options = engine, home, options
        self.env = {**os.environ, "DOCGENIE_HOME": home, "ANTHROPIC_API_KEY": "", **(env or {})}
        self.key = None
        atexit.register(lambda: self.process.kill())
        self.start()

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.engine, "serve", "--listen", "127.0.0.1:0", "--allow-private-addresses", *self.options],
            env=self.env, stderr=subprocess.PIPE, text=True)
        talk = []
        for line in self.process.stderr:
            talk.append(line)
            found = re.search(r"listening at http://([\d.:]+)", line)
            if found:
                self.address = found[1]
                break
        else:
            raise AssertionError(f"the service did not start: {''.join(talk)}")
        self.ready_after = time.monotonic() - began
        self.talk = talk
        self.listener = threading.Thread(target=lambda: talk.extend(self.process.stderr), daemon=True)
        self.listener.start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.process.returncode
        self.listener.join(PATIENCE)

    def ask(self, method, path, body=None, headers=None, raw=None):
        """Status, headers and body of an answer; JSON is decoded."""
        headers = dict(headers or {})
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(f"http://{self.address}{path}", raw, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            answer = error
        data = answer.read()
        if data and answer.headers.get_content_type() == "application/json":
            data = json.loads(data)
        return answer.status, answer.headers, data

    def get(self, path, status=200):
        got, _, body = self.ask("GET", path)
        assert got == status, (path, got, body)
        return body

    def post(self, path, body, status=200, headers=None):
        got, _, answer = self.ask("POST", path, body, headers)
        assert got == status, (path, got, answer)
        return answer

    def until(self, path, wanted):
        """Polls until `wanted` holds of the answer."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.get(path)
            if wanted(answer):
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{path}: {answer}")


def completed(answer):
    assert answer["status"] != "failed", answer
    return answer["status"].startswith("completed")


def request(address, **prompt_params):
    prompt_params.setdefault("doc_type", "invoice")
    return {"seed_images": [address], "prompt_params": prompt_params}


def protocol(engine, home, address):
    """Every route of the original's protocol."""
    service = Service(engine, home)
    assert service.get("/")["message"]
    assert service.get("/health") == {"status": "healthy", "version": "1.0.0"}
    assert service.get("/livez") and service.get("/readyz") and service.get("/version")["engine"]
    assert b"docgenie_runs_waiting 0" in service.ask("GET", "/metrics")[2]
    for page in ["/docs", "/redoc"]:
        html = service.ask("GET", page)[2].decode()
        for asset in re.findall(r'(?:src|href)="(/assets/[^"]+)"', html):
            status, _, data = service.ask("GET", asset)
            assert status == 200 and len(data) > 50, asset
        assert "//" not in html.replace("</", ""), f"{page} loads from elsewhere"

    # JSON, minimal.
    answer = service.post("/generate", request(address, num_solutions=2, seed=7))
    assert answer["success"] and answer["total_documents"] == 2
    assert answer["message"] == "Successfully generated 2 documents"
    assert any("no language model" in warning for warning in answer["warnings"])
    for index, document in enumerate(answer["documents"]):
        assert document["document_id"] == f"{answer['request_id']}_{index}"
        assert document["html"] and document["css"] and document["ground_truth"]
        assert base64.b64decode(document["pdf_base64"]).startswith(b"%PDF")
        assert 50 < document["page_width_mm"] < 500 and document["page_height_mm"] > 50
        assert len(document["bboxes"]) > 20
        for box in document["bboxes"]:
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 1.000001, box
        for absent in ["ocr_results", "normalized_bboxes_word", "gt_verification", "token_mapping"]:
            assert absent not in document, absent
    again = service.post("/generate", request(address, num_solutions=2, seed=7))
    assert [it["html"] for it in again["documents"]] == [it["html"] for it in answer["documents"]]

    # JSON, with everything that can be asked.
    everything = request(
        address, seed=8, enable_ocr=True, enable_bbox_normalization=True, enable_gt_verification=True,
        enable_analysis=True, enable_debug_visualization=True, enable_dataset_export=True,
        output_detail="dataset", enable_handwriting=True, enable_visual_elements=True)
    answer = service.post("/generate", everything)
    document = answer["documents"][0]
    assert document["ocr_results"]["words"] and document["normalized_bboxes_word"]
    assert document["gt_verification"]["passed"] and document["image_base64"]
    assert document["token_mapping"]["handwriting"]["total_count"] == 0
    assert answer["dataset_export"]["msgpack_base64"] and answer["analysis"]
    assert "logs" not in answer
    complete = service.post("/generate", request(address, output_detail="complete"))
    assert [it["id"] for it in complete["logs"]][:3] == ["author", "render", "boxes"], complete["logs"]
    assert base64.b64decode(complete["documents"][0]["debug_visualization_base64"]).startswith(b"\x89PNG")
    told = " ".join(answer["warnings"])
    assert "handwriting" in told and "visual elements" in told

    # ZIP, in both layouts.
    status, headers, data = service.ask("POST", "/generate/pdf", request(address, num_solutions=2))
    assert status == 200 and headers["Content-Type"] == "application/zip"
    assert headers["Content-Disposition"].startswith("attachment")
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert "docgenie_documents/pdf/pdf_final/document_2.pdf" in names, names
    assert "docgenie_documents/dataset.msgpack" not in names
    metadata = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("docgenie_documents/metadata.json"))
    assert metadata["structure_version"] == "2.0"
    generation = metadata["generation_metadata"]
    assert generation["api_mode"] == "sync" and generation["request_id"]
    assert generation["prompt_params"]["num_solutions"] == 2
    data = service.ask("POST", "/generate/pdf?zip_layout=flat", request(address))[2]
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    for name in ["document_1.pdf", "document_1/document.html", "document_1/ground_truth.json",
                 "document_1/bboxes.json", "README.md", "metadata.json"]:
        assert f"docgenie_documents/{name}" in names, (name, names)

    # A job.
    body = {**request(address, num_solutions=3), "user_id": 123}
    job = service.post("/generate/async", body)
    assert job["status"] == "queued" and job["estimated_time_minutes"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", job["created_at"]), job
    done = service.until(job["poll_url"], completed)
    assert done["document_count"] == 3 and done["file_size_mb"] > 0
    status, _, data = service.ask("GET", done["download_url"].split(service.address)[1])
    assert status == 200 and zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    old = service.ask("GET", f"/generate/async/result/{job['request_id']}")
    assert old[2] == data
    assert service.get(f"/generate/async/status/{job['request_id']}") == done
    listed = service.get("/jobs/user/123?limit=50&offset=0")
    assert listed["user_id"] == 123 and listed["count"] == 1, listed
    assert listed["jobs"][0]["request_id"] == job["request_id"]
    assert service.get("/jobs/user/999") == {"user_id": 999, "jobs": [], "count": 0, "limit": 50, "offset": 0}

    # The newest gateway names requests `user/uuid`, and sends what Swagger UI has filled in.
    name = "77/3f1c2b1e-0000-4000-8000-000000000001"
    body = {**request(address), "request_id": name, "google_drive_token": "string"}
    job = service.post("/generate/async", body)
    assert job["request_id"] == name and "Drive" not in " ".join(job["warnings"])
    service.until(f"/jobs/{name}/status", completed)
    assert service.get(f"/jobs/{name.replace('/', '%2F')}/status")["status"] == "completed"
    assert service.get("/jobs/user/77")["count"] == 1
    assert service.post("/generate/async", body, 409)["detail"]

    # What cannot be.
    for body, place in [
        ({}, "seed_images"), ({"seed_images": []}, "seed_images"),
        ({"seed_images": ["no address"]}, "seed_images"),
        ({"seed_images": ["file:///etc/passwd"]}, "seed_images"),
        ({"seed_images": [address] * 11}, "seed_images"),
        (request(address, num_solutions=6), "num_solutions"),
        (request(address, num_solutions="two"), "num_solutions"),
        (request(address, handwriting_ratio=1.5), "handwriting_ratio"),
        (request(address, output_detail="pdf_only"), "output_detail"),
        ({**request(address), "request_id": "../../etc"}, "request_id"),
        ({**request(address), "provider": "openai"}, "model"),
    ]:
        detail = service.post("/generate", body, 422)["detail"]
        assert isinstance(detail, list) and place in str(detail[0]["loc"]), (body, detail)
    assert "not found" in service.get("/jobs/nobody/status", 404)["detail"]
    for path in ["/jobs/..%2f..%2fetc/status", "/jobs/%00/status", "/jobs/a/b/c/status", "/nowhere"]:
        assert service.ask("GET", path)[0] == 404, path
    assert service.ask("GET", "/generate")[0] == 405
    assert service.ask("POST", "/generate", raw=b"{", headers={})[0] == 422
    assert service.ask("POST", "/generate", raw=b"[" * 100_000)[0] == 422
    assert service.ask("POST", "/generate", raw=b" " * (2 << 20))[0] == 413
    assert service.ask("POST", "/generate", raw=b"x=1", headers={
        "Content-Type": "application/x-www-form-urlencoded"})[0] == 415
    assert service.get("/jobs/user/1?limit=0", 422)["detail"][0]["loc"] == ["query", "limit"]
    service.stop()


def generic(engine, home, address):
    """Any pipeline: uploaded, run, watched, steered, removed."""
    service = Service(engine, home)
    shipped = {it["name"] for it in service.get("/pipelines")}
    assert {"docgenie", "invoices", "documents"} <= shipped, shipped
    described = service.get("/pipelines/invoices")
    assert "[[stage]]" in described["toml"] and described["params"][0]["name"] == "count"

    toml = described["toml"].replace('name = "invoices"', 'name = "mine"')
    assert service.ask("PUT", "/pipelines/mine", raw=toml.encode())[0] == 200
    broken = toml.replace('uses = "render"', 'uses = "rendr"')
    status, _, answer = service.ask("PUT", "/pipelines/broken", raw=broken.encode())
    assert status == 422 and "rendr" in answer["detail"][0]["msg"], answer
    assert service.ask("PUT", "/pipelines/invoices", raw=toml.encode())[0] == 409

    run = service.post("/pipelines/mine/runs", {"params": {"count": 3, "ocr": False}, "seed": 5}, 202)
    done = service.until(f"/runs/{run['id']}", lambda it: it["state"] == "completed")
    assert done["succeeded"] == 3 and done["seed"] == 5 and done["stages"][0]["done"] == 3
    files = {it["path"] for it in service.get(f"/runs/{run['id']}/artifacts")}
    assert "metadata.json" in files and "pdf/pdf_final/document_3.pdf" in files
    data = service.ask("GET", f"/runs/{run['id']}/artifacts/pdf/pdf_final/document_3.pdf")
    assert data[2].startswith(b"%PDF") and "sandbox" in data[1]["Content-Security-Policy"]
    for path in ["../../keys.json", "..%2f..%2fkeys.json", "%2fetc%2fpasswd", "no/such"]:
        assert service.ask("GET", f"/runs/{run['id']}/artifacts/{path}")[0] == 404, path
    data = service.ask("GET", f"/runs/{run['id']}/download")[2]
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == len(files)

    # Events: all of them, then those behind one.
    def events(last=None):
        connection = http.client.HTTPConnection(service.address, timeout=PATIENCE)
        connection.request("GET", f"/runs/{run['id']}/events",
                           headers={"Last-Event-ID": last} if last else {})
        text = connection.getresponse().read().decode()
        return re.findall(r"id: (\d+)\nevent: (\S+)\ndata: (.*)", text) or re.findall(
            r"event: (\S+)\ndata: (.*)\nid: (\d+)", text)
    told = events()
    names = [next(part for part in event if part.isalpha()) for event in told]
    assert names[0] == "queued" and names[1] == "running" and names[-1] == "completed", told
    assert names.count("document") == 3
    assert events("3") == told[3:]

    # Files that come with a request.
    toml = 'name = "files"\n\n[[stage]]\nuses = "input"\n'
    assert service.ask("PUT", "/pipelines/files", raw=toml.encode())[0] == 200
    part = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = part.format("request", "", '{"seed": 1}')
    body += part.format("file", '; filename="../../one.txt"', "one")
    body += part.format("file", '; filename="two.txt"', "two") + "--x--\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    status, _, sent = service.ask("POST", "/pipelines/files/runs", raw=body.encode(), headers=form)
    assert status == 202, sent
    done = service.until(f"/runs/{sent['id']}", lambda it: it["state"] in ["completed", "failed"])
    assert done["state"] == "completed" and done["succeeded"] == 2, done
    assert service.ask("DELETE", f"/runs/{sent['id']}")[0] == 200
    assert service.ask("DELETE", "/pipelines/files")[0] == 200

    # Steering.
    long = {"params": {"count": 2000, "ocr": False}}
    run = service.post("/pipelines/mine/runs", long, 202)["id"]
    service.until(f"/runs/{run}", lambda it: it["succeeded"] > 3)
    service.post(f"/runs/{run}/pause", None)
    paused = service.until(f"/runs/{run}", lambda it: it["state"] == "paused")
    time.sleep(0.3)
    assert service.get(f"/runs/{run}")["succeeded"] == paused["succeeded"]
    service.post(f"/runs/{run}/pause", None, 409)
    service.post(f"/runs/{run}/resume", None)
    service.until(f"/runs/{run}", lambda it: it["succeeded"] > paused["succeeded"])
    resumed = service.get(f"/runs/{run}")
    assert resumed["stages"][0]["remembered"] >= paused["succeeded"], resumed
    began = time.monotonic()
    assert service.post(f"/runs/{run}/cancel", None)["state"] == "cancelled"
    assert time.monotonic() - began < 2
    service.post(f"/runs/{run}/cancel", None, 409)
    assert service.ask("GET", f"/runs/{run}/artifacts")[0] == 409
    assert service.ask("DELETE", f"/runs/{run}")[0] == 200
    service.get(f"/runs/{run}", 404)
    assert len(service.get("/runs")["runs"]) == 1
    assert service.ask("DELETE", "/pipelines/mine")[0] == 200
    service.get("/pipelines/mine", 404)
    bad = service.post("/pipelines/invoices/runs", {"params": {"count": 0}}, 422)
    assert "count" in bad["detail"][0]["msg"], bad
    service.post("/pipelines/invoices/runs", {"parms": {}}, 422)
    service.post("/pipelines/nobody/runs", {}, 404)
    service.stop()


def access(engine, home, address):
    """Keys, owners, rates, secrets."""
    def keys(*arguments):
        made = subprocess.run([engine, "keys", *arguments], env={**os.environ, "DOCGENIE_HOME": home},
                              capture_output=True, text=True, check=True)
        return made.stdout.strip()
    refused = subprocess.run([engine, "serve", "--listen", "0.0.0.0:0"], capture_output=True, text=True,
                             env={**os.environ, "DOCGENIE_HOME": home})
    assert refused.returncode == 2 and "DG0915" in refused.stderr, refused.stderr
    one, other, reader = keys("create", "one"), keys("create", "other"), keys("create", "r", "--scope", "read")
    admin, slow = keys("create", "a", "--scope", "admin"), keys("create", "s", "--requests-per-minute", "2")
    env = {"DOCGENIE_GOOGLE_API_URL": "http://127.0.0.1:9"}
    service = Service(engine, home, "-vv", env=env)
    assert service.get("/health") and service.get("/runs", 401)["hint"]
    service.key = one
    secret = "sk-canary-4711"
    body = {**request(address), "api_key": secret, "provider": "template", "google_drive_token": "canary-4712",
            "user_id": 5}
    job = service.post("/generate/async", body)
    service.until(job["poll_url"], completed)
    run = service.get("/runs")["runs"][0]["id"]
    for key in [other, reader]:
        service.key = key
        service.get(job["poll_url"], 404)
        service.get(f"/runs/{run}", 404)
        assert service.get("/runs")["runs"] == [] and service.get("/jobs/user/5")["count"] == 0
        assert service.ask("POST", f"/runs/{run}/cancel")[0] == (403 if key == reader else 404)
    service.key = reader
    service.post("/generate/async", request(address), 403)
    service.key = admin
    assert service.get(f"/runs/{run}")["state"] == "completed"
    service.key = one
    drive = "/users/5/integrations/google_drive"
    assert service.ask("PUT", drive, {"access_token": "canary-4713"})[0] == 200
    events = service.get("/analytics/events?user_id=5")
    assert [it["event_type"] for it in events["events"]] == [
        "generation_completed", "delivery_failed", "generation_requested"], events
    for key in [other, reader]:
        service.key = key
        service.get(drive, 404)
        assert service.ask("PUT", drive, {"access_token": "x"})[0] == (403 if key == reader else 200)
        assert service.get("/analytics/events?user_id=5")["events"] == []
    service.key = other
    assert service.ask("DELETE", drive)[0] == 200
    service.key = one
    assert service.get(drive)["is_connected"]
    assert service.ask("PUT", "/pipelines/x", raw=b"")[0] == 403
    service.key = slow
    assert [service.ask("GET", "/runs")[0] for _ in range(3)] == [200, 200, 429]
    service.key = "dg_000000000000_wrong"
    service.get("/runs", 401)
    service.key = one
    keys("revoke", one.split("_")[1])
    end = time.monotonic() + 5
    while service.ask("GET", "/runs")[0] != 401:
        assert time.monotonic() < end, "a revoked key is still let in"
        time.sleep(0.2)
    service.stop()
    # The secrets stand nowhere: not in the log, not in the home.
    hidden(service, secret, "canary-4712", "canary-4713", one)


def hidden(service, *canaries):
    """Nothing of a secret is in the log or in the home."""
    for canary in canaries:
        assert canary not in "".join(service.talk), canary
        for folder, _, files in os.walk(service.home):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    assert canary.encode() not in file.read(), (canary, folder, name)


def delivery(engine, home, address):
    """Results go to Google Drive, Dropbox and S3; users connect their own."""
    storages = Storages()
    storages.clients = {"client": "client-secret-canary", "app": "app-secret-canary"}
    with s3("documents") as (s3_env, lying):
        env = {"DOCGENIE_GOOGLE_API_URL": storages.address, "DOCGENIE_DROPBOX_API_URL": storages.address,
               "GOOGLE_CLIENT_ID": "client", "GOOGLE_CLIENT_SECRET": "client-secret-canary",
               "DROPBOX_APP_KEY": "app", "DROPBOX_APP_SECRET": "app-secret-canary", **s3_env}
        service = Service(engine, home, "-vv", env=env)

        def made(**fields):
            job = service.post("/generate/async", {**request(address), **fields})
            done = service.until(job["poll_url"], completed)
            return job["request_id"], done, service.ask("GET", f"/jobs/{job['request_id']}/download")[2]

        # A token that has run out is renewed; what breaks off is taken up where it was; the folder is made.
        storages.refresh_tokens.add("refresh-canary-1")
        storages.gate.clear()
        job = service.post("/generate/async", {
            **request(address), "user_id": 6, "google_drive_token": "stale-canary",
            "google_drive_refresh_token": "refresh-canary-1"})
        assert "Drive" not in " ".join(job["warnings"]), job
        service.until(job["poll_url"], lambda it: it["status"] == "uploading")
        storages.gate.set()
        done = service.until(job["poll_url"], completed)
        assert done["status"] == "completed", done
        file = storages.named(job["request_id"] + ".zip")
        assert storages.files[file["parents"][0]]["name"] == "DocGenie Documents"
        id = next(id for id, it in storages.files.items() if it is file)
        assert done["download_url"] == f"https://drive.google.com/file/d/{id}/view?usp=drivesdk", done
        assert id in storages.shared and ("POST", "/token", {}) in storages.calls
        here = service.ask("GET", f"/jobs/{job['request_id']}/download")[2]
        assert file["bytes"] == here and zipfile.ZipFile(io.BytesIO(here)).testzip() is None
        # Delivered once more, it takes the place of what is there.
        run = service.get("/runs")["runs"][0]
        count = len(storages.files)
        service.post(f"/runs/{run['id']}/retry", None)
        again = service.until(f"/runs/{run['id']}", lambda it: it["state"] == "completed")
        assert len(storages.files) == count and again["deliveries"][0]["outcome"] == "delivered", again

        # The folder is found again; a Drive that is full leaves the download.
        storages.tokens.add("token-canary")
        name, done, _ = made(google_drive_token="token-canary")
        assert done["status"] == "completed" and storages.named(name + ".zip")["parents"] == file["parents"]
        storages.quota_is_exceeded = True
        name, done, data = made(google_drive_token="token-canary", user_id=6)
        assert done["status"] == "completed_gdrive_failed" and "quota" in done["error_message"], done
        assert done["download_url"].endswith(f"/jobs/{name}/download")
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
        assert "quota" in " ".join(done["warnings"])
        storages.quota_is_exceeded = False
        name, done, _ = made(google_drive_token="unknown-canary")
        assert done["status"] == "completed_gdrive_failed" and "DG0713" in done["error_message"], done

        # A user's own connections, over a restart.
        drive, box = "/users/7/integrations/google_drive", "/users/7/integrations/dropbox"
        service.get(drive, 404)
        refused = service.post("/generate/async", {**request(address), "user_id": 7, "deliver_to": "google_drive"}, 422)
        assert refused["detail"][0]["loc"] == ["body", "deliver_to"], refused
        status, _, kept = service.ask("PUT", drive, {"access_token": "token-canary", "token_expiry": "2030-01-01T00:00:00Z"})
        assert status == 200 and kept["is_connected"] and not kept["has_refresh_token"], kept
        storages.refresh_tokens.add("refresh-canary-2")
        assert service.ask("PUT", box, {"refresh_token": "refresh-canary-2"})[0] == 200
        assert service.ask("PUT", drive, {})[0] == 422 and service.ask("PUT", "/users/7/integrations/x", {})[0] == 404
        service.kill()
        service.start()
        assert service.get(drive) == kept and "canary" not in json.dumps(kept)
        name, done, _ = made(user_id=7, deliver_to="google_drive")
        assert done["status"] == "completed" and storages.named(name + ".zip")["bytes"]
        for _ in range(2):
            name, done, data = made(user_id=7, deliver_to="dropbox", request_id=f"7/number-{len(storages.dropbox)}")
            path = f"/DocGenie Documents/{name.replace('/', '-')}.zip"
            assert storages.dropbox[path] == data and "dropbox.com" in done["download_url"], done
        assert service.ask("DELETE", drive)[0] == 200
        service.get(drive, 404)
        assert service.ask("DELETE", drive)[0] == 404
        service.post("/generate/async", {**request(address), "user_id": 7, "deliver_to": "google_drive"}, 422)

        # S3, from a request and from a pipeline, in more than one part.
        name, done, data = made(deliver_to="s3")
        assert lying(f"{name}.zip") == data and "/download" in done["download_url"], done
        toml = service.get("/pipelines/invoices")["toml"].replace('name = "invoices"', 'name = "sent"')
        toml += '\n[[stage]]\nuses = "deliver"\nwith = { to = "s3", folder = "sets/large", name = "all" }\n'
        toml += '\n[[stage]]\nid = "refused"\nuses = "deliver"\nwith = { to = "s3", bucket = "nobodys" }\n'
        assert service.ask("PUT", "/pipelines/sent", raw=toml.encode())[0] == 200
        run = service.post("/pipelines/sent/runs", {"params": {"count": 60, "ocr": False}}, 202)["id"]
        done = service.until(f"/runs/{run}", lambda it: it["state"] not in ["queued", "running"])
        sent, refused = done["deliveries"]
        assert done["state"] == "completed" and sent["place"] == "s3://documents/sets/large/all.zip", done
        assert refused["outcome"] == "failed" and refused["problem"]["code"] == "DG0712", refused
        data = lying("sets/large/all.zip")
        assert len(data) > 9 << 20 and zipfile.ZipFile(io.BytesIO(data)).testzip() is None, len(data)

        # What has happened.
        events = service.get("/analytics/events?user_id=6")
        kinds = [it["event_type"] for it in events["events"]]
        assert kinds == ["generation_completed", "delivery_failed", "generation_requested",
                         "generation_completed", "delivered", "generation_requested"], events
        newest = events["events"][1]
        assert newest["user_id"] == 6 and "quota" not in newest["id"] and newest["entity_id"], newest
        assert service.get("/analytics/events?user_id=6") == events
        assert service.get("/analytics/events?user_id=6&limit=2&offset=1")["events"] == events["events"][1:3]
        failed = service.get("/analytics/events?event_type=delivery_failed")["events"]
        assert len(failed) == 3 and all(it["event_data"]["error_message"] for it in failed), failed
        service.get("/analytics/events?event_type=weather", 422)
        service.stop()
        assert not storages.faults, storages.faults
        hidden(service, "canary")


def survival(engine, home, address):
    """`kill -9` under load: what was acknowledged is done, once, whatever the client has heard."""
    service = Service(engine, home)
    acknowledged, lock, stop = {}, threading.Lock(), threading.Event()

    def client(number):
        count = 0
        while not stop.is_set():
            count += 1
            key = f"{number}-{count}"
            body = {**request(address, seed=count), "user_id": number}
            for _ in range(200):
                try:
                    status, _, answer = service.ask("POST", "/generate/async", body, {"Idempotency-Key": key})
                except (OSError, http.client.HTTPException, json.JSONDecodeError):
                    time.sleep(0.1)  # The service is gone; it will be back at another address.
                    continue
                if status == 409:
                    continue
                assert status == 200, answer
                with lock:
                    assert acknowledged.setdefault(key, answer["request_id"]) == answer["request_id"]
                break
            time.sleep(0.02)

    clients = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(4)]
    for thread in clients:
        thread.start()
    for round in range(3):
        time.sleep(0.7)
        service.kill()
        service.start()
    stop.set()
    for thread in clients:
        thread.join(PATIENCE)
    assert len(acknowledged) > 10, acknowledged
    # The same key gives the same job; another body under it is refused.
    key, name = next(iter(acknowledged.items()))
    number, count = key.split("-")
    body = {**request(address, seed=int(count)), "user_id": int(number)}
    assert service.post("/generate/async", body, headers={"Idempotency-Key": key})["request_id"] == name
    service.post("/generate/async", {**body, "model": "x"}, 422, {"Idempotency-Key": key})
    for name in acknowledged.values():
        service.until(f"/jobs/{name}/status", completed)
    runs = service.get("/runs?limit=1000")["runs"]
    names = [run["request_id"] for run in runs]
    assert len(names) == len(set(names)) and set(acknowledged.values()) <= set(names)
    service.stop()
    left = subprocess.run(["pgrep", "-f", home], capture_output=True, text=True).stdout
    assert not left.strip().splitlines()[1:], f"processes are left: {left}"


def full(engine, home, address):
    """The disk of the home fills up, and has room again: nothing that was acknowledged is lost, and the
    service goes on by itself."""
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    if "DOCGENIE_TEST_PRIVATE" not in os.environ:
        if subprocess.run([*private, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], stderr=subprocess.DEVNULL).returncode:
            print("skipped: `unshare` may not mount a small disk here")
            return
        subprocess.run([*private, sys.executable, __file__, engine, "full"], check=True,
                       env={**os.environ, "DOCGENIE_TEST_PRIVATE": "1"})
        return
    disk = os.path.join(home, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    try:
        filled(Service(engine, disk), disk, address)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def filled(service, disk, address):
    accepted = [service.post("/generate/async", request(address, seed=1))["request_id"]]
    service.until(f"/jobs/{accepted[0]}/status", completed)
    filler = os.path.join(disk, "filler")
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    refused = []
    for seed in range(40):
        status, _, answer = service.ask("POST", "/generate/async", request(address, seed=seed))
        if status == 200:
            accepted.append(answer["request_id"])
        else:
            assert status in (500, 503) and disk not in str(answer), (status, answer)
            refused.append(status)
    assert refused, "the disk was not full"
    assert service.get("/livez") == {"status": "live"}
    os.remove(filler)
    deadline = time.monotonic() + PATIENCE
    while service.ask("GET", "/readyz")[0] != 200:
        assert time.monotonic() < deadline, "the service does not go on"
        time.sleep(0.2)
    accepted.append(service.post("/generate/async", request(address, seed=99))["request_id"])
    ended = lambda it: it["status"] in ("completed", "failed")
    ends = [service.until(f"/jobs/{name}/status", ended)["status"] for name in accepted]
    assert ends[0] == ends[-1] == "completed", ends
    service.kill()
    service.start()
    assert [service.get(f"/jobs/{name}/status")["status"] for name in accepted] == ends
    service.stop()


def stopping(engine, home, address):
    """A stop drains, refuses what comes, and hands back what it cannot finish."""
    service = Service(engine, home, env={"DOCGENIE_GRACE_S": "1"})
    run = service.post("/pipelines/invoices/runs", {"params": {"count": 3000, "ocr": False}}, 202)["id"]
    service.until(f"/runs/{run}", lambda it: it["succeeded"] > 2)
    service.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert service.process.wait(20) == 0
    assert 0.9 < time.monotonic() - began < 15
    service.start()
    again = service.until(f"/runs/{run}", lambda it: it["state"] == "running" and it["succeeded"] > 2)
    assert again["stages"][0]["remembered"] > 0, again
    service.post(f"/runs/{run}/cancel", None)
    name = service.post("/generate/async", request(address))["request_id"]
    service.until(f"/jobs/{name}/status", completed)
    service.stop()

    # What ended longer ago than is kept is forgotten, and its files are gone.
    for path in glob.glob(os.path.join(home, "jobs/journal/*.jsonl")):
        with open(path, encoding="utf-8") as file:
            events = [line.split(" ", 1)[1].rstrip("\n") for line in file]
        with open(path, "w", encoding="utf-8") as file:
            for event in events:
                event = re.sub(r'"at":(\d+)', lambda at: f'"at":{int(at[1]) - 25 * 3_600_000}', event)
                file.write(f"{zlib.crc32(event.encode()):08x} {event}\n")
    shutil.rmtree(os.path.join(home, "jobs/index"))
    service.env["DOCGENIE_RETENTION_HOURS"] = "26"
    service.start()
    assert service.get(f"/jobs/{name}/status")["status"] == "completed"
    service.stop()
    service.env["DOCGENIE_RETENTION_HOURS"] = "24"
    service.start()
    service.until("/runs", lambda it: not it["runs"])
    service.get(f"/jobs/{name}/status", 404)
    assert not os.listdir(os.path.join(home, "results"))
    service.stop()


def models(engine, home, address):
    """A language model writes: the key of the request, the batch of jobs, what is not paid twice."""
    server = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model_server.py")
    with tempfile.TemporaryDirectory() as folder:
        model = subprocess.Popen([sys.executable, server, folder], stdout=subprocess.PIPE, text=True)
        atexit.register(model.kill)
        url = f"http://127.0.0.1:{model.stdout.readline().strip()}"
        service = Service(engine, home, env={"ANTHROPIC_BASE_URL": url, "BATCH_POLL_INTERVAL": "1"})
        # Nobody has a key, and one that is not right.
        body = {**request(address, seed=3, num_solutions=2), "provider": "anthropic"}
        assert "ANTHROPIC_API_KEY" in service.post("/generate", body, 401)["detail"]
        service.post("/generate", {**body, "api_key": "wrong"}, 401)
        # At once, with the seed image before the model.
        answer = service.post("/generate", {**body, "api_key": "sk-test", "provider": None})
        assert answer["total_documents"] == 2 and answer["warnings"] == [], answer["warnings"]
        for document in answer["documents"]:
            assert document["ground_truth"] and len(document["bboxes"]) > 3, document
        # The other half of the price: several jobs, one batch.
        names = [service.post("/generate/async", {**request(address, seed=seed), "api_key": "sk-test"})
                 for seed in [4, 5]]
        for name in names:
            service.until(name["poll_url"], completed)
        with open(os.path.join(folder, "log.jsonl")) as log:
            calls = [json.loads(line) for line in log]
        created = [call for call in calls if call["method"] == "POST" and call["path"].endswith("/batches")]
        assert len(created) == 1 and len(created[0]["body"]["requests"]) == 2, created
        asked = [call for call in calls if call["path"].endswith("/messages")]
        assert "image" in json.dumps(asked[-1]["body"]["messages"])
        # The same once more is not asked for again.
        service.post("/generate", {**body, "api_key": "sk-test"})
        with open(os.path.join(folder, "log.jsonl")) as log:
            assert len(log.readlines()) == len(calls)
        service.stop()
        for folder, _, files in os.walk(home):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    assert b"sk-test" not in file.read(), (folder, name)


def hostile(engine, home, address):
    """Clients that are slow, broken or mean any harm."""
    page = "https://page.example"
    service = Service(engine, home, env={"DOCGENIE_CORS_ORIGINS": page})
    host, port = service.address.split(":")

    def connect(sent):
        connection = socket.create_connection((host, int(port)), PATIENCE)
        with contextlib.suppress(OSError):  # It may be refused before all of it is sent.
            connection.sendall(sent)
        return connection

    def statuses(sent, count):
        """Of so many answers to these bytes, or of those before the service closes the connection."""
        data, found = b"", []
        with contextlib.closing(connect(sent)) as connection, contextlib.suppress(ConnectionError):
            while len(found) < count and (chunk := connection.recv(1 << 16)):
                data += chunk
                found = [int(it) for it in re.findall(rb"HTTP/1.1 (\d{3}) ", data)]
        return found

    # Slow ones, which are dripping while the others are looked at.
    began, ended = time.monotonic(), {}
    form = (b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n")

    def drip(name, sent, drop):
        connection = connect(sent)
        connection.settimeout(1)
        while True:
            try:
                answer = connection.recv(1 << 16)
                ended[name] = time.monotonic() - began, answer
                return
            except TimeoutError:
                with contextlib.suppress(OSError):
                    connection.sendall(drop)
            except ConnectionError:
                ended[name] = time.monotonic() - began, b""
                return

    post = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{"
    slow = [threading.Thread(target=drip, args=it, daemon=True) for it in [
        ("silent", b"", b""), ("head", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"), ("body", post, b" ")]]
    for thread in slow:
        thread.start()

    get = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for sent, expected in [
        (get * 3, [200, 200, 200]),
        (get + b"\x16\x03\x01 no request\r\n\r\n", [200, 400]),
        (b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n", [431]),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 1000 + b"\r\n", [431]),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", [414]),
        (b"GET /jobs/%ff%fe/status HTTP/1.1\r\nHost: localhost\r\n\r\n", [404]),
        (b"GET /jobs/\xff/status HTTP/1.1\r\nHost: localhost\r\n\r\n", [400]),
        (b"GET /runs?limit=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", [422]),
        (b"GET /runs?limit=" + b"9" * 400 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", [422]),
        (b"GET /runs?limit=1&limit=0 HTTP/1.1\r\nHost: localhost\r\n\r\n", [422]),
        (b"GET /runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\r\n\r\n", [200]),
        (b"POST /pipelines/invoices/runs HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: \xff\r\n"
         b"Content-Length: 2\r\n\r\n{}", [400]),
        # Two lengths are how one request is hidden in another.
        (b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", [400]),
        (b"POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n{}", [400]),
        (b"POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", [400]),
        (b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", [415]),
        # A body is asked for where it is wanted.
        (b"POST /generate HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
         [100, 422]),
        (b"POST /generate HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: text/html\r\n"
         b"Content-Length: 2\r\n\r\n", [415]),
    ]:
        found = statuses(sent, len(expected))
        assert found == expected, (sent[:200], found, expected)

    for raw in [b'{"seed_images": [], "seed_images": []}', b'{"a": 1, "\\u0061": 2}', b'{"a": NaN}',
                b'{"a": "\\ud800"}', b'\xff', b'{"a": 1e999}', b"null", b"[]", b"1", b""]:
        status, _, answer = service.ask("POST", "/generate", raw=raw)
        assert status == 422 and isinstance(answer["detail"], list), (raw, status, answer)
    for raw, boundary in [(form, "x"), (form + b"a\r\n--x--\r\n", "y"), (b"", "x"), (b"a", "")]:
        status = service.ask("POST", "/pipelines/invoices/runs", raw=raw, headers={
            "Content-Type": f"multipart/form-data; boundary={boundary}"})[0]
        assert status in (400, 422), (raw, status)
    # Files of a request that is refused are not kept.
    broken = form + b"a\r\n--x\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{]\r\n--x--\r\n"
    assert service.ask("POST", "/pipelines/invoices/runs", raw=broken, headers={
        "Content-Type": "multipart/form-data; boundary=x"})[0] == 422
    results = os.path.join(home, "results")
    end = time.monotonic() + 5
    while os.path.isdir(results) and os.listdir(results):
        assert time.monotonic() < end, os.listdir(results)
        time.sleep(0.05)

    # HEAD is GET without the body; OPTIONS and TRACE are for nobody but browsers.
    for path in ["/", "/openapi.json", "/runs"]:
        status, headers, body = service.ask("HEAD", path)
        assert status == 200 and int(headers["Content-Length"]) > 0 and body == b"", path
    status, headers, _ = service.ask("TRACE", "/runs")
    assert status == 405 and "GET" in headers["Allow"], (status, headers)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin, allowed in [(page, page), ("https://other.example", None)]:
        status, headers, _ = service.ask("OPTIONS", "/generate", headers={"Origin": origin, **asked})
        assert headers["Access-Control-Allow-Origin"] == allowed, (origin, headers.items())
    assert headers["Access-Control-Allow-Headers"] == "authorization"
    assert service.ask("GET", "/livez", headers={"Origin": page})[1]["Access-Control-Allow-Origin"] == page

    for thread in slow:
        thread.join(PATIENCE)
    for name, [least, most], status in [("silent", (10, 25), b""), ("head", (10, 25), b""), ("body", (25, 45), b"408")]:
        after, answer = ended[name]
        assert least < after < most and status in answer, (name, after, answer)
    assert service.get("/readyz")["status"] == "ready"
    service.stop()
    # Without origins of pages, browsers are told nothing.
    service = Service(engine, home)
    status, headers, _ = service.ask("OPTIONS", "/generate", headers={"Origin": page, **asked})
    assert status == 405 and "Access-Control-Allow-Origin" not in headers
    service.stop()


def documentation(engine, home, address):
    """The snippets of the documentation, and that it has one for each route in each language."""
    with open(os.path.join(ROOT, "docs", "service.md")) as file:
        page = file.read()
    for language, command in [("bash", ["bash", "-eo", "pipefail"]), ("python", [sys.executable]),
                              ("javascript", ["node"])]:
        if not shutil.which(command[0]):
            print(f"skipped: there is no `{command[0]}` to run {language} with")
            continue
        own = os.path.join(home, language)
        service = Service(engine, os.path.join(own, "home"), "-v")
        routes = {(method.upper(), path) for path, methods in service.get("/openapi.json")["paths"].items()
                  for method in methods}
        snippets = "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S))
        snippets = snippets.replace("http://localhost:8000", f"http://{service.address}")
        snippets = snippets.replace("https://example.com/receipt.png", address)
        script = os.path.join(own, "snippets.mjs")
        with open(script, "w") as file:
            file.write(snippets)
        ended = subprocess.run([*command, script], cwd=own, capture_output=True, text=True, timeout=PATIENCE)
        assert ended.returncode == 0, (language, ended.stdout[-2000:], ended.stderr)
        service.stop()
        asked = set(re.findall(r'method=(\w+) path="([^"?]+)"', "".join(service.talk)))
        for method, path in sorted(routes):
            assert f"`{method} {path}`" in page, f"`{method} {path}` is not documented"
            pattern = re.sub(r"{path}", ".+", path)
            pattern = re.sub(r"{\w+}", "[^/]+", pattern)
            assert any(it == method and re.fullmatch(pattern, at) for it, at in asked), (language, method, path)


SCENARIOS = {it.__name__: it for it in [protocol, generic, access, delivery, survival, full, stopping, models, hostile,
                                        documentation]}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, seeds() as address:
        SCENARIOS[sys.argv[2]](os.path.abspath(sys.argv[1]), home, address)
