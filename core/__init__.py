"""Everything that works without Slack; never imports `bot`."""
