"""This machine's own peak in products of binary64 matrices, in flops per second.

    taskset -c 0,1 python benches/peers/gemm.py

The best rate of 1024 x 1024 x 1024 products, 2 * 1024^3 flops each, by the BLAS of numpy and by JAX. Prints one JSON line each.
`run.py` calls it without OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which can pin OpenBLAS to a slow kernel; `kernel` says which
one it took.
"""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from workload import rate

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

SIZE = 1024


def main():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(SIZE, SIZE)) for _ in range(2))
    out = np.empty((SIZE, SIZE))
    cores = len(os.sched_getaffinity(0))
    with threadpool_limits(cores):
        kernel = next((pool["architecture"] for pool in threadpool_info() if "architecture" in pool), "unknown")
        found = rate(lambda: np.matmul(a, b, out=out), 1)
    print(json.dumps({"by": "numpy", "kernel": kernel, "flops": found * 2 * SIZE**3}))
    x, y = jnp.array(a), jnp.array(b)
    product = jax.jit(jnp.matmul)
    found = rate(lambda: product(x, y).block_until_ready(), 1)
    print(json.dumps({"by": "JAX", "kernel": "Eigen", "flops": found * 2 * SIZE**3}))


if __name__ == "__main__":
    main()
