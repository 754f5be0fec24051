"""The engine inside the web server: which runs there are, on which worker, and who watches (no torch here)."""
