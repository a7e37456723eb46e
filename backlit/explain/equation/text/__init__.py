"""From written equations to trees, and back."""
