"""The work: fine-tune, convert and serve a model on this machine."""
