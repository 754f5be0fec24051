"""Networks with mixture-of-experts layers, written for one run and carried by many at once."""
