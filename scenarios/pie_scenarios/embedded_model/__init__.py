"""The embedded model: its synthetic conversations, tokenizer, training and evaluation."""
