import io
import zipfile
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse

DOCUMENTS = Path(__file__).parent / "documents"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def relations(*listed):
    lines = "".join(f'<Relationship Id="{i}" Type="{REL}/{kind}" Target="{to}"/>' for i, kind, to in listed)
    return f"<Relationships>{lines}</Relationships>"


def pptx_of(slides, order=None, attributes="", related=None, **parts):
    """A package of slides' shapes; `related` are relations of the first slide, part names have __ for the slash."""
    file = io.BytesIO()
    numbers = range(1, len(slides) + 1)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        ids = "".join(f'<p:sldId r:id="r{n}"/>' for n in order or numbers)
        shown = f"<p:presentation><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
        package.writestr("ppt/presentation.xml", parts.pop("presentation", shown))
        listed = [(f"r{n}", "slide", f"slides/slide{n}.xml") for n in numbers]
        package.writestr(
            "ppt/_rels/presentation.xml.rels",
            relations(*listed, ("a", "commentAuthors", "commentAuthors.xml"), ("b", "authors", "authors.xml")),
        )
        for n, shapes in enumerate(slides, 1):
            xml = f"<p:sld {attributes}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
            package.writestr(f"ppt/slides/slide{n}.xml", xml)
        package.writestr("ppt/slides/_rels/slide1.xml.rels", relations(*related or ()))
        for name, content in parts.items():
            package.writestr(f"ppt/{name.replace('__', '/')}.xml", content)
    return file.getvalue()


def shape(*texts, ph=None):
    kind = "" if ph is None else f"<p:nvSpPr><p:nvPr><p:ph {ph}/></p:nvPr></p:nvSpPr>"
    return f"<p:sp>{kind}<p:txBody>{''.join(map(para, texts))}</p:txBody></p:sp>"


def para(text):
    return text if "<" in text else f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"


TITLE = 'type="title"'


def test_real_deck_has_a_slide_part_each_with_title_list_table_chart_and_notes():
    document = parse((DOCUMENTS / "lamp-review.pptx").read_bytes(), "lamp-review.pptx")
    assert [level for _, level, _ in spans(document, "slide")] == [1, 2, 3, 4, 5]
    assert spans(document, "heading")[2] == ("Breakage by line", 1, "Breakage by line")
    assert spans(document, "list")[0][2].split("\n")[:2] == [
        "- Furnace Bertha was relined in nineteen days",
        "  - Two crews, no overtime",
    ]
    assert [label for label, _, _ in spans(document, "table")] == ["Line | Breakage | Target", "| Opal | Clear"]
    assert "\nAutumn | 41 | 77\n" in document.text
    assert "\n\nNotes: Thank the night crew" in spans(document, "slide")[1][2]
    assert document.warnings == ("slide 5 is hidden",)


def test_slides_stand_in_the_order_they_are_shown():
    document = parse(pptx_of([shape("one"), shape("two"), shape("three")], order=[3, 1, 2]), "a.pptx")
    assert document.text.split() == ["three", "one", "two"]


def test_slides_of_a_presentation_without_an_order_stand_in_that_of_their_names():
    data = pptx_of([shape("one"), shape("two")], presentation="<broken")
    document = parse(data, "a.pptx")
    assert document.text.split() == ["one", "two"]
    assert "the order of the slides is not told: they stand in the order of their names" in document.warnings


def test_title_comes_first_wherever_it_is_drawn():
    data = pptx_of([shape("body", ph='idx="1"') + shape("The", "title", ph=TITLE)])
    document = parse(data, "a.pptx")
    assert document.text == "The title\n\n- body\n\n"
    assert spans(document, "heading") == [("The title", 1, "The title")]


def test_bullets_are_what_the_paragraph_says_or_else_the_placeholder():
    plain = '<a:p><a:pPr lvl="1"><a:buNone/></a:pPr><a:r><a:t>plain</a:t></a:r></a:p>'
    dashed = '<a:p><a:pPr><a:buChar char="x"/></a:pPr><a:r><a:t>dashed</a:t></a:r></a:p>'
    data = pptx_of([shape("item", plain, ph='type="body"') + shape("free", dashed)])
    assert parse(data, "a.pptx").text == "- item\n\nplain\n\nfree\n\n- dashed\n\n"


