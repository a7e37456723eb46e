"""Pictures of graphs: what is drawn, where it goes, and the drawing itself."""
