"""What only a CUDA machine can show: that its kernels are right, and how fast they are."""

from __future__ import annotations
