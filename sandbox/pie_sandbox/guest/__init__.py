"""The half of the sandbox that runs inside it: standard library only, copied into the image."""
