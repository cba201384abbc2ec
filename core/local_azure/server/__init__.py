"""The wire: ARM, registry, jobs, endpoints, blob, MLflow and identity, as Azure speaks them."""
