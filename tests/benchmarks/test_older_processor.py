"""A program that sees a processor with AVX2 alone."""

import os
import platform
import shutil
import subprocess

import pytest

from benchmarks.older_processor import SOURCE, without_cpuid

PROGRAM = """
#include <cpuid.h>
#include <stdio.h>
int main(void) {
  unsigned a, b, c, d;
  __cpuid_count(7, 0, a, b, c, d);
  printf("%d %d %d %d\\n", b >> 5 & 1, b >> 16 & 1, c >> 11 & 1, d >> 25 & 1);
}
"""


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not (shutil.which("gcc") and shutil.which("objdump")),
    reason="needs x86-64 with gcc and objdump",
)
def test_only_avx2_is_seen(tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    program, library = tmp_path / "program", tmp_path / "answer.so"
    subprocess.run(["gcc", "-O1", "-o", program, tmp_path / "program.c"], check=True)
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    avx2, *newer = subprocess.check_output([program], text=True).split()
    without_cpuid(program)
    seen = subprocess.check_output([program], text=True, env={**os.environ, "LD_PRELOAD": str(library)}).split()
    assert seen == [avx2, "0", "0", "0"]
    # Without the answers there is no such instruction.
    assert subprocess.run([program]).returncode < 0
