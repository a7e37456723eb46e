"""What expressions are worth: arithmetics, programs, points, proofs."""
