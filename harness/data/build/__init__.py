"""Making datasets: documents and a tokenizer in, a checked directory out."""
