"""What pyproject.toml cannot say yet: how the loops of the clusterings are compiled. All else stands there."""

import hashlib
import os
from pathlib import Path

from setuptools import Extension, setup

SOURCE = "lib/cluster_tune/_loops.c"
# No multiplications fused with additions and no sums in another order: results are the same on every processor. No
# infinities, NaN or sign of zero: loops over clusters can be vectorised.
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only",
         "-fno-signed-zeros"]  # fmt: skip

if __name__ == "__main__":
    digest = hashlib.sha256(Path(SOURCE).read_bytes()).hexdigest()[:16]  # so that Python sees when it has changed since
    flags = ["/O2"] if os.name == "nt" else FLAGS
    loops = Extension("cluster_tune._compiled", [SOURCE], extra_compile_args=flags, define_macros=[("DIGEST", f'"{digest}"')])
    setup(ext_modules=[loops])
