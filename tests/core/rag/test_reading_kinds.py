"""Each parser keeps what a citation needs: headings, pages, rows. Pure, without a child process."""

import pytest

from core.rag.chunk import split
from core.rag.reading import docx, html, pdf, plain, table
from core.rag.reading.result import CSV, DOCX, HTML, PDF, PLAIN
from tests.core.rag import files

GERMAN = "Über Ziele: “Größe” zählt nicht – ein kleiner Schritt genügt für Anfänger."
RUSSIAN = "Привычка начинается с одного маленького шага. Делайте его каждый день."
JAPANESE = "習慣は小さな一歩から始まります。毎日同じ時間に行ってください。"


def test_a_pdf_keeps_its_pages_and_its_outline() -> None:
    pages = ["Habits\nStart small.", "# of steps: one.", "Sleep\nOne bedtime."]
    read = pdf.read(files.pdf(pages, outline=[("Habits", 0), ("Sleep", 2)]))
    assert (read.media_type, read.pages) == (PDF, 3)
    found = [(c.page, c.heading, c.text) for c in split(read.text, media_type=PDF)]
    assert found == [
        (1, "Habits", "Start small."),
        (2, "Habits", "# of steps: one."),
        (3, "Sleep", "One bedtime."),
    ]


def test_lines_of_a_paragraph_are_joined_and_items_are_not() -> None:
    text = f"{'long words ' * 7}that go\non here.\n- one item\n- another"
    joined = pdf.read(files.pdf([text])).text
    assert joined == f"{'long words ' * 7}that go on here.\n- one item\n- another"


def test_a_docx_keeps_its_headings() -> None:
    read = docx.read(files.docx([(1, "Habits"), (0, "Start small."), (2, "Cues"), (0, "Tie it.")]))
    chunks = [(c.heading, c.text) for c in split(read.text, media_type=DOCX)]
    assert chunks == [("Habits", "Start small."), ("Habits › Cues", "Tie it.")]


def test_html_keeps_headings_and_what_is_seen() -> None:
    page = b"""<!doctype html><title>On  habits</title><nav>Home</nav><script>alert(1)</script>
    <main><h1>Habits</h1><p>Start <a href="https://x.example">small</a> * a lot.</p>
    <p hidden>ignored</p><p style="display : none">ignored</p><img src="x" alt="ignored">
    <ul><li>One</li></ul></main><footer>ignored</footer>"""
    read = html.read(page)
    assert (read.title, read.media_type) == ("On habits", HTML)
    assert read.text == "# Habits\n\nStart small * a lot.\n\n- One"


def test_pages_declare_their_encoding() -> None:
    page = f'<meta charset="windows-1251"><p>{RUSSIAN}'.encode("cp1251")
    assert html.read(page).text == RUSSIAN
    assert html.read(f"<p>{RUSSIAN}".encode("koi8-r"), "koi8-r").text == RUSSIAN


def test_a_faq_is_a_passage_a_pair() -> None:
    rows = (
        'Id;Frage;Antwort\n1;"Wie\nanfangen?";Klein.\n2;Und dann?;"# 1 zuerst,\n# 2 dann."\n3;Leer;'
    )
    read = table.read(rows.encode("cp1252"))
    chunks = [(c.heading, c.text) for c in split(read.text, media_type=CSV)]
    assert chunks == [("Wie anfangen?", "Klein."), ("Und dann?", "# 1 zuerst,\n # 2 dann.")]


def test_another_table_is_lines_of_header_and_value() -> None:
    read = table.read(b"name,age\nAda,36\nBob,\n")
    assert (read.media_type, read.text) == (CSV, "name: Ada\nage: 36\n\nname: Bob")


def test_prose_called_csv_is_prose() -> None:
    text = "Start small, then grow.\n\nA second thought, with commas, as prose has.\nAnd one more."
    read = table.read(text.encode())
    assert (read.media_type, read.text) == (PLAIN, text)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("Über Ziele", "latin-1"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "shift-jis"),
        (JAPANESE, "euc-jp"),
        (JAPANESE, "iso2022-jp"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (GERMAN, "utf-8-sig"),
    ],
)
def test_odd_encodings_are_normalised(text: str, encoding: str) -> None:
    assert plain.decode(text.encode(encoding)) == text


def test_a_wrong_declaration_is_not_believed() -> None:
    assert plain.decode(GERMAN.encode(), "shift-jis") == GERMAN
    assert plain.decode(GERMAN.encode("cp1252"), "no-such-encoding") == GERMAN
