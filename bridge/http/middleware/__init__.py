"""What happens to every request before its resource."""
