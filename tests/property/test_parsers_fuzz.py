"""Any damaged copy of a sample is a document that keeps its promises, or an error that names the file.

`python -m bench fuzz TARGET` does the same for as long as one likes. What it finds goes to REGRESSIONS.
"""

import gzip

import pytest

from bench import fuzz

SECONDS = 0.3  # a target
MOST_CASES = 40

# (file name, bytes): minimised findings that are mended.
REGRESSIONS = [
    ("a.txt", "a\u0301\r\n\u2028\x85\ufeff\x00b".encode()),
    ("a.md", b"```\n\xff\xfe\x00"),
    ("a.tgz", gzip.compress(b"", mtime=0)),  # the sentence named the file inside
]


@pytest.mark.parametrize("target", [target for target in fuzz.TARGETS if fuzz.seeds_of(target)])
def test_damaged_samples_keep_the_promises(target, tmp_path):
    result = fuzz.run(target, seconds=SECONDS, seed=0, out=tmp_path, most=MOST_CASES, minimise_s=0)
    assert [finding["what"] for finding in result.findings] == []
    assert result.cases


@pytest.mark.parametrize(("filename", "data"), REGRESSIONS)
def test_what_was_found_once_stays_mended(filename, data, tmp_path):
    (tmp_path / filename).write_bytes(data)
    assert fuzz.repeat("text", tmp_path / filename) == ""  # in a child: it may have been a crash
