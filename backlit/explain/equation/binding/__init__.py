"""What the names, letters and shapes in some notes stand for."""
