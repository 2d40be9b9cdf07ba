"""What pyproject.toml cannot say yet: how the loops of the clusterings are compiled. All else stands there."""

import os

from setuptools import Extension, setup

# No -ffast-math, which would change the rounding of the whole process. Without infinities, NaN and the sign of zero,
# loops over clusters can be vectorised, and sums be taken in another order.
FLAGS = ["-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros",
         "-fassociative-math"]  # fmt: skip

if __name__ == "__main__":
    flags = ["/O2", "/fp:fast"] if os.name == "nt" else FLAGS
    loops = Extension("cluster_tune._compiled", ["lib/cluster_tune/_loops.c"], extra_compile_args=flags)
    setup(ext_modules=[loops])
