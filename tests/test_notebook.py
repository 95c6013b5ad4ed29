import json
from pathlib import Path

from parsed import spans

from ingestion import parse

DOCUMENTS = Path(__file__).parent / "documents"


def notebook(*cells, **metadata):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}).encode()


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_headings_of_markdown_cells_and_code_have_spans():
    document = parse((DOCUMENTS / "flow.ipynb").read_bytes(), "flow.ipynb")
    assert [span[:2] for span in spans(document, "heading")] == [("Flow duration at Sillbeck", 1), ("Exceedance", 2)]
    assert spans(document, "code")[1] == ("python", 0, "sum(flows) / len(flows)")
    assert [span[0] for span in spans(document, "table")] == ["share | flow m3/s"]


def test_what_a_cell_printed_follows_it_and_images_are_counted():
    document = parse((DOCUMENTS / "flow.ipynb").read_bytes(), "flow.ipynb")
    assert "3652)\n\ndays read: 3652\n" in document.text
    assert "len(flows)\n\n1.4\n\ngauges['SB-4']\n\nKeyError: 'SB-4'\n" in document.text
    assert document.warnings == ("left out: images in the outputs of cells (1)",)


def test_a_long_output_is_cut():
    document = parse(notebook(code("run()", {"output_type": "stream", "text": "word " * 5000})), "a.ipynb")
    assert len(document.text) < 20_100
    assert document.warnings == ("cut: outputs of more than 20,000 characters (1)",)


def test_a_progress_bar_is_its_last_line_and_colours_are_none():
    output = {"output_type": "stream", "text": "10%\r50%\r100%\n\x1b[31mdone\x1b[0m\n"}
    assert parse(notebook(code("run()", output)), "a.ipynb").text == "run()\n\n100%\ndone\n"


def test_format_3_is_read():
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Results"},
        {
            "cell_type": "code",
            "input": ["1 + 1"],
            "language": "ruby",
            "outputs": [{"output_type": "pyout", "text": "2"}],
        },
    ]
    document = parse(json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode(), "a.ipynb")
    assert document.text == "Results\n\n1 + 1\n\n2\n"
    assert spans(document, "heading") == [("Results", 2, "Results")]
    assert spans(document, "code") == [("ruby", 0, "1 + 1")]


def test_what_is_no_notebook_is_read_as_text():
    document = parse(b"{broken", "a.ipynb")
    assert document.text == "{broken"
    assert document.warnings[0].startswith("'a.ipynb' is no notebook (is not valid: ")
    assert parse(b'{"cells": 3, "nbformat": [[]]}', "a.ipynb").warnings == (
        "'a.ipynb' is no notebook (has no cells); read as text",
    )
