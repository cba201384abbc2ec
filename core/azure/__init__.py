"""The only room that imports `azure.*`."""
