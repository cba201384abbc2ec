"""An Azure ML workspace for one machine."""
