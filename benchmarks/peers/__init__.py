"""Peers: the smallest honest server of each shape that the field builds, to be measured beside ours.

Each module is a program: ``python -m benchmarks.peers.NAME --port P --mqtt URL --model FOLDER``. README.md here says
what each one is and why it is fair. Nothing in this package may ever be imported by the product.
"""

import os

# One core is measured. Libraries that start threads for a matrix product would only stand in each other's way there.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before numpy is loaded