def test_shapes_in_groups_and_tables_are_read_and_slide_numbers_are_not():
    rows = "".join(
        f"<a:tr>{''.join(f'<a:tc><a:txBody>{para(cell)}</a:txBody></a:tc>' for cell in cells)}</a:tr>"
        for cells in (["Name", "Age"], ["Ann", "3"])
    )
    table = f"<p:graphicFrame><a:graphic><a:tbl>{rows}</a:tbl></a:graphic></p:graphicFrame>"
    group = f"<p:grpSp><p:grpSp>{shape('inner')}</p:grpSp></p:grpSp>"
    document = parse(pptx_of([group + table + shape("7", ph='type="sldNum"')]), "a.pptx")
    assert document.text == "inner\n\nName | Age\nAnn | 3\n\n"
    assert spans(document, "table") == [("Name | Age", 0, "Name | Age\nAnn | 3")]


def test_notes_and_comments_of_both_kinds_follow_their_slide():
    body = shape("Say this", "and that", ph='type="body"')
    notes = "<p:notes>" + shape("1", ph='type="sldNum"') + body + "</p:notes>"
    old = '<p:cmLst><p:cm authorId="0"><p:text>Old one</p:text></p:cm></p:cmLst>'
    reply = f'<p:reply authorId="{{B}}"><p:txBody>{para("No")}</p:txBody></p:reply>'
    new = f'<p:cmLst><p:cm authorId="{{A}}"><p:replyLst>{reply}</p:replyLst><p:txBody>{para("Yes")}</p:txBody></p:cm></p:cmLst>'
    data = pptx_of(
        [shape("Body"), shape("Next")],
        related=[
            ("n", "notesSlide", "../notes.xml"),
            ("c", "comments", "../old.xml"),
            ("d", "comments", "../new.xml"),
        ],
        notes=notes,
        old=old,
        new=new,
        commentAuthors='<p:cmAuthorLst><p:cmAuthor id="0" name="Ada"/></p:cmAuthorLst>',
        authors='<p:authorLst><p:author id="{A}" name="Bo"/><p:author id="{B}" name="Cy"/></p:authorLst>',
    )
    assert parse(data, "a.pptx").text.split("\n\n")[:-1] == [
        "Body",
        "Notes: Say this",
        "and that",
        "Comment by Ada: Old one",
        "Comment by Bo: Yes",
        "Comment by Cy: No",
        "Next",
    ]


def test_diagram_is_a_list_of_its_texts_said_once():
    points = "".join(f"<dgm:pt><dgm:t>{para(text)}</dgm:t></dgm:pt>" for text in ("Plan", "Do"))
    data = pptx_of(
        ['<p:graphicFrame><dgm:relIds r:dm="d"/></p:graphicFrame>' * 2],
        related=[("d", "diagramData", "../diagrams/data1.xml")],
        diagrams__data1=f"<dgm:dataModel><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>",
    )
    assert parse(data, "a.pptx").text == "- Plan\n- Do\n\n"


def test_alternate_content_is_said_once():
    both = f"<mc:AlternateContent><mc:Choice>{shape('new')}</mc:Choice><mc:Fallback>{shape('old')}</mc:Fallback></mc:AlternateContent>"
    assert parse(pptx_of([both]), "a.pptx").text == "new\n\n"


def test_damaged_slide_costs_only_itself_and_keeps_its_number():
    document = parse(pptx_of([shape("one"), shape("two") + "<broken", shape("three")]), "a.pptx")
    assert [(level, text.strip()) for _, level, text in spans(document, "slide")] == [(1, "one"), (2, ""), (3, "three")]
    assert len(document.warnings) == 1
    assert "ppt/slides/slide2.xml is not well-formed" in document.warnings[0]


def test_damaged_chart_costs_only_itself():
    data = pptx_of(
        [shape("text") + '<p:graphicFrame><c:chart r:id="c"/></p:graphicFrame>'],
        related=[("c", "chart", "../chart1.xml")],
        chart1="<c:chartSpace>",
    )
    document = parse(data, "a.pptx")
    assert document.text == "text\n\n"
    assert "ppt/chart1.xml is not well-formed" in document.warnings[0]


def test_presentation_without_slides_is_damaged():
    with pytest.raises(InvalidFileError, match=r"^'a\.pptx' is damaged: it has no slides$"):
        parse(pptx_of([]), "a.pptx")


def test_hidden_slides_are_read_and_told():
    document = parse(pptx_of([shape("kept")], attributes='show="0"'), "a.pptx")
    assert (document.text, document.warnings) == ("kept\n\n", ("slide 1 is hidden",))
