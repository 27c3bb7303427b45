"""A laboratory worker on the delivery layer, and the oracle that recounts what it should have done."""
