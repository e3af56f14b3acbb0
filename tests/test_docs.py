"""Generated pages are those that the code generates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_operations_reference_is_up_to_date() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "scripts/operations-reference")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (ROOT / "docs/operations.md").read_text() == printed, (
        "run: scripts/operations-reference > docs/operations.md"
    )


def test_every_link_in_the_documentation_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("inferlets/**/*.md")]
    broken = []
    for page in pages:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
