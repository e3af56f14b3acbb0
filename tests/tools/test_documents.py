"""The document index: finds the passage that a question is about, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import pie_tools
from pie_tools.documents import DocumentIndex, Passage, render, terms

COLLECTION = Path(next(iter(pie_tools.__path__))) / "documents"


@pytest.fixture(scope="module")
def index() -> DocumentIndex:
    return DocumentIndex.from_directory(COLLECTION)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("price of lamp", "A lamp costs 24 crowns."),
        ("lamps price", "A lamp costs 24 crowns."),
        ("weight of desk", "A desk weighs 35 kilograms."),
        ("ferry to Osprey", "The ferry to Osprey leaves at 10:40."),
        ("ticket to Northgate", "A ticket to Northgate costs 9 crowns."),
        ("capacity of Cedar Room", "The Cedar Room holds 120 people."),
        ("librarian", "The librarian is Hugo Berger."),
        ("distance to Saltmere", "The distance to Saltmere is 93 kilometres."),
    ],
)
def test_the_passage_asked_for_is_among_the_results(
    index: DocumentIndex, query: str, text: str
) -> None:
    assert text in [passage.text for passage in index.search(query)]


def test_results_are_limited_and_ordered_by_score() -> None:
    index = DocumentIndex(
        [Passage("T", "one lamp"), Passage("T", "one lamp, blue"), Passage("T", "x")]
    )
    assert [passage.text for passage in index.search("blue lamp")] == ["one lamp, blue", "one lamp"]
    assert len(index.search("lamp", limit=1)) == 1


def test_a_query_without_a_known_term_finds_nothing(index: DocumentIndex) -> None:
    assert index.search("zeppelin") == []
    assert index.search("") == []
    assert index.search("what is the") == []


def test_plural_and_case_do_not_matter() -> None:
    assert terms("The LAMPS of Glass") == terms("lamp glass")


def test_render_writes_one_titled_line_per_passage() -> None:
    assert render([Passage("A", "b."), Passage("C", "d.")]) == "A: b.\nC: d."


def test_an_empty_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="txt"):
        DocumentIndex.from_directory(tmp_path)


def test_every_passage_of_the_shipped_collection_is_short(index: DocumentIndex) -> None:
    for file in COLLECTION.glob("*.txt"):
        title, *passages = file.read_text(encoding="utf-8").strip().splitlines()
        assert title
        assert passages
        assert all(len(passage) < 120 for passage in passages)
