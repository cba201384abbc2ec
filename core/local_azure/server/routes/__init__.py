"""One module per resource, each with `routes`: parse the request, call the state, answer."""
