"""The files of /docs: complete, of the bridge alone, and fit for a policy without inline code."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bridge_app.web.documents import PAGE, page_files

ROOT = Path(__file__).parents[3]
FILES = {name: body.decode() for name, body in page_files().items()}
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))


def test_the_page_refers_to_files_that_are_there() -> None:
    referred = re.findall(r'(?:src|href)="static/([^"]+)"', FILES[PAGE])
    assert {"docs.js", "docs.css"} <= set(referred) <= set(FILES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_files_that_are_there(name: str) -> None:
    assert {imported.removeprefix("./") for imported in re.findall(r'from "([^"]+)"', FILES[name])} <= set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    assert set(re.findall(r"https?://[^\s\"')]+", FILES[name])) <= {"http://www.w3.org/2000/svg"}


def test_the_page_has_no_inline_code_and_no_inline_style() -> None:
    page = FILES[PAGE]
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\bstyle=|\bon\w+=", page) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_document_says_is_never_read_as_markup(name: str) -> None:
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", FILES[name]) == []
    )


def test_every_control_of_the_page_has_a_name() -> None:
    page = FILES[PAGE]
    assert 'lang="en"' in page
    for control in re.findall(r"<(?:input|select)\b[^>]*>", page):
        before = page[: page.index(control)]
        assert before.rfind("<label") > before.rfind("</label>"), control


def test_an_installation_has_all_files_of_the_page() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["bridge_app.web"]
    assert all(any(fnmatch(f"static/{name}", pattern) for pattern in patterns) for name in FILES)
