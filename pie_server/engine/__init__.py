"""The inference layer: schedules commands into batches and runs them on the device."""

from __future__ import annotations
