"""What a page has of its own, one file each; not named `pages`, since Streamlit would take them for pages."""
