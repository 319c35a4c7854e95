"""A server that speaks as much of the Hugging Face Hub's HTTP API as huggingface_hub asks for."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "hf_stand_in"
COMMIT = "c" * 40


@dataclass
class Hub:
    """What the server holds and was asked.

    Attributes:
        url: of the server.
        repositories: USER/NAME -> file -> content.
        requests: "METHOD path" each.
        objects: large files that were uploaded, by their SHA-256.
        private: what each new repository was asked to be.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keeps the terminal clean."""

    def answer(self, status: int, content: object = None, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{self.command} {path}")
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        # Large files go to addresses that are their own permission.
        if not known and (self.command == "POST" or "whoami" in path):
            return self.answer(401, {"error": "Invalid username or password."})
        match path.strip("/").split("/"):
            case ["api", "whoami-v2"]:
                self.answer(200, {"name": "anna", "type": "user", "orgs": []})
            case ["api", "validate-yaml"]:
                self.answer(200, {"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                self.create(json.loads(body))
            case ["lfs", oid]:
                self.hub.objects[oid] = body
                self.answer(200)
            case [user, name, *rest] if name.endswith(".git"):
                self.large_files(json.loads(body))
            case ["api", "models", user, name, *rest]:
                self.repository(f"{user}/{name}", rest, body)
            case [user, name, "resolve", _, *rest]:
                content = self.hub.repositories[f"{user}/{name}"]["/".join(rest)]
                etag = f'"{hashlib.sha1(content).hexdigest()}"'
                self.answer(200, content, ETag=etag, X_Repo_Commit=COMMIT)
            case _:
                self.answer(404, {"error": f"the stand-in has no {self.command} {path}"})

    do_GET = do_POST = do_PUT = do_HEAD = handle_request  # noqa: N815  # as http.server calls them

    def create(self, asked: dict) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            url = f"{self.hub.url}/{name}"
            return self.answer(409, {"error": "You already created this model repo", "url": url})
        self.hub.repositories[name] = {".gitattributes": b""}
        self.hub.private[name] = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.answer(200, {"url": f"{self.hub.url}/{name}", "name": name})

    def large_files(self, asked: dict) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects})

    def repository(self, name: str, rest: list[str], body: bytes) -> None:
        if name not in self.hub.repositories:
            headers = {"X_Error_Code": "RepoNotFound", "X_Error_Message": "Repository not found"}
            return self.answer(404, {"error": "Repository not found"}, **headers)
        files = self.hub.repositories[name]
        match rest:
            case ["preupload", _]:
                asked = json.loads(body)["files"]
                modes = [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["path"].endswith(".keras") else "regular",
                        "shouldIgnore": False,
                    }
                    for one in asked
                ]
                self.answer(200, {"files": modes})
            case ["commit", _]:
                for line in map(json.loads, body.splitlines()):
                    value = line["value"]
                    if line["key"] == "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    elif line["key"] == "lfsFile":
                        files[value["path"]] = self.hub.objects[value["oid"]]
                    elif line["key"] == "deletedFile":
                        del files[value["path"]]
                url = f"{self.hub.url}/{name}/commit/{COMMIT}"
                self.answer(200, {"success": True, "commitOid": COMMIT, "commitUrl": url})
            case ["tree", *_]:
                tree = [
                    {
                        "type": "file",
                        "path": path,
                        "size": len(content),
                        "oid": hashlib.sha1(content).hexdigest(),
                    }
                    for path, content in files.items()
                ]
                self.answer(200, tree)
            case [] | ["revision", _]:
                siblings = [{"rfilename": path} for path in files]
                self.answer(200, {"id": name, "sha": COMMIT, "siblings": siblings})
            case _:
                self.answer(404, {"error": f"the stand-in has no {rest}"})


@contextmanager
def serving() -> Iterator[Hub]:
    """A server on a free port of this computer."""
    hub = Hub()
    handler = type("Bound", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
