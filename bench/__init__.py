"""Commands that prove the figures in the README: `python -m bench --help`."""
