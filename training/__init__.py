"""History, fit, dataset, train, evaluate, gate, publish."""
