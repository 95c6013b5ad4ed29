"""Crash campaigns: a workload that says what it was promised, a death, and a checker that holds vecstore to it."""
