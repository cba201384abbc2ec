"""Dataset sources, validation, report, split and write."""
