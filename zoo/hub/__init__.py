"""The Hugging Face Hub. Its client, `huggingface_hub`, is imported in this folder only, and only when it is needed."""
