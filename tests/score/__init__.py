"""How near the estimates of a plan are to what servers do: `make score`."""
