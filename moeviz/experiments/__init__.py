"""Many runs at once, in the background: sweeps, the article’s trials, what a layer costs, speed side by side."""
