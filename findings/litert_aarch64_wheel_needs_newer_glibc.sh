#!/bin/sh
# ai-edge-litert 2.3.0: the wheel for 64-bit ARM is tagged manylinux_2_27, as the one for x86-64 is.
#
# Expected: it runs where pip takes it: with glibc 2.27 and the libstdc++ of that time (GLIBCXX 3.4.22 or so), such as
# on Debian 11, Ubuntu 20.04 and JetPack 5.
# Seen: the x86-64 wheel keeps to it. In the aarch64 wheel, libLiteRt.so and the library behind every import want glibc
#   2.34 and GLIBCXX 3.4.30, which is that of GCC 12. pip installs it on older systems all the same, and the import
#   fails there ("version not found"). Debian 12, Ubuntu 22.04 and what is newer have both; a distribution of GCC 11
#   with glibc 2.34 has the first alone. The dependency numpy 2.4.6 keeps its tag, 2.27 or 2.28.
# So: on a board, look at `ldd --version` before, and take a system with glibc 2.35 or newer.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pyelftools==0.32
for machine in x86_64 aarch64; do
    for package in ai-edge-litert==2.3.0 numpy==2.4.6; do
        venv/bin/pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 --dest "$machine" \
            --platform "manylinux_2_27_$machine" --platform "manylinux_2_28_$machine" "$package"
    done
done
cat > needs.py <<'PYTHON'
import io
import pathlib
import re
import zipfile

from elftools.elf.elffile import ELFFile


def needs(wheel, library):
    """Return the newest version of that library's symbols that any file in a wheel wants."""
    found = [(0,)]
    with zipfile.ZipFile(wheel) as archive:
        for content in map(archive.read, archive.namelist()):
            if content[:4] == b"\x7fELF":
                section = ELFFile(io.BytesIO(content)).get_section_by_name(".gnu.version_r")
                wanted = [each for _, versions in section.iter_versions() for each in versions] if section else []
                matches = (re.fullmatch(rf"{library}_([\d.]+)", each.name) for each in wanted)
                found += [tuple(map(int, match[1].split("."))) for match in matches if match]
    return max(found)


for wheel in sorted(pathlib.Path().glob("*/*.whl")):
    glibc, glibcxx = needs(wheel, "GLIBC"), needs(wheel, "GLIBCXX")
    print(wheel.name, "glibc", glibc, "GLIBCXX", glibcxx)
    if wheel.name.startswith("ai_edge_litert") and "aarch64" in wheel.name:
        assert "manylinux_2_27" in wheel.name and glibc == (2, 34) and glibcxx == (3, 4, 30)
    else:
        assert glibc <= (2, 28) and glibcxx <= (3, 4, 25)
PYTHON
venv/bin/python needs.py
