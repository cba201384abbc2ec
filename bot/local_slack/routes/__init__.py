"""The Web API's methods by resource, and the other URLs that the app calls."""
