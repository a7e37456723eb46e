"""The graph, its parts and the tracer; everything else is a transformation of these."""
