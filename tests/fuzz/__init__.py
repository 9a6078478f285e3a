"""Random requests to both APIs: whatever comes, the service lives, answers and tells nothing."""
