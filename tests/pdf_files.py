"""PDF files of a few objects, as tests want them."""

import io

# PDF: objects by number, written with a correct cross-reference table


def pdf_file(objects):
    file, places = io.BytesIO(b"%PDF-1.7\n"), {}
    file.seek(0, 2)
    for number, body in objects.items():
        places[number] = file.tell()
        file.write(b"%d 0 obj\n" % number + (body if isinstance(body, bytes) else body.encode()) + b"\nendobj\n")
    start, size = file.tell(), max(objects) + 1
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        file.write(b"%010d 00000 n \n" % places[number])
    file.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start))
    return file.getvalue()


def pdf_stream(content):
    return b"<</Length %d>>\nstream\n" % len(content) + content + b"\nendstream"


def pdf_of(*pages, outline=""):
    """Each page is a list of lines; bookmarks, where there are any, are "title,page" from page 0."""
    marks = [mark.rsplit(",", 1) for mark in outline.split(";") if mark]
    first = 5 + 2 * len(pages)
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>",
        2: f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{5 + 2 * at} 0 R' for at in range(len(pages)))}]>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        4: f"<</Type/Outlines/First {first} 0 R/Last {first + len(marks) - 1} 0 R/Count {len(marks)}>>"
        if marks
        else "<<>>",
    }
    for at, lines in enumerate(pages):
        shown = b"".join(b"(%s) Tj 0 -20 Td " % line.encode("cp1252") for line in lines)
        objects[5 + 2 * at] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>/Contents {6 + 2 * at} 0 R>>"
        )
        objects[6 + 2 * at] = pdf_stream(b"BT /F 12 Tf 72 700 Td " + shown + b"ET")
    for at, (title, page) in enumerate(marks):
        following = f"/Next {first + at + 1} 0 R" if at + 1 < len(marks) else ""
        objects[first + at] = f"<</Title({title})/Parent 4 0 R/Dest[{5 + 2 * int(page)} 0 R/Fit]{following}>>"
    return pdf_file(objects)


def drawn(*pages, attached=()):
    """Each page is a list of (x, y, size, text), drawn in this order."""
    objects = {
        1: f"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[{attached}]>>>>>>"
        if attached
        else "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{4 + 2 * at} 0 R' for at in range(len(pages)))}]>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for at, texts in enumerate(pages):
        shown = b"".join(
            b"BT /F %d Tf %d %d Td (%s) Tj ET " % (size, x, y, text.encode("cp1252")) for x, y, size, text in texts
        )
        objects[4 + 2 * at] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>/Contents {5 + 2 * at} 0 R>>"
        )
        objects[5 + 2 * at] = pdf_stream(shown)
    return pdf_file(objects)
