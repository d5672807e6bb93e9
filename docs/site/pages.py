"""Hook of MkDocs: the site has the folders of the repository, so that links lead to the same files in both."""

import pathlib
import re

import click
import nbformat
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

from keras_liteseg.commands import SUMMARIES, liteseg

ROOT = pathlib.Path(__file__).parents[2]
# What the pages are made of, and what they link to.
PATTERNS = (
    "*.md",
    "LICENSE",
    "CITATION.cff",
    "docs/*.md",
    "docs/images/*",
    "docs/site/*.css",
    "edge/README.md",
    "findings/*",
    "benchmarks/README.md",
    "results/README.md",
    "configs/**/*.yaml",
    "examples/*/*",
)
ITEM = re.compile(r"(?:-|\d+\.) ")
CODE = re.compile(r"`[^`]+`")


def on_files(files, config):
    """Return the files of the repository in place of those of `docs_dir`, and what theme and plugins added."""
    added = [file for file in files if file.src_dir != config.docs_dir]
    paths = [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern)) if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    pages = [File(name, str(ROOT), config.site_dir, config.use_directory_urls) for name in names]
    notebooks = [each for path in sorted(ROOT.glob("docs/*.ipynb")) for each in _notebook(path, config)]
    return Files([*added, *pages, *notebooks])


class Notebook(File):
    """A page that links call by the name of the notebook."""

    def is_documentation_page(self):
        return True


def _notebook(path, config):
    """Return the page of a notebook, and the pictures that its cells gave."""
    text, resources = MarkdownExporter().from_notebook_node(nbformat.read(path, as_version=4))
    name = path.relative_to(ROOT)
    pictures = resources["outputs"].items()
    return [
        Notebook.generated(config, name.as_posix(), content=text),
        *(File.generated(config, (name.parent / picture).as_posix(), content=data) for picture, data in pictures),
    ]


def on_page_markdown(markdown, page, **arguments):
    """Return a page as the site is to have it."""
    if page.file.src_uri == "docs/commands.md":
        markdown += "\n\n" + "\n\n".join(map(_help, SUMMARIES))
    return _for_python_markdown(markdown)


def _help(name):
    """Return the section of a command with its help text."""
    command = liteseg.get_command(click.Context(liteseg), name)
    context = click.Context(command, info_name=f"liteseg {name}", terminal_width=100, max_content_width=100)
    return f"## liteseg {name}\n\n```text\n{command.get_help(context)}\n```"


def _for_python_markdown(markdown):
    """Return a page, which is written for GitHub's Markdown, as Python-Markdown reads it.

    Python-Markdown wants what belongs to an item of a list indented by four spaces, whatever the width of the item's
    marker, an empty line before an item that follows a paragraph of another, and bars in a table's code as they are.
    """
    lines, missing, paragraphs = [], 0, False
    for line in markdown.splitlines():
        if item := ITEM.match(line):
            missing = 4 - len(item[0])
            lines += [""] if paragraphs else []
            paragraphs = False
        elif line and not line.startswith(" "):
            missing, paragraphs = 0, False
        elif missing and not line:
            paragraphs = True
        if line.startswith("|"):
            line = CODE.sub(lambda code: code[0].replace("\\|", "|"), line)
        lines.append(" " * missing + line if line.startswith(" ") else line)
    return "\n".join(lines)
