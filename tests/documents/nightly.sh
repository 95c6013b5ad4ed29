#!/bin/bash
# Copies the day's readings from the stations of Tarnvell Hydroworks to the archive.
set -euo pipefail

ARCHIVE=/srv/readings

# Stations answer slowly at night: three attempts, code NB-4 after the last.
fetch() {
  local station=$1
  for attempt in 1 2 3; do
    if curl --silent --fail "http://$station.tarnvell.example/readings.csv" > "$ARCHIVE/$station.csv"; then
      return 0
    fi
    sleep $((attempt * 20))
  done
  echo "NB-4 $station did not answer" >&2
  return 1
}

function prune-archive {
  find "$ARCHIVE" -name '*.csv' -mtime +400 -delete
}

for station in osmundholt pellworth sillbeck; do
  fetch "$station" || true
done
prune-archive
