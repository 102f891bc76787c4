"""All of the trick is in the tokenizer."""
