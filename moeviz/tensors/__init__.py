"""What every tensor shares: letters of axes, named random streams, devices and half types."""
