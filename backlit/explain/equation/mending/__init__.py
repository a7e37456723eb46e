"""What a wrong claim should have been."""
