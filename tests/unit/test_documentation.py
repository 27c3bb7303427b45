"""What README, CONTRIBUTING and docs/ say can be followed: links lead somewhere, commands are commands."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
INDEX = ROOT / "docs" / "README.md"

_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|^\[[^\]\n]+\]:\s*(\S+)", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = ("", "sh", "bash", "shell", "console")
_TARGET = re.compile(r"(?:^|[\s`(])make ((?:-\w+ )*)([a-z][a-z-]*)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links to files of the project."""
    for inline, reference in _LINK.findall(_BLOCK.sub("", page.read_text())):
        target = inline or reference
        if not re.match(r"[a-z]+:", target):
            yield target


def commands(page: Path) -> Iterator[str]:
    """Yield the blocks of shell commands; blocks that show output, JSON or a tree are none."""
    for language, text in _BLOCK.findall(page.read_text()):
        first = text.split(maxsplit=1)[0] if text.strip() else ""
        if language in _SHELL and (language or re.match(r"(make|curl|pip|uv|docker|python|[A-Z_]+=)", first)):
            yield text


def targets_of(text: str) -> set[str]:
    return {target for _, target in _TARGET.findall(text)}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, fragment = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if fragment and target.suffix == ".md":
            assert fragment in map(anchor, _HEADING.findall(target.read_text())), f"{name_of(page)} links to {link}"


def test_the_index_leads_to_every_page() -> None:
    linked = {(INDEX.parent / link.partition("#")[0]).resolve() for link in links(INDEX)}
    assert linked >= {page for page in PAGES if page != INDEX and page.is_relative_to(INDEX.parent)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_commands_is_valid_shell(page: Path) -> None:
    for block in commands(page):
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, f"{block}\n{checked.stderr}"


def test_the_readme_has_commands_to_check() -> None:
    assert len(list(commands(ROOT / "README.md"))) >= 4


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    shown = "\n".join([*commands(page), *re.findall(r"`([^`\n]+)`", text)])
    assert targets_of(shown) <= make_targets()


def test_every_target_of_the_makefile_that_is_for_people_has_its_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    helped = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert make_targets() - helped <= {"venv"}
