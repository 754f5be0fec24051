"""What every tensor shares: the letters of axes, named random streams, devices and half types."""
