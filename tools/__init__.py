"""How files of the package, its tests and its site were made; each is a script."""
