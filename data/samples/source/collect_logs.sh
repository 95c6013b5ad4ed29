#!/usr/bin/env bash
# Fetch the CSV exports of several gateways through their service interface, check
# them and keep a fixed number of days.
#
# usage: collect_logs.sh HOSTS_FILE TARGET_DIR [KEEP_DAYS]
#
# HOSTS_FILE has one "name address" a line; lines starting with # are skipped.
# The password is read from the environment variable TARN_PASSWORD, never from the
# command line, where other users of the machine could see it.
# Exit status: 0 all fetched, 1 wrong usage, 3 at least one gateway failed.
set -euo pipefail

hosts_file=${1:-}
target=${2:-}
keep_days=${3:-180}

if [[ -z $hosts_file || -z $target || -z ${TARN_PASSWORD:-} ]]; then
    echo "usage: TARN_PASSWORD=... $0 HOSTS_FILE TARGET_DIR [KEEP_DAYS]" >&2
    exit 1
fi

expected_header='time;channel;value;unit;quality'
today=$(date -u +%Y-%m-%d)
failed=0

fetch() {
    local name=$1 address=$2 part="$target/$name/$today.csv.part"
    mkdir -p "$target/$name"
    # an export of 90 days takes about four minutes; allow ten
    if ! curl --silent --show-error --fail --max-time 600 --retry 3 --retry-delay 20 \
        --config - --output "$part" "https://$address/export.csv?days=1" \
        <<<"user = \"operator:$TARN_PASSWORD\""; then
        echo "$name: not reachable" >&2
        return 1
    fi
    if [[ $(head -n 1 "$part") != "$expected_header" ]]; then
        echo "$name: unexpected header, file kept as $part" >&2
        return 1
    fi
    # a complete export ends with a line "#rows N"; anything else was cut off
    local said counted
    said=$(tail -n 1 "$part" | sed -n 's/^#rows //p')
    counted=$(($(wc -l <"$part") - 2))
    if [[ "$said" != "$counted" ]]; then
        echo "$name: cut off (says ${said:-nothing}, has $counted rows)" >&2
        return 1
    fi
    gzip --force --best "$part"
    mv "$part.gz" "$target/$name/$today.csv.gz"
    echo "$name: $counted rows"
}

while read -r name address _; do
    [[ -z $name || $name == \#* ]] && continue
    fetch "$name" "$address" || failed=1
done <"$hosts_file"

find "$target" -name '*.csv.gz' -mtime "+$keep_days" -delete

exit $((failed * 3))
