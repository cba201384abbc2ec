"""A Slack workspace for one machine: Web API, Socket Mode and signed HTTP delivery, for unmodified slack-bolt apps.

`model` and `state` are the workspace, `store` keeps it on disk; `wire`, `payloads` and `events` are Slack's JSON;
`schema`, `blocks` and `content` judge what an app sends; `api` and `routes` are the Web API with its `limits` and
`faults`; `sockets` and `delivery` reach the app; `control` is the plane for tests and `control_people` the part with
which `people` act, called by `control_client` and `person`; `reading` and `mrkdwn` are what a person reads; `app` and
`server` put it together.
"""
