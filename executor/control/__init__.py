"""The loop: everything that changes state, on one asyncio thread. `supervisor` draws the pipeline; begin there."""
