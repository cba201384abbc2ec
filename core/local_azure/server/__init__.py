"""An Azure ML workspace for one machine: the wire that azure-ai-ml speaks, over TLS on loopback.

`state_*` modules hold what is stored and its transitions, `wire_*` the JSON that Azure answers, `routes/*` one
resource each; `running` starts it, `control` is the plane for tests and demos.
"""
