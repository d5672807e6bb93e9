"""A measured result says which code measured it."""

import subprocess

import pytest

import keras_liteseg
from keras_liteseg.provenance import provenance, provenance_of_host, source_commit


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with a package, a page and a result."""
    for name in ("package/code.py", "docs/page.md", "results/table.csv"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text("first\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    source_commit.cache_clear()
    yield tmp_path
    source_commit.cache_clear()


def test_version_of_the_package_is_named():
    versions = provenance()["versions"]
    assert versions["keras_liteseg"] == keras_liteseg.__version__
    assert versions.get("commit") == source_commit()
    assert provenance_of_host()["versions"] == versions


def test_commit_is_that_of_the_checkout(checkout):
    assert source_commit(checkout / "package") == git(checkout, "rev-parse", "--short", "HEAD").strip()


def test_changed_source_is_marked(checkout):
    (checkout / "package" / "code.py").write_text("second\n")
    assert source_commit(checkout / "package").endswith("-dirty")


def test_results_and_pages_do_not_count_as_changes(checkout):
    (checkout / "results" / "table.csv").write_text("second\n")
    (checkout / "docs" / "page.md").write_text("second\n")
    (checkout / "notes.txt").write_text("not tracked\n")
    assert not source_commit(checkout / "package").endswith("-dirty")


def test_installed_package_takes_no_commit_of_a_repository_around_it(checkout):
    assert source_commit(checkout / "site-packages" / "package") is None


def test_repository_without_a_commit_or_git_gives_none(checkout, tmp_path_factory, monkeypatch):
    empty = tmp_path_factory.mktemp("empty")
    git(empty, "init", "--quiet")
    assert source_commit(empty / "package") is None
    monkeypatch.setenv("PATH", "")
    assert source_commit(checkout / "package") is None
