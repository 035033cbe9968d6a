"""core show: one model of a report, built once from what the target answers; three renderers."""
