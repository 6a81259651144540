"""What every solver stands on; imports no solver."""
