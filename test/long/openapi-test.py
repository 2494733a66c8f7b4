"""Validates the OpenAPI description of a demo, and what the demo answers by it; see scripts/openapi-test."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator import __version__ as version

demo = subprocess.Popen(["node", "dist/src/cli.js", "demo", "--json"], stdout=subprocess.PIPE, text=True)
faults = 0


def say(is_good, text):
    global faults
    faults += 0 if is_good else 1
    print(f"{'ok  ' if is_good else 'BAD '} {text}", flush=True)


def ask(base, path):
    try:
        with urllib.request.urlopen(base + path) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


try:
    page = json.loads(demo.stdout.readline())["demo"]["page"]
    base = re.match(r"https?://[^/]+", page).group(0)
    time.sleep(4)
    _, document = ask(base, "/api/v1/openapi.json")
    errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in OpenAPIV31SpecValidator(document).iter_errors()]
    size = len(json.dumps(document))
    routes = sum(len(methods) for methods in document["paths"].values())
    say(not errors, f"openapi-spec-validator {version}: {routes} operations, {size} bytes, {len(errors)} errors {errors[:3]}")
    _, tags = ask(base, "/api/v1/tags")
    device, tag = tags[0]["tag"].split("/")
    names = {"spc": "charts", "production": "machines"}
    first = {where: ask(base, f"/api/v1/{where}")[1][word][0] for where, word in names.items()}
    for path, methods in document["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json")
        if not content or path == "/api/v1/openapi.json":
            continue
        where = path.replace("{device}", device).replace("{tag}", tag)
        where = where.replace("spc/{name}", "spc/" + first["spc"]["id"])
        where = where.replace("production/{name}", "production/" + first["production"]["machine"])
        where += {"compare": "?month=2026-11&against=2026-10", "shifts": "?month=2026-11"}.get(path.split("/")[-1], "")
        status, answer = ask(base, where)
        schema = content["schema"]
        if status != 200:
            schema = methods["get"]["responses"]["default"]["content"]["application/problem+json"]["schema"]
        wrong = Draft202012Validator({**schema, "components": document["components"]}).iter_errors(answer)
        found = [f"{e.json_path}: {e.message[:80]}" for e in wrong]
        say(not found and status in (200, 401, 404), f"GET {where}: {status}, {len(found)} misfits {found[:3]}")
finally:
    demo.send_signal(signal.SIGINT)
    demo.wait(20)
print("all good" if faults == 0 else f"{faults} not as they must be")
sys.exit(0 if faults == 0 else 1)
