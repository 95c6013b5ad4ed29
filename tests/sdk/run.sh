#!/bin/sh
# Sets up a virtual environment (VENV, default .venv) and runs OpenAI's own clients against `vecstore serve`.
# tests/sdk/run.sh [python [VERSION] | node]; without arguments both. README.md beside this says what is done.
set -eu
cd "$(dirname "$0")/../.."
.ci/setup dev
exec "${VENV:-.venv}/bin/python" tests/sdk/run.py "$@"
