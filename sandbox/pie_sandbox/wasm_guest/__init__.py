"""The half of the WebAssembly sandbox that runs inside it."""
