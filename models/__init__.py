"""The laboratory: corpora, training, evaluation, export, and the store of models. Never installed with the server."""
