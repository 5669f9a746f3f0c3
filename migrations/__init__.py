"""The donation platform's migrations, in the native format: what the demo and the first run apply."""
