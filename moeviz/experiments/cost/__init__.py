"""What a layer costs: counted from its sizes, measured on this machine, and grown at the same cost."""
