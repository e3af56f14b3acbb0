"""What instances share beyond inference: messages, key-value store, HTTP. One of each a server."""
