"""What people and programs expect beside the code: license, changelog, citation, one version everywhere."""

import pathlib
import re
import tomllib

import yaml

import keras_liteseg

ROOT = pathlib.Path(__file__).parents[1]
RELEASES = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere():
    newest = next(version for version, date in RELEASES if date)
    assert newest == keras_liteseg.__version__ == CITATION["version"]


def test_changelog_has_what_is_coming_first_and_dates_after_it():
    assert RELEASES[0] == ("Unreleased", "")
    dates = [date for _, date in RELEASES[1:]]
    assert all(dates) and dates == sorted(dates, reverse=True)


def test_one_license_everywhere():
    assert PROJECT["license"] == CITATION["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text


def test_citation_names_the_papers_of_the_networks():
    """Each paper stands with title and all authors in the first lines of its network's module."""
    papers = {reference["identifiers"][0]["value"]: reference for reference in CITATION["references"]}
    modules = {"liteseg": "1912.06683", "pp_liteseg": "2204.02681", "lps_net": "2207.13600", "ndnet": "1903.06922"}
    assert set(papers) == {f"arXiv:{number}" for number in modules.values()}
    for module, number in modules.items():
        docstring = " ".join((ROOT / "keras_liteseg" / "networks" / f"{module}.py").read_text().split('"""')[1].split())
        paper = papers[f"arXiv:{number}"]
        authors = ", ".join(f"{author['given-names']} {author['family-names']}" for author in paper["authors"])
        assert f'{authors}: "{paper["title"]}"' in docstring and f"arXiv {number}" in docstring


def test_contributing_names_files_and_commands_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {name for name in re.findall(r"`([\w./-]+)`", text) if "/" in name and "NAME" not in name}
    named |= set(re.findall(r"`(\w+\.(?:md|cff|toml|txt))`", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)`", text)) <= targets
