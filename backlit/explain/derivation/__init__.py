"""From a graph and its derivative to equations: what `backlit.explain.derive` is made of."""
