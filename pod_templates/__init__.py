"""Pod templates that come with the executor: `default.yaml`, and examples to copy."""
