"""A Slack workspace for one machine: Web API, Socket Mode and signed HTTP delivery."""
