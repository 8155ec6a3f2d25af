"""A service that takes work from the gateway and reports back. Standard library only; Python 3.8 or newer.

    PORT=4003 SECRET=whsec_... python3 receiver.py

SECRET is optional: with it reports are signed (Standard Webhooks), as `callbackAuth.secrets` of the service wants.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("SECRET", "")


def signature(message_id, body):
    """The fields of a Standard Webhooks signature over the raw bytes; none without a secret."""
    if SECRET == "":
        return {}
    timestamp = str(int(time.time()))
    key = base64.b64decode(SECRET[len("whsec_"):])
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{digest}"}


def report(execution, action, content, status=None, attempts=8):
    """Reports until the gateway has acknowledged it. None: the process was decided without this report."""
    body = json.dumps(content).encode()
    # One id for all repeats, so that a report which arrives twice counts once.
    message_id = f"msg_{uuid.uuid4()}"
    for attempt in range(attempts):
        headers = {
            "Content-Type": "application/problem+json" if action == "fail" else "application/json",
            "Sticky-Execution": execution["token"],
            **({} if status is None else {"Sticky-Result-Status": str(status)}),
            **signature(message_id, body),
        }
        request = urllib.request.Request(f"{execution['url']}/{action}", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return None
            if error.code not in (408, 429, 500, 502, 503, 504):
                raise  # 401, 413, 422: another try would be told the same
        except (urllib.error.URLError, TimeoutError):
            pass  # nobody knows whether it arrived: the same report again
        time.sleep(min(30, 0.5 * 2**attempt))
    raise RuntimeError(f"{action} was not acknowledged")


def work(execution, order):
    said = report(execution, "heartbeat", {"progress": {"percent": 50, "message": "rendering"}})
    if said is None or said["cancelRequested"]:
        return
    if not 1 <= order.get("month", 0) <= 12:
        report(execution, "fail", {"title": "No such month", "status": 422, "executed": "no"})
        return
    report(execution, "complete", {"url": f"/reports/{execution['key']}.pdf"}, status=201)


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Sticky-Execution")
        url = self.headers.get("Sticky-Callback-Url")
        if token is None or url is None:
            self.answer(400)
            return
        execution = {
            "token": token,
            "url": url.rsplit("/", 1)[0],  # without the action at its end
            "key": self.headers["Idempotency-Key"].strip('"'),
        }
        # 202 with the token says: a report will follow.
        self.answer(202, {"Sticky-Execution": token})
        threading.Thread(target=work, args=(execution, json.loads(body)), daemon=True).start()

    def answer(self, status, fields={}):
        self.send_response(status)
        for name, value in {**fields, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "4003"))), Service)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()
