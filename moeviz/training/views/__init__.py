"""What a frame shows: each view is a function State → arrays, named once in the registry."""
