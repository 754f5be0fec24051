"""What a page has of its own, one file each; the pages themselves are in `pages/`."""
