#!/bin/sh
# Sets up a virtual environment (VENV, default .venv), indexes data/samples and asks it questions.
# The data folder is DEMO (default .vecstore-demo); running it again indexes only what changed.
set -eu
cd "$(dirname "$0")/.."
echo "Installing into ${VENV:-.venv} ..."
.ci/setup
PATH=$(cd "${VENV:-.venv}/bin" && pwd):$PATH
VECSTORE_ROOT=${DEMO:-.vecstore-demo}
export PATH VECSTORE_ROOT

run() {
    printf '\n\033[1m$ vecstore'
    for word; do
        case $word in *[\ \'{]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\033[0m\n'
    vecstore "$@"
}

run create samples --exist-ok
run add samples data/samples
run search samples "How long does the Lessor take to send a replacement gateway?" -n 2
run search samples "What does E-2060 mean?" -n 2
run search samples "How much may a hotel night in London cost?" -n 2 --explain
run files samples
run check
echo
echo "Now ask your own: VECSTORE_ROOT=$VECSTORE_ROOT ${VENV:-.venv}/bin/vecstore search samples 'your question'"
