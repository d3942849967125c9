"""How large the batches are that schemathesis makes: told to it in the specification, and to its hooks."""

BATCH_ITEMS_MAX = 2
