#!/bin/sh
# Sets up a virtual environment (VENV, default .venv) and runs all tests in it. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
.ci/setup dev
exec "${VENV:-.venv}/bin/python" -m pytest -n 2 "$@"
