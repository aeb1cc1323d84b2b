"""Faults for a learner to find: each is injected into the running stack, and can be taken back."""
