"""Whether a claim is right."""
