"""The server against its own description: what it documents is what it does, whatever comes."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

HERE = Path(__file__).parent


def test_nothing_that_can_be_sent_breaks_the_description_or_the_server(serve, secret, tmp_path):
    base, key = serve(requests_per_minute=1_000_000), secret(scopes=["admin"])
    command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={HERE / 'schemathesis.toml'}", "run"]
    options = ["--checks=all", "--phases=examples,coverage,fuzzing", "--max-examples=30", "--suppress-health-check=all"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [*command, f"{base}/openapi.json", *options, "--seed=1", "--no-color", f"--header=Authorization: Bearer {key}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,  # it leaves a cache there
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    metrics = httpx.get(f"{base}/metrics").text
    assert not [line for line in metrics.splitlines() if 'status="5' in line and "/readyz" not in line]


def test_the_page_of_documentation_needs_no_network(http):
    page = http.get("/docs").text
    assert "openapi.json" in page
    assert "https://" not in page.replace("https://www.w3.org", "")
    assert http.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200
